// Which kernels run? Each family installs what is available, best last; a later installation replaces an earlier one.
#include "kernels/cpu.h"
#include "kernels/kernels.h"

namespace octavo::kernels {

// The one external function of every kernels/<family>/<isa>.cc.
void install_gemm_scalar(KernelTable&);
void install_attention_scalar(KernelTable&);
void install_rowwise_scalar(KernelTable&);

void install_gemm_avx2(KernelTable&);
void install_attention_avx2(KernelTable&);
void install_rowwise_avx2(KernelTable&);

void install_gemm_avxvnni(KernelTable&);

void install_gemm_avx512vnni(KernelTable&);
void install_attention_avx512vnni(KernelTable&);
void install_rowwise_avx512vnni(KernelTable&);

void install_gemm_amx(KernelTable&);
void install_attention_amx(KernelTable&);

namespace {

struct Statuses {
  IsaStatus of[kIsaCount];
};

IsaStatus status(Isa isa, const char* name, const char* missing) { return {isa, name, missing[0] == '\0', missing}; }

Statuses detect() {
  const CpuFeatures cpu = cpu_features();
  return {{status(Isa::scalar, "scalar", ""),  //
           status(Isa::avx2, "avx2", cpu.missing_avx2), status(Isa::avxvnni, "avxvnni", cpu.missing_avxvnni),
           status(Isa::avx512vnni, "avx512vnni", cpu.missing_avx512vnni), status(Isa::amx, "amx", cpu.missing_amx)}};
}

}  // namespace

const IsaStatus* isa_status() {
  static const Statuses statuses = detect();
  return statuses.of;
}

bool prepare(Isa isa) { return isa != Isa::amx || request_tiles(); }

KernelTable table_for(Isa isa) {
  // Sets of features, not a chain: each set that `isa` builds on is named here.
  const bool amx = isa == Isa::amx && prepare(isa);
  const bool avx512vnni = isa == Isa::avx512vnni || isa == Isa::amx;
  const bool avxvnni = isa == Isa::avxvnni;
  const bool avx2 = isa == Isa::avx2 || avxvnni || avx512vnni;

  KernelTable table = {};
  install_gemm_scalar(table);
  install_attention_scalar(table);
  install_rowwise_scalar(table);
  if (avx2) {
    install_gemm_avx2(table);
    install_attention_avx2(table);
    install_rowwise_avx2(table);
  }
  if (avxvnni) install_gemm_avxvnni(table);
  if (avx512vnni) {
    install_gemm_avx512vnni(table);
    install_attention_avx512vnni(table);
    install_rowwise_avx512vnni(table);
  }
  if (amx) {
    install_gemm_amx(table);
    install_attention_amx(table);
  }
  return table;
}

}  // namespace octavo::kernels

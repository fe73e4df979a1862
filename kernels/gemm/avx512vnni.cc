// GEMM on vpdpbusd with 512-bit registers, for CPUs with AVX-512 VNNI.
#include "gemm/vpdpbusd_512.h"

namespace octavo::kernels {
namespace {

void gemm_to_bytes(const Gemm& gemm, const ToBytes& to) { vpdpbusd_product<BytesEpilogue>(gemm, to); }
void gemm_gelu(const Gemm& gemm, const Gelu& to) { vpdpbusd_product<GeluEpilogue>(gemm, to); }
void gemm_add_to_stream(const Gemm& gemm, const AddToStream& to) { vpdpbusd_product<StreamEpilogue>(gemm, to); }
void gemm_add_to_stream8(const Gemm& gemm, const AddToStream8& to) { vpdpbusd_product<Stream8Epilogue>(gemm, to); }
void gemm_to_shorts(const Gemm& gemm, const ToShorts& to) { vpdpbusd_product<ShortsEpilogue>(gemm, to); }
void gemm_to_accumulators(const Gemm& gemm, const ToAccumulators& to) {
  vpdpbusd_product<AccumulatorsEpilogue>(gemm, to);
}

}  // namespace

void install_gemm_avx512vnni(KernelTable& table);
void install_gemm_avx512vnni(KernelTable& table) {
  table.gemm_to_bytes = gemm_to_bytes;
  table.gemm_gelu = gemm_gelu;
  table.gemm_add_to_stream = gemm_add_to_stream;
  table.gemm_add_to_stream8 = gemm_add_to_stream8;
  table.gemm_to_shorts = gemm_to_shorts;
  table.gemm_to_accumulators = gemm_to_accumulators;
}

}  // namespace octavo::kernels

// GEMM on vpdpbusd with 512-bit registers, for CPUs with AVX-512 VNNI.
#include "kernels/gemm/vpdpbusd_512.h"

namespace octavo::kernels {
namespace {

struct Products {
  template <class Epilogue, class Output>
  static void product(const Gemm& gemm, const Output& output) {
    vpdpbusd_product<Epilogue>(gemm, output);
  }
};

}  // namespace

void install_gemm_avx512vnni(KernelTable& table);
void install_gemm_avx512vnni(KernelTable& table) { write_table<Products>(table); }

}  // namespace octavo::kernels

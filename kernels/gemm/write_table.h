// The products of one instruction set in a table, for the files whose products are one template over the epilogues.
// Included after epilogues_256.h or epilogues_512.h.
#pragma once

#include "kernels/kernels.h"

namespace octavo::kernels {
namespace {

// Products::product<Epilogue>(gemm, output) computes a product and hands its accumulators to the epilogue.
template <class Products>
void write_table(KernelTable& table) {
  table.gemm_to_bytes = Products::template product<BytesEpilogue>;
  table.gemm_gelu = Products::template product<GeluEpilogue>;
  table.gemm_add_to_stream = Products::template product<StreamEpilogue>;
  table.gemm_add_to_stream8 = Products::template product<Stream8Epilogue>;
  table.gemm_to_shorts = Products::template product<ShortsEpilogue>;
  table.gemm_to_accumulators = Products::template product<AccumulatorsEpilogue>;
}

}  // namespace
}  // namespace octavo::kernels

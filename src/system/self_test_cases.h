// Cases of `octavo selftest`: for each kernel, random inputs that keep the contract of kernels.h, extremes included.
#pragma once

#include "kernels/kernels.h"
#include "system/self_test_inputs.h"

#include <functional>

namespace octavo::self_test_cases {

/// Holds the inputs of one call. Runs the table's kernel on a fresh copy of its output and returns the bytes that the
/// contract specifies, with those around them that no kernel may change.
using Case = std::function<Bytes(const kernels::KernelTable&)>;

Case gemm_to_bytes(Random& random);
Case gemm_gelu(Random& random);
Case gemm_add_to_stream(Random& random);
Case gemm_add_to_stream8(Random& random);
Case gemm_to_shorts(Random& random);
Case gemm_to_accumulators(Random& random);
Case attention(Random& random);
Case layer_norm(Random& random);
Case embedding_sum(Random& random);
Case column_sum(Random& random);

}  // namespace octavo::self_test_cases

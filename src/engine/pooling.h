// From the vectors of tokens to one vector per sequence.
#pragma once

#include "runtime/ragged.h"

#include "octavo/model.h"
#include "octavo/tensor.h"

#include <cstdint>
#include <span>
#include <vector>

namespace octavo {

/// Of the last hidden state f32 [rows of the batch, columns]: f32 [sequences, kinds * columns].
Tensor pool_rows(const Tensor& hidden, const RaggedBatch& batch, const std::vector<Pooling>& pooling);

/// Means of integer sums over whole sequences, the batch's prefix left out: f32 [sequences, columns]. The only float
/// arithmetic of such an embedding.
Tensor mean_of_sums(std::span<const std::int32_t> sums, float scale, const RaggedBatch& batch, std::int64_t columns);

}  // namespace octavo

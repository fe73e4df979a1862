#include "integer/hard_attention.h"

#include <algorithm>
#include <functional>

namespace octavo {
namespace {

constexpr std::ptrdiff_t padded(int keys) { return (std::ptrdiff_t{keys} + 31) / 32 * 32; }

}  // namespace

std::size_t hard_attention_elements(const RaggedBatch& batch) {
  std::ptrdiff_t most = 0;
  for (int i = 0; i < batch.sequences(); ++i)
    most = std::max(most, padded(batch.past(i) + batch.length(i)) * (std::ptrdiff_t{batch.length(i)} + 2));
  return static_cast<std::size_t>(most);
}

void hide_small_scores(kernels::Attention& call, int most_keys, std::int32_t* rows) {
  const kernels::AttentionConstants& constants = *call.constants;
  const std::ptrdiff_t stride = padded(call.length);
  std::int32_t *scores = rows, *sorted = rows + stride, *bias = rows + 2 * stride;
  for (int i = 0; i < call.queries; ++i) {
    const int query = call.first_query + i, keys = constants.causal ? call.past + query + 1 : call.length;
    const std::uint8_t* q = call.q + query * call.stride;
    const std::int32_t* given = call.bias ? call.bias + query * call.bias_stride : nullptr;
    for (int key = 0; key < keys; ++key) {
      const std::int8_t* k = call.k + key * call.key_stride;
      std::int32_t score = given ? given[key] : 0;
      for (int d = 0; d < constants.head_size; ++d) score += (q[d] - constants.query_zero_point) * k[d];
      scores[key] = score;
    }
    std::int32_t* row = bias + i * stride;
    const int seen = std::min(most_keys, keys);
    std::copy_n(scores, keys, sorted);
    std::nth_element(sorted, sorted + seen - 1, sorted + keys, std::greater<>());
    for (int key = 0; key < keys; ++key)
      row[key] = scores[key] < sorted[seen - 1] ? -kernels::kLargestScoreBias : given ? given[key] : 0;
    std::fill(row + keys, row + stride, 0);
  }
  call.bias = bias - call.first_query * stride;
  call.bias_stride = stride;
}

}  // namespace octavo

#include "integer/gate_mean.h"

#include <algorithm>

namespace octavo {
namespace {

std::int64_t floor_divide(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace

void mean_gate_logits(const GateAccumulators& from, const RaggedBatch& batch, std::int16_t* out,
                      std::ptrdiff_t out_stride) {
  for (int sequence = 0; sequence < batch.sequences(); ++sequence) {
    const std::ptrdiff_t first = batch.start[static_cast<std::size_t>(sequence)], length = batch.length(sequence);
    for (int head = 0; head < from.heads; ++head) {
      std::int64_t sum = 0;
      for (std::ptrdiff_t row = first; row < first + length; ++row) sum += from.values[row * from.stride + head];
      const std::int64_t mean = floor_divide(2 * sum + length, 2 * length);
      const std::int64_t logit = (mean * from.multiplier[head] + (std::int64_t{1} << (from.shift - 1))) >> from.shift;
      out[sequence * out_stride + head] = static_cast<std::int16_t>(std::clamp<std::int64_t>(logit, -32768, 32767));
    }
  }
}

}  // namespace octavo

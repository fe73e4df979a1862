#include "models/parts/alibi.h"

#include <cmath>
#include <cstdlib>
#include <vector>

namespace octavo {
namespace {

/// ALiBi's slopes (Press et al. 2022, section 3): a geometric sequence for each power of two; other numbers of heads
/// take the rest from every second one of twice as many.
std::vector<double> alibi_slopes(int heads) {
  int power = 1;
  while (2 * power <= heads) power *= 2;
  std::vector<double> result;
  const double ratio = std::exp2(-8.0 / power);
  for (int i = 0; i < power; ++i) result.push_back(std::pow(ratio, i + 1));
  if (power == heads) return result;
  const std::vector<double> finer = alibi_slopes(2 * power);
  for (std::size_t i = 0; static_cast<int>(result.size()) < heads; i += 2) result.push_back(finer[i]);
  return result;
}

}  // namespace

ScoreBias alibi(CheckpointTensors& tensors, int heads, int positions) {
  const int reach = positions - 1;
  const std::vector<double> slopes = alibi_slopes(heads);
  Tensor table(DType::f32, {heads, 2 * reach + 1});
  float* value = table.writable<float>().data();
  for (const double slope : slopes) {
    for (int distance = -reach; distance <= reach; ++distance)
      *value++ = static_cast<float>(-slope * std::abs(distance));
  }
  return {.table = tensors.add("alibi", table), .reach = reach};
}

}  // namespace octavo

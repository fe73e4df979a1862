#include "quantize/four_bit_weights.h"

#include "kernels/kernels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace octavo {
namespace {

using kernels::kGroupDepth;

constexpr int kLeast = -15, kMost = 16;  // of a multiplier: times -8..7 they are within an s8
constexpr float kLargest = 120.0f;       // weight in a row's scale, with multipliers of either sign
constexpr float kDamping = 0.01f;        // of the mean second moment, added to each
constexpr int kCandidates = kMost - kLeast + 1;

/// Squared errors of a weight under each multiplier, 0 among them.
struct Candidates {
  explicit Candidates(float scale) {
    for (int c = 0; c < kCandidates; ++c) {
      const int multiplier = c + kLeast == 0 ? 1 : c + kLeast;
      step[static_cast<std::size_t>(c)] = static_cast<float>(multiplier) * scale;
      inverse[static_cast<std::size_t>(c)] = 1.0f / step[static_cast<std::size_t>(c)];
    }
  }

  void add(float weight, float importance) {
    constexpr float kToInteger = 12582912.0f;  // 1.5 * 2^23: what is added to it is rounded to a whole number
    for (std::size_t c = 0; c < kCandidates; ++c) {
      const float code = std::min(std::max(weight * inverse[c], -8.0f), 7.0f),
                  lost = weight - (code + kToInteger - kToInteger) * step[c];
      error[c] += importance * (lost * lost);
    }
  }

  std::int8_t best() const {
    const auto least = std::min_element(error.begin(), error.end()) - error.begin() + kLeast;
    return static_cast<std::int8_t>(least == 0 ? 1 : least);
  }

  std::array<float, kCandidates> step = {}, inverse = {}, error = {};
};

/// Inputs by their place in the packed depth: the first place of those with channel splits.
std::vector<int> groups_of(const InputCodes& codes) {
  std::vector<int> group;
  int place = 0;
  for (int k = 0; k < codes.columns; ++k) {
    group.push_back(place / kGroupDepth);
    place += codes.channel_splits.empty() ? 1 : codes.channel_splits[static_cast<std::size_t>(k)];
  }
  return group;
}

}  // namespace

FloatRows with_group_multipliers(FloatRows rows, const InputCodes& codes, std::span<const float> importance,
                                 ThreadPool* pool) {
  constexpr int kTileDepth = kernels::kTileDepth;
  rows.scales = weight_scales(rows, WeightScales::per_channel, codes.quantizer.scale);
  for (float& scale : rows.scales) scale *= 127.0f / kLargest;
  const int groups = (codes.inputs() + kTileDepth - 1) / kTileDepth * kTileDepth / kGroupDepth;
  rows.four_bit = {.groups = groups, .group = groups_of(codes), .multiplier = {}};
  GroupMultipliers& made = *rows.four_bit;
  made.multiplier.resize(static_cast<std::size_t>(rows.columns) * static_cast<std::size_t>(groups), 0);
  const float least = importance.empty()
                          ? 1.0f
                          : 1e-30f + kDamping * std::accumulate(importance.begin(), importance.end(), 0.0f) /
                                         static_cast<float>(importance.size());
  const auto choose = [&](int n, int) {
    const float* weight = rows.weight.data() + std::ptrdiff_t{n} * rows.inputs;
    for (int first = 0; first < rows.inputs;) {
      Candidates candidates(rows.scales[static_cast<std::size_t>(n)]);
      const int group = made.group[static_cast<std::size_t>(first)];
      for (; first < rows.inputs && made.group[static_cast<std::size_t>(first)] == group; ++first)
        candidates.add(weight[first],
                       least + (importance.empty() ? 0.0f : importance[static_cast<std::size_t>(first)]));
      made.multiplier[static_cast<std::size_t>(n * groups + group)] = candidates.best();
    }
  };
  if (pool) {
    pool->run(rows.columns, choose);
  } else {
    for (int n = 0; n < rows.columns; ++n) choose(n, 0);
  }
  return rows;
}

void put_group_multipliers(const FloatRows& rows, std::size_t first_column, std::size_t depth,
                           std::span<std::int8_t> to) {
  const auto groups = static_cast<std::size_t>(rows.four_bit->groups);
  for (std::size_t n = 0; n < static_cast<std::size_t>(rows.columns); ++n) {
    for (std::size_t group = 0; group < groups; ++group)
      to[kernels::group_index(first_column + n, group * kGroupDepth, depth)] =
          rows.four_bit->multiplier[n * groups + group];
  }
}

Tensor four_bit_codes(std::span<const std::int8_t> packed, std::span<const std::int8_t> multiplier, std::size_t columns,
                      std::size_t depth) {
  Tensor result(DType::u8, {static_cast<std::int64_t>(columns), static_cast<std::int64_t>(depth / 2)});
  const std::span<std::uint8_t> codes = result.writable<std::uint8_t>();
  for (std::size_t n = 0; n < columns; ++n) {
    for (std::size_t k = 0; k < depth; ++k) {
      const int of_group = multiplier[kernels::group_index(n, k, depth)];
      const int code = 8 + (of_group == 0 ? 0 : packed[kernels::packed_index(n, k, depth)] / of_group);
      std::uint8_t& both = codes[kernels::code_index(n, k, depth)];
      both = static_cast<std::uint8_t>(both | (kernels::in_high_half(n) ? code << 4 : code));
    }
  }
  return result;
}

}  // namespace octavo

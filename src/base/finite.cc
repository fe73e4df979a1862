// A block at a time: whether it has any is a loop that compilers turn into vectors, and where is asked only then.
#include "base/finite.h"

#include <algorithm>
#include <bit>

namespace octavo {
namespace {

constexpr std::size_t kBlock = 4096;

template <typename Value, typename Bad>
std::size_t first_bad(std::span<const Value> values, const Bad& bad) {
  for (std::size_t first = 0; first < values.size(); first += kBlock) {
    const std::span<const Value> block = values.subspan(first, std::min(kBlock, values.size() - first));
    unsigned found = 0;
    for (const Value value : block) found |= static_cast<unsigned>(bad(value));
    if (found != 0)
      return first + static_cast<std::size_t>(std::find_if(block.begin(), block.end(), bad) - block.begin());
  }
  return values.size();
}

}  // namespace

std::size_t first_not_finite(std::span<const float> values) {
  return first_bad(values, [](float x) { return (std::bit_cast<std::uint32_t>(x) & 0x7f800000u) == 0x7f800000u; });
}

std::size_t first_not_finite(std::span<const std::uint16_t> values, std::uint16_t exponent) {
  return first_bad(values, [&](std::uint16_t x) { return (x & exponent) == exponent; });
}

}  // namespace octavo

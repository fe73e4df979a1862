// Random bits of a counter, the same on every machine: SplitMix64 (Steele, Lea and Flood 2014).
#pragma once

#include <cstdint>

namespace octavo {

inline constexpr std::uint64_t kSplitMixStep = 0x9e3779b97f4a7c15;

/// What the generator gives in this state; its next state is one kSplitMixStep further.
constexpr std::uint64_t split_mix(std::uint64_t state) {
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace octavo

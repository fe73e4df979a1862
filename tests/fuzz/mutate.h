// Mutations that keep an input's outer form, so that fuzzing reaches what lies behind the parsers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace octavo::fuzz {

using Random = std::minstd_rand;

/// One choice of `count`.
inline std::size_t one_of(Random& random, std::size_t count) { return random() % count; }

/// libFuzzer's own mutation of some bytes; the result has at most `most` of them.
std::string mutate_bytes(std::string_view bytes, std::size_t most);

/// A JSON text with one value changed, removed, doubled or replaced by another one of the text; bytes at random where
/// it is no JSON. Strings that hold JSON objects are texts of their own.
std::string mutate_json(std::string_view text, Random& random, std::size_t most);

/// A safetensors file with its header, the header's length, or the data changed: the first mostly as JSON.
std::string mutate_safetensors(std::string_view file, Random& random, std::size_t most);

/// Puts a mutated input where libFuzzer wants it.
std::size_t give_back(std::string_view mutated, std::uint8_t* data, std::size_t most);

}  // namespace octavo::fuzz

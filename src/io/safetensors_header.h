// What the JSON header of a safetensors file says.
#pragma once

#include "octavo/tensor.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace octavo {

/// Longest header that the format allows.
constexpr std::uint64_t kMaxSafetensorsHeader = 100'000'000;

/// The header's key for the map of strings.
constexpr std::string_view kSafetensorsMetadata = "__metadata__";

/// Where a tensor lies: [begin, end) in bytes from the start of the data.
struct SafetensorsEntry {
  DType dtype = DType::f32;
  Tensor::Shape shape;
  std::uint64_t begin = 0, end = 0;
};

struct SafetensorsHeader {
  std::map<std::string, SafetensorsEntry, std::less<>> tensors;
  std::map<std::string, std::string, std::less<>> metadata;
};

/// Parses a header and checks its form; whether sizes and offsets agree is left to the caller. Throws Error, which
/// starts with `file`, for anything but an object of complete tensor entries and string metadata, each key once.
SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& file);

}  // namespace octavo

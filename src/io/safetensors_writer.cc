// From tensors to a safetensors file whose data can be used in place when it is mapped.
#include "io/atomic_file.h"
#include "io/safetensors.h"
#include "io/safetensors_header.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace octavo {
namespace {

using NamedTensor = std::pair<const std::string, Tensor>;

constexpr std::size_t kAlignment = 64;

/// The format allows no gaps, so order alone aligns: multiples of 64 bytes first, each then at a multiple of 64, and
/// the rest from the largest element to the smallest. Equal ones keep the order of their names, so equal input makes
/// equal bytes.
std::vector<const NamedTensor*> in_file_order(const std::map<std::string, Tensor, std::less<>>& tensors) {
  std::vector<const NamedTensor*> order;
  for (const NamedTensor& tensor : tensors) order.push_back(&tensor);
  const auto unit = [](const NamedTensor* tensor) {
    return tensor->second.bytes() % kAlignment == 0 ? kAlignment : size_of(tensor->second.dtype());
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](const NamedTensor* a, const NamedTensor* b) { return unit(a) > unit(b); });
  return order;
}

std::string header_text(const std::vector<const NamedTensor*>& order,
                        const std::map<std::string, std::string, std::less<>>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[std::string(kSafetensorsMetadata)] = metadata;
  std::uint64_t position = 0;
  for (const NamedTensor* named : order) {
    const Tensor& tensor = named->second;
    const std::uint64_t end = position + tensor.bytes();
    header[named->first] = {
        {"dtype", name_of(tensor.dtype())}, {"shape", tensor.shape()}, {"data_offsets", {position, end}}};
    position = end;
  }
  return header.dump();
}

/// The length, the header, and spaces up to where data is to begin.
std::string file_start(std::string header, const std::string& file) {
  constexpr std::size_t kLengthBytes = 8;
  while ((kLengthBytes + header.size()) % kAlignment != 0) header += ' ';
  if (header.size() > kMaxSafetensorsHeader)
    throw Error(file + ": the safetensors header would have " + std::to_string(header.size()) +
                " bytes, expected at most " + std::to_string(kMaxSafetensorsHeader) + ".");
  std::string length;
  for (std::size_t i = 0; i < kLengthBytes; ++i) length += static_cast<char>(header.size() >> 8 * i & 0xff);
  return length + header;
}

}  // namespace

void write_safetensors(const std::filesystem::path& file, const std::map<std::string, Tensor, std::less<>>& tensors,
                       const std::map<std::string, std::string, std::less<>>& metadata) {
  const std::string name = file.string();
  if (tensors.contains(kSafetensorsMetadata))
    throw Error(name + ": a tensor cannot be named " + std::string(kSafetensorsMetadata) + " in a safetensors file.");
  const std::vector<const NamedTensor*> order = in_file_order(tensors);
  std::string start;
  try {
    start = file_start(header_text(order, metadata), name);
  } catch (const nlohmann::json::exception&) {
    throw Error(name + ": a tensor's name or the metadata is not valid UTF-8.");
  }
  std::vector<std::string_view> chunks = {start};
  for (const NamedTensor* tensor : order)
    chunks.emplace_back(static_cast<const char*>(tensor->second.data()), tensor->second.bytes());
  write_file_atomically(file, chunks);
}

}  // namespace octavo

// From a safetensors file to tensors that view its bytes.
#include "io/safetensors.h"

#include "io/foreign_content.h"
#include "io/mapped_file.h"
#include "io/safetensors_header.h"

#include "octavo/error.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

namespace octavo {
namespace {

using NamedEntry = std::pair<const std::string, SafetensorsEntry>;

std::string to_text(const Tensor::Shape& shape) {
  std::string text = "[";
  for (const std::int64_t dimension : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(dimension);
  }
  return text + "]";
}

/// The file's parts: header text and data.
struct Sections {
  std::string_view header, data;
};

Sections split(std::string_view bytes, const std::string& file) {
  const bool has_header = bytes.size() > 8 && bytes[8] == '{';  // a length can look like other files' first bytes
  if (const std::string found = has_header ? "" : foreign_content(bytes); !found.empty())
    throw Error(file + ": " + found + ", expected a safetensors file.");
  if (bytes.size() < 8)
    throw Error(file + ": has " + std::to_string(bytes.size()) +
                " bytes, expected at least the 8 of a safetensors header length.");
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(bytes[i]);
  if (length > kMaxSafetensorsHeader)
    throw Error(file + ": the header length is " + std::to_string(length) + ", expected at most " +
                std::to_string(kMaxSafetensorsHeader) + ".");
  if (length > bytes.size() - 8)
    throw Error(file + ": the header length is " + std::to_string(length) + ", but only " +
                std::to_string(bytes.size() - 8) + " bytes follow it.");
  return {bytes.substr(8, length), bytes.substr(8 + length)};
}

/// The bytes that dtype and shape ask for.
std::uint64_t expected_bytes(const NamedEntry& tensor, const std::string& file) {
  std::uint64_t bytes = size_of(tensor.second.dtype);
  for (const std::int64_t dimension : tensor.second.shape)
    if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(dimension), &bytes))
      throw Error(file + ": tensor " + tensor.first + " has shape " + to_text(tensor.second.shape) +
                  ", whose size does not fit into 64 bits.");
  return bytes;
}

void check_entry(const NamedEntry& tensor, std::uint64_t data_bytes, const std::string& file) {
  const auto& [name, entry] = tensor;
  if (entry.begin > entry.end || entry.end > data_bytes)
    throw Error(file + ": tensor " + name + " has data_offsets [" + std::to_string(entry.begin) + ", " +
                std::to_string(entry.end) + "], expected them in order and within the " + std::to_string(data_bytes) +
                " bytes of data.");
  const std::uint64_t expected = expected_bytes(tensor, file);
  if (entry.end - entry.begin != expected)
    throw Error(file + ": tensor " + name + " has " + std::to_string(entry.end - entry.begin) + " bytes, expected " +
                std::to_string(expected) + " for " + std::string(name_of(entry.dtype)) + " " + to_text(entry.shape) +
                ".");
}

/// Tensors must follow one another through all of the data: a gap could hide anything, an overlap cannot be meant.
void check_layout(const SafetensorsHeader& header, std::uint64_t data_bytes, const std::string& file) {
  std::vector<const NamedEntry*> order;
  for (const NamedEntry& tensor : header.tensors) {
    check_entry(tensor, data_bytes, file);
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const NamedEntry* a, const NamedEntry* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  std::uint64_t position = 0;
  for (const NamedEntry* tensor : order) {
    if (tensor->second.begin != position)
      throw Error(file + ": tensor " + tensor->first + " starts at byte " + std::to_string(tensor->second.begin) +
                  " of the data, expected " + std::to_string(position) + ", where the tensor before it ends.");
    position = tensor->second.end;
  }
  if (position != data_bytes)
    throw Error(file + ": the tensors end at byte " + std::to_string(position) + " of the data, expected its end at " +
                std::to_string(data_bytes) + ".");
}

/// A view of the mapping, or of a copy where the elements could not be read in place.
Tensor make_tensor(const SafetensorsEntry& entry, std::string_view data, const std::shared_ptr<const void>& mapping) {
  const std::string_view bytes = data.substr(entry.begin, entry.end - entry.begin);
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % size_of(entry.dtype) == 0)
    return {entry.dtype, entry.shape, mapping, bytes.data()};
  const auto copy = std::make_shared<Tensor>(DType::u8, Tensor::Shape{static_cast<std::int64_t>(bytes.size())});
  std::copy(bytes.begin(), bytes.end(), copy->writable<std::uint8_t>().begin());
  return {entry.dtype, entry.shape, copy, copy->data()};
}

}  // namespace

SafetensorsFile read_safetensors(const std::filesystem::path& file, FileBytes where) {
  const std::string name = file.string();
  const auto mapping = std::make_shared<const MappedFile>(file, where);
  const Sections sections = split(mapping->bytes(), name);
  SafetensorsHeader header = parse_safetensors_header(sections.header, name);
  check_layout(header, sections.data.size(), name);
  SafetensorsFile result{.tensors = {}, .metadata = std::move(header.metadata)};
  for (const auto& [tensor, entry] : header.tensors)
    result.tensors.emplace(tensor, make_tensor(entry, sections.data, mapping));
  return result;
}

}  // namespace octavo

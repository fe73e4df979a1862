#include "c/arguments.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>
#include <span>
#include <thread>

namespace octavo::c {
namespace {

constexpr std::size_t kLargestStruct = 4096;
constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();

std::string range_text(std::int64_t lowest, std::int64_t highest) {
  return highest == kMost ? "at least " + std::to_string(lowest)
                          : std::to_string(lowest) + " to " + std::to_string(highest);
}

}  // namespace

void copy_struct(void* to, std::size_t known, const void* from, const char* name) {
  std::size_t size = 0;
  std::memcpy(&size, from, sizeof(size));
  if (size < sizeof(size) || size > kLargestStruct)
    throw InvalidArgument(std::string(name) + ".struct_size is " + std::to_string(size) + ", expected its size");
  if (size > known) {
    const std::span<const char> rest(static_cast<const char*>(from) + known, size - known);
    if (std::ranges::any_of(rest, [](char byte) { return byte != 0; }))
      throw InvalidArgument(std::string(name) + " has a field that this version of octavo does not know");
  }
  std::memcpy(to, from, std::min(size, known));
}

std::optional<int> read_number(const char* name, std::int64_t value, std::int64_t lowest, std::int64_t highest) {
  if (value == 0) return {};
  if (value < lowest || value > std::min(highest, kMost))
    throw InvalidArgument(std::string(name) + " is " + std::to_string(value) + ", expected " +
                          range_text(lowest, highest));
  return static_cast<int>(value);
}

bool read_flag(const char* name, std::int32_t value) { return read_number(name, value, 1, 1).has_value(); }

void require_zero(const char* name, std::int32_t value) {
  if (value != 0) throw InvalidArgument(std::string(name) + " is " + std::to_string(value) + ", expected 0");
}

std::optional<std::string_view> read_string(const char* name, const octavo_string& string) {
  if (string.data == nullptr && string.length > 0)
    throw InvalidArgument(std::string(name) + " has a length but no data");
  if (string.data == nullptr) return {};
  return std::string_view(string.data, string.length);
}

BatchLimits read_limits(std::int64_t batch_size, std::int64_t max_batch_tokens) {
  BatchLimits limits;
  if (const auto size = read_number("batch_size", batch_size, 1, kMost)) limits.sequences = *size;
  if (const auto tokens = read_number("max_batch_tokens", max_batch_tokens, 1, kMost)) limits.tokens = *tokens;
  return limits;
}

Texts::Texts(const octavo_texts* texts, const char* name) : texts_(read_struct(&require(texts, name), name)) {
  const std::string prefix = name;
  if (texts_.count > static_cast<std::size_t>(kMost))
    throw InvalidArgument(prefix + ".count is " + std::to_string(texts_.count) + ", expected at most " +
                          std::to_string(kMost));
  if (texts_.count == 0) return;
  if (texts_.pointers != nullptr) {
    for (std::size_t i = 0; i < size(); ++i) {
      if (texts_.pointers[i] == nullptr && (texts_.lengths == nullptr || texts_.lengths[i] > 0))
        throw InvalidArgument(prefix + "[" + std::to_string(i) + "] is NULL");
    }
    return;
  }
  if ((texts_.offsets == nullptr) == (texts_.offsets32 == nullptr))
    throw InvalidArgument(prefix + " has no pointers, expected bytes and one kind of offsets");
  for (std::size_t i = 0; i < size(); ++i) {
    if (offset(i) < 0 || offset(i + 1) < offset(i))
      throw InvalidArgument(prefix + ".offsets[" + std::to_string(i + 1) + "] is " + std::to_string(offset(i + 1)) +
                            ", expected at least " + std::to_string(std::max<std::int64_t>(offset(i), 0)));
  }
  if (texts_.bytes == nullptr && offset(size()) > 0) throw InvalidArgument(prefix + ".bytes is NULL");
}

std::int64_t Texts::offset(std::size_t index) const {
  return texts_.offsets != nullptr ? texts_.offsets[index] : texts_.offsets32[index];
}

std::string_view Texts::operator[](std::size_t index) const {
  if (texts_.pointers != nullptr) {
    const char* text = texts_.pointers[index];
    return texts_.lengths != nullptr ? std::string_view(text, texts_.lengths[index]) : std::string_view(text);
  }
  const std::int64_t begin = offset(index), end = offset(index + 1);
  return begin == end ? std::string_view()
                      : std::string_view(texts_.bytes + begin, static_cast<std::size_t>(end - begin));
}

std::vector<std::string> Texts::to_strings() const {
  std::vector<std::string> strings;
  for (std::size_t i = 0; i < size(); ++i) strings.emplace_back((*this)[i]);
  return strings;
}

std::optional<Texts> read_pairs(const octavo_texts* pairs, const Texts& texts, const char* name) {
  if (pairs == nullptr) return {};
  Texts result(pairs, name);
  if (result.size() != texts.size())
    throw InvalidArgument(std::string(name) + ".count is " + std::to_string(result.size()) + ", expected " +
                          std::to_string(texts.size()) + " as of the first texts");
  return result;
}

Images::Images(const octavo_images* images, const char* name) : images_(read_struct(&require(images, name), name)) {
  const std::string prefix = name;
  if (images_.count == 0) return;
  if (images_.count > static_cast<std::size_t>(kMost)) throw InvalidArgument(prefix + ".count is too large");
  if (images_.data == nullptr || images_.sizes == nullptr) throw InvalidArgument(prefix + " has no data or no sizes");
  if ((images_.widths == nullptr) != (images_.heights == nullptr))
    throw InvalidArgument(prefix + " has widths or heights, expected both or none");
  for (std::size_t i = 0; i < size(); ++i) {
    const std::string each = prefix + "[" + std::to_string(i) + "]";
    if (images_.data[i] == nullptr) throw InvalidArgument(each + " is NULL");
    if (images_.widths == nullptr) continue;
    const std::int64_t width = images_.widths[i], height = images_.heights[i];
    if (width < 1 || height < 1 || images_.sizes[i] != static_cast<std::size_t>(width * height * 3))
      throw InvalidArgument(each + " is " + std::to_string(width) + " x " + std::to_string(height) + " with " +
                            std::to_string(images_.sizes[i]) + " bytes, expected three bytes per pixel");
  }
}

Image Images::load(std::size_t index) const {
  const std::string name = "images[" + std::to_string(index) + "]";
  if (images_.widths == nullptr)
    return decode_image({static_cast<const std::byte*>(images_.data[index]), images_.sizes[index]}, name);
  const auto* pixels = static_cast<const std::uint8_t*>(images_.data[index]);
  return {.width = images_.widths[index],
          .height = images_.heights[index],
          .pixels = std::vector<std::uint8_t>(pixels, pixels + images_.sizes[index])};
}

std::vector<Image> Images::prepare(std::size_t first, std::size_t count, const ImageSettings& settings,
                                   int threads) const {
  std::vector<Image> images(count);
  std::vector<std::exception_ptr> errors(count);
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        images[i] = prepare_image(load(first + i), settings);
      } catch (...) {
        errors[i] = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < std::min(count, static_cast<std::size_t>(threads)); ++i) helpers.emplace_back(work);
    work();
  }
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  return images;
}

}  // namespace octavo::c

// What C callers pass: structs that begin with their size, texts in three forms, pictures; checked at the door.
#pragma once

#include "c/guard.h"

#include "octavo/batch.h"
#include "octavo/error.h"
#include "octavo/image.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace octavo::c {

/// Copies `size` known bytes of a struct. Throws InvalidArgument for a size that no struct has, and for one with fields
/// behind those known that are not 0.
void copy_struct(void* to, std::size_t known, const void* from, const char* name);

/// The struct of a caller who may know fewer fields, or more; all defaults for NULL.
template <typename Struct>
Struct read_struct(const Struct* given, const char* name) {
  Struct result;
  std::memset(&result, 0, sizeof(result));
  if (given != nullptr) copy_struct(&result, sizeof(result), given, name);
  return result;
}

/// A number from `lowest` to `highest`; nothing for 0, the default. Throws InvalidArgument.
std::optional<int> read_number(const char* name, std::int64_t value, std::int64_t lowest, std::int64_t highest);

/// 0 or 1. Throws InvalidArgument.
bool read_flag(const char* name, std::int32_t value);

void require_zero(const char* name, std::int32_t value);

/// What `value` of an enum stands for, counted from 1; nothing for 0. Throws InvalidArgument.
template <typename T>
std::optional<T> read_choice(const char* name, std::int32_t value, std::initializer_list<T> choices) {
  const std::optional<int> number = read_number(name, value, 1, static_cast<std::int64_t>(choices.size()));
  return number ? std::optional(choices.begin()[*number - 1]) : std::nullopt;
}

/// The text of an octavo_string; nothing where none is given.
std::optional<std::string_view> read_string(const char* name, const octavo_string& string);

BatchLimits read_limits(std::int64_t batch_size, std::int64_t max_batch_tokens);

/// Runs what only checks arguments against a model: an Error of it is the argument's.
template <typename Body>
auto checked_argument(Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const Error& error) {
    throw InvalidArgument(error.what());
  }
}

/// Texts that stay the caller's.
class Texts {
 public:
  /// Throws InvalidArgument when a pointer is missing or offsets do not rise.
  Texts(const octavo_texts* texts, const char* name);

  std::size_t size() const { return texts_.count; }
  std::string_view operator[](std::size_t index) const;

  /// Copies of all.
  std::vector<std::string> to_strings() const;

 private:
  std::int64_t offset(std::size_t index) const;

  octavo_texts texts_;
};

/// Texts of pairs: none, or as many as there are texts. Throws InvalidArgument.
std::optional<Texts> read_pairs(const octavo_texts* pairs, const Texts& texts, const char* name);

/// Pictures that stay the caller's.
class Images {
 public:
  /// Throws InvalidArgument when a pointer is missing or pixels are not as many as width and height say.
  Images(const octavo_images* images, const char* name);

  std::size_t size() const { return images_.count; }

  /// Decodes the pictures from `first` on, or takes their pixels, and makes of each what a model takes, on so many
  /// threads. Throws Error beginning with "images[N]".
  std::vector<Image> prepare(std::size_t first, std::size_t count, const ImageSettings& settings, int threads) const;

 private:
  Image load(std::size_t index) const;

  octavo_images images_;
};

}  // namespace octavo::c

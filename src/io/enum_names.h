// Names of enumerators: to text, and from a key of a JSON object.
#pragma once

#include "io/json_object.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace octavo {

/// An enumerator and what it is called.
template <typename Enum>
struct Name {
  Enum value;
  const char* name;
};

template <typename Enum, std::size_t n>
const char* name_in(const Name<Enum> (&names)[n], Enum value) {
  for (const auto& entry : names) {
    if (entry.value == value) return entry.name;
  }
  return names[0].name;
}

template <typename Enum, std::size_t n>
Enum read_name(const JsonObject& object, std::string_view key, const Name<Enum> (&names)[n]) {
  const std::string text = object.text(key);
  std::string expected;
  for (const auto& entry : names) {
    if (text == entry.name) return entry.value;
    expected += (expected.empty() ? "" : " or ") + std::string(entry.name);
  }
  object.fail(key, expected);
}

}  // namespace octavo

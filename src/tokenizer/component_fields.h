// The fields of a tokenizer.json's component, described once: the same calls read it and write it.
#pragma once

#include "io/enum_names.h"
#include "io/json_object.h"
#include "tokenizer/unicode/pattern.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// What is read and not as it must be is an Error that names the component and the key.
class ComponentFields {
 public:
  explicit ComponentFields(const JsonObject& read) : read_(&read) {}

  /// Writes the object, in the order of the calls.
  explicit ComponentFields(nlohmann::ordered_json& written) : written_(&written) {}

  bool reads() const { return read_ != nullptr; }
  const JsonObject& object() const { return *read_; }

  void flag(const char* key, bool& value);
  void text(const char* key, std::string& value);
  void count(const char* key, std::size_t& value, std::size_t smallest);

  /// One character.
  void character(const char* key, char32_t& value);

  /// {"String": ...} or {"Regex": ...}.
  void pattern(const char* key, Pattern& value);

  template <typename Enum, std::size_t n>
  void name(const char* key, Enum& value, const Name<Enum> (&names)[n]) {
    keys_.push_back(key);
    if (reads())
      value = read_name(*read_, key, names);
    else
      (*written_)[key] = name_in(names, value);
  }

  // What is missing or null is read as what the value is.
  void flag_or(const char* key, bool& value);
  void count_or(const char* key, std::size_t& value, std::size_t smallest);
  template <typename Enum, std::size_t n>
  void name_or(const char* key, Enum& value, const Name<Enum> (&names)[n]) {
    if (is_there(key)) name(key, value, names);
  }

  /// A key that files have and that changes nothing.
  void ignore(const char* key) { keys_.push_back(key); }

  /// Refuses keys that have not been asked for, unless they are null.
  void require_no_others() const;

 private:
  bool is_there(const char* key);

  const JsonObject* read_ = nullptr;
  nlohmann::ordered_json* written_ = nullptr;
  std::vector<std::string_view> keys_ = {"type"};
};

}  // namespace octavo

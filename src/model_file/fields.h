// The fields of a JSON object, described once: the same calls write it and read it back.
#pragma once

#include "io/enum_names.h"
#include "io/json_object.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// What is read is within the bounds that are given, or an Error names the key; what is written has been checked
/// before.
class Fields {
 public:
  explicit Fields(nlohmann::json& written) : written_(&written) {}
  explicit Fields(const JsonObject& read) : read_(&read) {}

  bool reads() const { return read_ != nullptr; }

  /// Whether the key is there; when written, as the caller says.
  bool has(std::string_view key, bool there) const { return reads() ? read_->has(key) : there; }

  template <typename Integer>
  void integer(std::string_view key, Integer& value, std::int64_t smallest, std::int64_t largest) {
    if (reads())
      value = static_cast<Integer>(read_->integer(key, smallest, largest));
    else
      put(key, value);
  }
  void number(std::string_view key, double& value, double smallest, double largest);
  void flag(std::string_view key, bool& value);
  void text(std::string_view key, std::string& value);
  void integers(std::string_view key, std::vector<int>& values, int smallest, int largest);

  template <typename Enum, std::size_t n>
  void name(std::string_view key, Enum& value, const Name<Enum> (&names)[n]) {
    if (reads())
      value = read_name(*read_, key, names);
    else
      put(key, name_in(names, value));
  }

  // Written only where they are not the default, which they are read as where they are missing.
  template <typename Integer>
  void integer_or(std::string_view key, Integer& value, std::int64_t smallest, std::int64_t largest,
                  Integer otherwise) {
    if (has(key, value != otherwise))
      integer(key, value, smallest, largest);
    else
      value = otherwise;
  }
  void number_or_zero(std::string_view key, double& value, double smallest, double largest);
  void flag_or_false(std::string_view key, bool& value);
  template <typename Enum, std::size_t n>
  void name_or(std::string_view key, Enum& value, const Name<Enum> (&names)[n], Enum otherwise) {
    if (has(key, value != otherwise))
      name(key, value, names);
    else
      value = otherwise;
  }

  /// The object under `key`.
  template <typename Describe>
  void section(std::string_view key, const Describe& describe) {
    if (reads()) {
      const JsonObject own = read_->section(key);
      Fields fields(own);
      describe(fields);
    } else {
      nlohmann::json own = nlohmann::json::object();
      Fields fields(own);
      describe(fields);
      put(key, std::move(own));
    }
  }

  /// The same where it is there, which it tells.
  template <typename Describe>
  bool section_if(std::string_view key, bool there, const Describe& describe) {
    if (!has(key, there)) return false;
    section(key, describe);
    return true;
  }

  /// Error of what is read unless it holds: KEY is FOUND, expected ...
  void require(bool holds, std::string_view key, const std::string& expected) const {
    if (reads() && !holds) read_->fail(key, expected);
  }

  void put_null(std::string_view key) {
    if (!reads()) put(key, nullptr);
  }

 private:
  void put(std::string_view key, nlohmann::json value) { (*written_)[std::string(key)] = std::move(value); }

  nlohmann::json* written_ = nullptr;
  const JsonObject* read_ = nullptr;
};

}  // namespace octavo

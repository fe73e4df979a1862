// Reads the header as a stream of JSON events: nothing of a hostile header is built before it is checked.
#include "io/safetensors_header.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <array>
#include <limits>
#include <optional>
#include <set>
#include <utility>

namespace octavo {
namespace {

std::optional<DType> dtype_named(std::string_view name) {
  constexpr std::array kTypes = {DType::f32, DType::f16, DType::bf16, DType::s64,    DType::s32,
                                 DType::s16, DType::s8,  DType::u8,   DType::boolean};
  for (const DType dtype : kTypes)
    if (name_of(dtype) == name) return dtype;
  return {};
}

/// Receives the parser's events. Knows at each moment where in the header it is, so that every value is either
/// expected there or an Error.
class HeaderEvents final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderEvents(const std::string& file) : file_(file) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool null() override { unexpected("null"); }
  bool boolean(bool value) override { unexpected(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { unexpected(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { unexpected(text); }
  bool binary(binary_t&) override { unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::shape) {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        unexpected(std::to_string(value));
      entry_.shape.push_back(static_cast<std::int64_t>(value));
    } else if (place_ == Place::offsets && offsets_ < 2) {
      (offsets_++ == 0 ? entry_.begin : entry_.end) = value;
    } else {
      unexpected(std::to_string(value));
    }
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::metadata) {
      header_.metadata[key_] = value;
    } else if (place_ == Place::entry && key_ == "dtype") {
      const std::optional<DType> dtype = dtype_named(value);
      if (!dtype)
        fail("tensor " + name_ + " has dtype " + value +
             ", expected one of F32, F16, BF16, I64, I32, I16, I8, U8, BOOL.");
      entry_.dtype = *dtype;
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::top;
    } else if (place_ == Place::top) {
      place_ = name_ == kSafetensorsMetadata ? Place::metadata : Place::entry;
      keys_.clear();
      entry_ = {};
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(string_t& key) override {
    if (place_ == Place::top) {
      if (!names_.insert(key).second) fail("the header names " + key + " twice.");
      name_ = key;
      return true;
    }
    if (!keys_.insert(key).second) fail(subject() + " has the key " + key + " twice.");
    if (place_ == Place::entry && key != "dtype" && key != "shape" && key != "data_offsets")
      fail(subject() + " has the unknown key " + key + ", expected dtype, shape and data_offsets.");
    key_ = key;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::entry) {
      for (const char* field : {"dtype", "shape", "data_offsets"})
        if (!keys_.contains(field)) fail(subject() + " has no " + field + ".");
      header_.tensors.emplace(name_, std::move(entry_));
    }
    place_ = place_ == Place::top ? Place::outside : Place::top;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::entry && key_ == "shape") {
      place_ = Place::shape;
    } else if (place_ == Place::entry && key_ == "data_offsets") {
      place_ = Place::offsets;
      offsets_ = 0;
    } else {
      unexpected("an array");
    }
    return true;
  }

  bool end_array() override {
    if (place_ == Place::offsets && offsets_ != 2) fail(subject() + ": data_offsets has fewer than 2 numbers.");
    place_ = Place::entry;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    fail("the header is not valid JSON at its byte " + std::to_string(position) + ".");
  }

 private:
  enum class Place { outside, top, metadata, entry, shape, offsets };

  [[noreturn]] void fail(const std::string& message) const { throw Error(file_ + ": " + message); }

  std::string subject() const { return place_ == Place::metadata ? name_ : "tensor " + name_; }

  [[noreturn]] void unexpected(const std::string& found) const {
    switch (place_) {
      case Place::outside:
        fail("the header is " + found + ", expected an object.");
      case Place::top:
        fail((name_ == kSafetensorsMetadata ? name_ : subject()) + " is " + found + ", expected an object.");
      case Place::metadata:
        fail(subject() + ": " + key_ + " is " + found + ", expected a string.");
      case Place::entry:
        fail(subject() + ": " + key_ + " is " + found + ", expected " +
             (key_ == "dtype" ? "a string." : "an array of non-negative integers."));
      case Place::shape:
        fail(subject() + ": shape has " + found + ", expected non-negative integers.");
      case Place::offsets:
        fail(subject() + ": data_offsets has " + found + ", expected 2 non-negative integers.");
    }
    fail("the header has " + found + " where nothing was expected.");
  }

  const std::string& file_;
  SafetensorsHeader header_;
  Place place_ = Place::outside;
  std::set<std::string> names_, keys_;  ///< keys seen at the top, and in the object being read
  std::string name_, key_;              ///< the last of each
  SafetensorsEntry entry_;
  int offsets_ = 0;
};

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& file) {
  if (json.empty() || json.front() != '{') throw Error(file + ": the header does not start with {.");
  HeaderEvents events(file);
  nlohmann::json::sax_parse(json, &events);
  return events.take();
}

}  // namespace octavo

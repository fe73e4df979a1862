#include "tokenizer/component_fields.h"

#include "tokenizer/unicode/utf8.h"

#include <algorithm>
#include <limits>

namespace octavo {

bool ComponentFields::is_there(const char* key) {
  keys_.push_back(key);
  return !reads() || read_->has(key);
}

void ComponentFields::flag(const char* key, bool& value) {
  keys_.push_back(key);
  if (reads())
    value = read_->flag(key);
  else
    (*written_)[key] = value;
}

void ComponentFields::flag_or(const char* key, bool& value) {
  if (is_there(key)) flag(key, value);
}

void ComponentFields::text(const char* key, std::string& value) {
  keys_.push_back(key);
  if (reads())
    value = read_->text(key);
  else
    (*written_)[key] = value;
}

void ComponentFields::count(const char* key, std::size_t& value, std::size_t smallest) {
  keys_.push_back(key);
  if (reads())
    value = static_cast<std::size_t>(
        read_->integer(key, static_cast<std::int64_t>(smallest), std::numeric_limits<std::int32_t>::max()));
  else
    (*written_)[key] = value;
}

void ComponentFields::count_or(const char* key, std::size_t& value, std::size_t smallest) {
  if (is_there(key)) count(key, value, smallest);
}

void ComponentFields::character(const char* key, char32_t& value) {
  keys_.push_back(key);
  if (reads()) {
    const std::string text = read_->text(key);
    const CodePoint c = text.empty() ? CodePoint{0, 1} : first_code_point(text);
    if (static_cast<std::size_t>(c.bytes) != text.size()) read_->fail(key, "one character");
    value = c.value;
  } else {
    char bytes[4];
    (*written_)[key] = std::string(bytes, static_cast<std::size_t>(write_utf8(value, bytes)));
  }
}

void ComponentFields::pattern(const char* key, Pattern& value) {
  keys_.push_back(key);
  if (!reads()) {
    (*written_)[key] = {{value.is_expression() ? "Regex" : "String", value.text()}};
    return;
  }
  if (!read_->is_object(key)) read_->fail(key, R"({"String": ...} or {"Regex": ...})");
  const JsonObject pattern = read_->section(key);
  const bool is_expression = pattern.has("Regex");
  if (pattern.keys().size() != 1) read_->fail(key, R"({"String": ...} or {"Regex": ...})");
  value = Pattern(pattern.text(is_expression ? "Regex" : "String"), is_expression, read_->where());
}

void ComponentFields::require_no_others() const {
  for (const std::string& key : read_->keys()) {
    if (std::find(keys_.begin(), keys_.end(), key) != keys_.end() || !read_->has(key)) continue;
    std::string expected = "only the keys";
    for (const std::string_view known : keys_) expected += (known == "type" ? " " : ", ") + std::string(known);
    read_->fail(key, expected);
  }
}

}  // namespace octavo

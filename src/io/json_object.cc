#include "io/json_object.h"

#include "io/foreign_content.h"

#include "octavo/error.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace octavo {
namespace {

constexpr std::size_t kMaxDepth = 64;  // copies and messages recurse

std::string shortened(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return text.size() > 80 ? text.substr(0, 80) + "..." : text;
}

// Receives the parser's events and builds the value from them.
class Builder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(const std::string& where) : where_(where) {}

  /// The members of this object, or the pairs of this array, go to `members`.
  Builder(const std::string& where, std::string_view large_key, JsonMembers& members)
      : where_(where), large_key_(large_key), members_(&members) {}

  nlohmann::json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override {
    return in_pairs() ? add_number(std::to_string(value)) : add(value);
  }
  bool number_unsigned(number_unsigned_t value) override {
    return in_pairs() ? add_number(std::to_string(value)) : add(value);
  }
  bool number_float(number_float_t value, const string_t& text) override {
    return in_pairs() ? add_number(text) : add(value);
  }
  bool string(string_t& value) override { return in_pairs() ? add_text(std::move(value)) : add(std::move(value)); }
  bool binary(binary_t& value) override { return add(std::move(value)); }
  bool start_object(std::size_t) override {
    const bool is_large = is_large_next();
    open(nlohmann::json::object());
    if (is_large) large_ = open_.back();
    return true;
  }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override {
    if (in_pairs()) return open_pair();
    const bool is_large = !large_key_.empty() && is_large_next();
    open(nlohmann::json::array());
    if (is_large) pairs_ = open_.back();
    return true;
  }
  bool end_array() override {
    if (pair_place_ >= 0) return close_pair();
    return close();
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override { return false; }

  bool key(string_t& key) override {
    if (open_.back() == large_) {
      member_ = &members_->emplace_back(std::move(key), nullptr).second;
      return true;
    }
    last_key_is_large_ = key == large_key_;
    const auto [member, is_new] = open_.back()->get_ref<nlohmann::json::object_t&>().emplace(std::move(key), nullptr);
    if (!is_new)
      throw Error(where_ + ": has the key " + shortened(member->first) + " twice in one object, expected once");
    member_ = &member->second;
    return true;
  }

 private:
  // Where the next value belongs.
  nlohmann::json& place() {
    if (open_.empty()) return root_;
    if (open_.back()->is_object()) return *member_;
    auto& items = open_.back()->get_ref<nlohmann::json::array_t&>();
    return items.emplace_back();
  }

  bool add(nlohmann::json value) {
    if (in_pairs()) refuse_pair();
    place() = std::move(value);
    return true;
  }

  // Containers that are open do not move: what they stand in grows only after they are closed.
  bool open(nlohmann::json container) {
    if (in_pairs()) refuse_pair();
    if (open_.size() == kMaxDepth) {
      throw Error(where_ + ": is nested more than " + std::to_string(kMaxDepth) + " levels deep");
    }
    nlohmann::json& value = place();
    value = std::move(container);
    open_.push_back(&value);
    return true;
  }
  bool close() { return open_.pop_back(), true; }

  bool is_large_next() const {
    return members_ && (large_key_.empty() ? open_.empty() : open_.size() == 2 && last_key_is_large_);
  }

  // Within an array of pairs: pair_place_ is -1 between them, and then what comes next in one.
  bool in_pairs() const { return !open_.empty() && open_.back() == pairs_; }
  [[noreturn]] void refuse_pair() const {
    throw Error(where_ + ": " + std::string(large_key_) + " has an entry " + std::to_string(members_->size()) +
                " that is no pair, expected arrays of a text and a number");
  }
  bool open_pair() {
    if (pair_place_ >= 0) refuse_pair();
    pair_place_ = 0;
    return true;
  }
  bool add_text(std::string text) {
    if (pair_place_++ != 0) refuse_pair();
    members_->emplace_back(std::move(text), nullptr);
    return true;
  }
  bool add_number(std::string text) {
    if (pair_place_++ != 1) refuse_pair();
    members_->back().second = std::move(text);
    return true;
  }
  bool close_pair() {
    if (pair_place_ != 2) refuse_pair();
    pair_place_ = -1;
    return true;
  }

  const std::string& where_;
  nlohmann::json root_;
  std::vector<nlohmann::json*> open_;  // the innermost last
  nlohmann::json* member_ = nullptr;   // of the innermost object, the value of the last key
  std::string_view large_key_;
  JsonMembers* members_ = nullptr;
  nlohmann::json* large_ = nullptr;  // the object whose members go to members_
  nlohmann::json* pairs_ = nullptr;  // or the array whose pairs do
  int pair_place_ = -1;
  bool last_key_is_large_ = false;
};

bool is_integer_in(const nlohmann::json& value, std::int64_t smallest, std::int64_t largest) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    return largest >= 0 && number <= static_cast<std::uint64_t>(largest) &&
           (smallest <= 0 || number >= static_cast<std::uint64_t>(smallest));
  }
  return value.is_number_integer() && value.get<std::int64_t>() >= smallest && value.get<std::int64_t>() <= largest;
}

[[noreturn]] void refuse(std::string_view text, const std::string& where) {
  const std::string found = foreign_content(text);
  throw Error(where + ": " + (found.empty() ? "is not valid JSON" : found + ", expected JSON"));
}

std::string integer_range(std::int64_t smallest, std::int64_t largest) {
  return "an integer from " + std::to_string(smallest) + " to " + std::to_string(largest);
}

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& where) {
  Builder builder(where);
  if (!nlohmann::json::sax_parse(text, &builder)) refuse(text, where);
  return builder.take();
}

nlohmann::json parse_json(std::string_view text, const std::string& where, std::string_view key, JsonMembers& members) {
  Builder builder(where, key, members);
  if (!nlohmann::json::sax_parse(text, &builder)) refuse(text, where);
  return builder.take();
}

JsonObject::JsonObject(nlohmann::json object, std::string where)
    : object_(std::move(object)), where_(std::move(where)) {
  if (!object_.is_object()) throw Error(where_ + ": is a JSON " + object_.type_name() + ", expected an object");
}

JsonObject JsonObject::parse(std::string_view text, const std::string& where) {
  return {parse_json(text, where), where};
}

JsonObject JsonObject::read(const std::filesystem::path& file, const std::string& where) {
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file)) throw Error(file.string() + ": cannot be read");
  std::ostringstream text;
  text << in.rdbuf();
  return parse(text.str(), where.empty() ? file.string() : where);
}

const nlohmann::json* JsonObject::find(std::string_view key) const {
  asked_->emplace(key);
  const auto found = object_.find(std::string(key));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool JsonObject::has(std::string_view key) const { return find(key) != nullptr; }

bool JsonObject::is_number(std::string_view key) const {
  const nlohmann::json* value = find(key);
  return value && value->is_number();
}

bool JsonObject::is_array(std::string_view key) const {
  const nlohmann::json* value = find(key);
  return value && value->is_array();
}

bool JsonObject::is_object(std::string_view key) const {
  const nlohmann::json* value = find(key);
  return value && value->is_object();
}

bool JsonObject::is_text(std::string_view key) const {
  const nlohmann::json* value = find(key);
  return value && value->is_string();
}

std::vector<std::string> JsonObject::keys() const {
  std::vector<std::string> result;
  for (const auto& [key, value] : object_.items()) result.push_back(key);
  return result;
}

void JsonObject::fail(std::string_view key, const std::string& expected) const {
  const nlohmann::json* value = find(key);
  throw Error(where_ + ": " + std::string(key) + " is " + (value ? shortened(*value) : "missing") + ", expected " +
              expected);
}

void JsonObject::allow_only(std::initializer_list<std::string_view> keys) const {
  for (const auto& [key, value] : object_.items()) {
    if (value.is_null() || std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    std::string expected = "only the keys";
    for (const std::string_view allowed : keys)
      expected += (allowed == *keys.begin() ? " " : ", ") + std::string(allowed);
    fail(key, expected);
  }
}

std::vector<std::string> JsonObject::unread() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object_.items()) {
    if (!value.is_null() && !asked_->contains(key)) keys.push_back(key);
  }
  return keys;
}

std::int64_t JsonObject::integer(std::string_view key, std::int64_t smallest, std::int64_t largest) const {
  const nlohmann::json* value = find(key);
  if (!value || !is_integer_in(*value, smallest, largest)) fail(key, integer_range(smallest, largest));
  return value->get<std::int64_t>();
}

double JsonObject::number(std::string_view key, double smallest, double largest) const {
  const nlohmann::json* value = find(key);
  if (!value || !value->is_number() || !(value->get<double>() >= smallest && value->get<double>() <= largest)) {
    std::ostringstream expected;
    expected << "a number from " << smallest << " to " << largest;
    fail(key, expected.str());
  }
  return value->get<double>();
}

std::string JsonObject::text(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (!value || !value->is_string()) fail(key, "a string");
  return value->get<std::string>();
}

bool JsonObject::flag(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (!value || !value->is_boolean()) fail(key, "true or false");
  return value->get<bool>();
}

int JsonObject::integer_or(std::string_view key, int smallest, int largest, int otherwise) const {
  return has(key) ? static_cast<int>(integer(key, smallest, largest)) : otherwise;
}

double JsonObject::number_or(std::string_view key, double smallest, double largest, double otherwise) const {
  return has(key) ? number(key, smallest, largest) : otherwise;
}

std::string JsonObject::text_or(std::string_view key, std::string_view otherwise) const {
  return has(key) ? text(key) : std::string(otherwise);
}

bool JsonObject::flag_or(std::string_view key, bool otherwise) const { return has(key) ? flag(key) : otherwise; }

JsonObject JsonObject::section(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (value && !value->is_object()) fail(key, "an object");
  return {value ? *value : nlohmann::json::object(), where_ + ": " + std::string(key)};
}

std::vector<JsonObject> JsonObject::list(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (!value || !value->is_array()) fail(key, "an array of objects");
  std::vector<JsonObject> result;
  for (std::size_t i = 0; i < value->size(); ++i) {
    result.emplace_back((*value)[i], where_ + ": " + std::string(key) + "[" + std::to_string(i) + "]");
  }
  return result;
}

std::vector<int> JsonObject::integers(std::string_view key, int smallest, int largest) const {
  const nlohmann::json* value = find(key);
  if (!value || !value->is_array()) fail(key, "an array of integers");
  std::vector<int> result;
  for (const nlohmann::json& item : *value) {
    if (!is_integer_in(item, smallest, largest)) fail(key, "an array, each " + integer_range(smallest, largest));
    result.push_back(item.get<int>());
  }
  return result;
}

std::vector<int> JsonObject::integer_or_list(std::string_view key, int smallest, int largest) const {
  if (is_number(key)) return {static_cast<int>(integer(key, smallest, largest))};
  return integers(key, smallest, largest);
}

std::vector<double> JsonObject::numbers(std::string_view key, double smallest, double largest) const {
  const nlohmann::json* value = find(key);
  if (!value || !value->is_array()) fail(key, "an array of numbers");
  std::vector<double> result;
  for (const nlohmann::json& item : *value) {
    if (!item.is_number() || !(item.get<double>() >= smallest && item.get<double>() <= largest)) {
      std::ostringstream expected;
      expected << "an array of numbers from " << smallest << " to " << largest;
      fail(key, expected.str());
    }
    result.push_back(item.get<double>());
  }
  return result;
}

std::vector<std::string> JsonObject::texts(std::string_view key) const {
  const nlohmann::json* value = find(key);
  if (!value || !value->is_array()) fail(key, "an array of strings");
  std::vector<std::string> result;
  for (const nlohmann::json& item : *value) {
    if (!item.is_string()) fail(key, "an array of strings");
    result.push_back(item.get<std::string>());
  }
  return result;
}

}  // namespace octavo

// JSON objects read key by key, with messages that name the key, what was found and what was expected.
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace octavo {

/// Parses any JSON text. Error "WHERE: ..." when it is malformed, deeper than 64 levels, or has a key twice in an
/// object.
nlohmann::json parse_json(std::string_view text, const std::string& where);

/// Keys and values in the order of the text.
using JsonMembers = std::vector<std::pair<std::string, nlohmann::json>>;

/// As above, for a text with one large object: the root when `key` is empty, else what stands under `key` in an object
/// of the root. Its members are appended to `members`, whose keys may repeat, and it is empty in the result. Much
/// faster than a tree of the members. An array of pairs [text, number] counts as such an object too; its numbers are
/// given as text, as they stand in the file, and anything else in it is an Error.
nlohmann::json parse_json(std::string_view text, const std::string& where, std::string_view key, JsonMembers& members);

/// A JSON object and where it comes from. Every getter throws Error "WHERE: KEY is FOUND, expected ...".
class JsonObject {
 public:
  JsonObject(nlohmann::json object, std::string where);

  /// Parses text that must hold one object.
  static JsonObject parse(std::string_view text, const std::string& where);

  /// Reads a file that must hold one object; `where` is the path unless given.
  static JsonObject read(const std::filesystem::path& file, const std::string& where = "");

  bool has(std::string_view key) const;  ///< present and not null
  bool is_number(std::string_view key) const;
  bool is_array(std::string_view key) const;
  bool is_object(std::string_view key) const;
  bool is_text(std::string_view key) const;
  std::vector<std::string> keys() const;  ///< in the order of their names; asks for none of them

  /// What stands before the colon of messages: a file, or a section of it.
  const std::string& where() const { return where_; }

  std::int64_t integer(std::string_view key, std::int64_t smallest, std::int64_t largest) const;
  double number(std::string_view key, double smallest, double largest) const;
  std::string text(std::string_view key) const;
  bool flag(std::string_view key) const;

  int integer_or(std::string_view key, int smallest, int largest, int otherwise) const;
  double number_or(std::string_view key, double smallest, double largest, double otherwise) const;
  std::string text_or(std::string_view key, std::string_view otherwise) const;
  bool flag_or(std::string_view key, bool otherwise) const;

  /// The object under `key`; empty when absent.
  JsonObject section(std::string_view key) const;

  /// The objects of the array under `key`.
  std::vector<JsonObject> list(std::string_view key) const;

  /// The integers of the array under `key`.
  std::vector<int> integers(std::string_view key, int smallest, int largest) const;

  /// The same, where a single integer stands for an array of one.
  std::vector<int> integer_or_list(std::string_view key, int smallest, int largest) const;

  /// The numbers, and the strings, of the array under `key`.
  std::vector<double> numbers(std::string_view key, double smallest, double largest) const;
  std::vector<std::string> texts(std::string_view key) const;

  /// Refuses a key that is none of these, unless it is null.
  void allow_only(std::initializer_list<std::string_view> keys) const;

  /// The keys that nobody has asked for so far, through this object or a copy of it, in the order of their names. A
  /// section counts as asked for as a whole; its own object knows which of its keys were.
  std::vector<std::string> unread() const;

  const nlohmann::json& values() const { return object_; }

  [[noreturn]] void fail(std::string_view key, const std::string& expected) const;

 private:
  const nlohmann::json* find(std::string_view key) const;
  nlohmann::json object_;
  std::string where_;
  std::shared_ptr<std::set<std::string, std::less<>>> asked_ = std::make_shared<std::set<std::string, std::less<>>>();
};

}  // namespace octavo

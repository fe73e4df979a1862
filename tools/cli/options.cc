// Flags by way of cxxopts, which splits the words; their values are read here, so that every message names its flag.
#include "cli/options.h"

#include "cli/numbers.h"

// Its own parser of words: std::regex is slow to build, and GCC 12 warns inside it under sanitizers.
#define CXXOPTS_NO_REGEX
#include <cxxopts.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace octavo::tools {
namespace {

std::string long_name(const Flag& flag) { return flag.names.substr(flag.names.find(',') + 1); }

std::string environment_name(const std::string& flag) {
  std::string name = "OCTAVO_" + flag;
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

enum class Purpose { parse, help };

/// A switch is a word with an implied value for parsing, so that --json=maybe can be refused by name, and a bool for
/// --help, which then shows no value.
std::shared_ptr<cxxopts::Value> value_of(const Flag& flag, Purpose purpose) {
  if (flag.argument.empty() && purpose == Purpose::help) return cxxopts::value<bool>();
  auto value = cxxopts::value<std::string>();
  if (flag.argument.empty()) return value->implicit_value("true");
  if (!flag.fallback.empty() && purpose == Purpose::help) return value->default_value(flag.fallback);
  return value;
}

cxxopts::Options to_cxxopts(const Syntax& syntax, const std::string& program, Purpose purpose) {
  cxxopts::Options options(program, syntax.about + "\n");
  options.custom_help(syntax.usage);
  options.set_width(110);
  options.allow_unrecognised_options();  // parse() refuses them, and names them as they were typed
  auto add = options.add_options();
  for (const Flag& flag : syntax.flags) add(flag.names, flag.description, value_of(flag, purpose), flag.argument);
  add("h,help", "print this help", value_of({}, purpose));
  return options;
}

void refuse_unknown(const std::vector<std::string>& words, std::size_t after_dashes, int max_positionals) {
  for (std::size_t i = 0; i + after_dashes < words.size(); ++i) {
    if (words[i].size() > 1 && words[i][0] == '-') throw UsageError("unknown option '" + words[i] + "'");
  }
  if (std::ssize(words) > max_positionals) {
    throw UsageError("unexpected argument '" + words[static_cast<std::size_t>(max_positionals)] + "'");
  }
}

/// How many words stand behind a "--" that is not the value of a flag.
std::size_t words_after_dashes(const Syntax& syntax, int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) != "--") continue;
    try {
      to_cxxopts(syntax, "octavo", Purpose::parse).parse(i, argv);
      return static_cast<std::size_t>(argc - i - 1);
    } catch (const cxxopts::exceptions::missing_argument&) {
      continue;
    }
  }
  return 0;
}

/// The number that a text is, all of it.
std::optional<double> number_in(const std::string& text) {
  double number = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

std::string shortest(double number) {
  std::string text;
  append_number(text, static_cast<float>(number));
  return text;
}

bool same_value(const std::string& a, const std::string& b) {
  const std::optional<double> x = number_in(a), y = number_in(b);
  return a == b || (x && y && *x == *y);
}

}  // namespace

Flags join(std::initializer_list<Flags> groups) {
  Flags all;
  for (const Flags& group : groups) all.insert(all.end(), group.begin(), group.end());
  return all;
}

Arguments parse(const Syntax& syntax, int argc, const char* const* argv) {
  try {
    const cxxopts::ParseResult result = to_cxxopts(syntax, "octavo", Purpose::parse).parse(argc, argv);
    std::vector<Arguments::Given> given;
    for (const cxxopts::KeyValue& pair : result.arguments()) given.push_back({pair.key(), pair.value()});
    Arguments arguments(syntax.flags, std::move(given), result.unmatched(), syntax.environment);
    if (arguments.help()) return arguments;
    refuse_unknown(arguments.positionals(), words_after_dashes(syntax, argc, argv), syntax.max_positionals);
    for (const Rule& rule : syntax.rules) arguments.check(rule);
    return arguments;
  } catch (const cxxopts::exceptions::missing_argument&) {
    throw UsageError(std::string("option '") + argv[argc - 1] + "' needs a value");  // only the last word can lack one
  } catch (const cxxopts::exceptions::exception& error) {
    throw UsageError(error.what());
  }
}

std::string help(const Syntax& syntax, const std::string& subcommand) {
  return to_cxxopts(syntax, "octavo " + subcommand, Purpose::help).help() + "\nExample:\n  " + syntax.example +
         "\n\nEach long flag can also come from the environment: --batch-size from OCTAVO_BATCH_SIZE. Flags win.\n";
}

Arguments::Arguments(Flags flags, std::vector<Given> given, std::vector<std::string> positionals, bool environment)
    : flags_(std::move(flags)),
      given_(std::move(given)),
      positionals_(std::move(positionals)),
      environment_(environment) {}

bool Arguments::help() const {
  return std::any_of(given_.begin(), given_.end(), [](const Given& each) { return each.flag == "help"; });
}

std::optional<Arguments::Value> Arguments::find(const std::string& flag) const {
  const auto last = std::find_if(given_.rbegin(), given_.rend(), [&](const Given& each) { return each.flag == flag; });
  if (last != given_.rend()) return Value{last->value, "--" + flag};
  const std::string name = environment_name(flag);
  // An empty variable counts as unset: that is how scripts clear one.
  if (const char* value = environment_ ? std::getenv(name.c_str()) : nullptr; value != nullptr && *value != '\0')
    return Value{value, name};
  const Flag* known = declared(flag);
  if (known != nullptr && !known->fallback.empty()) return Value{known->fallback, "--" + flag};
  return {};
}

const Flag* Arguments::declared(const std::string& flag) const {
  const auto found =
      std::find_if(flags_.begin(), flags_.end(), [&](const Flag& each) { return long_name(each) == flag; });
  return found == flags_.end() ? nullptr : &*found;
}

bool Arguments::knows(const std::string& flag) const { return declared(flag) != nullptr; }

bool Arguments::given(const std::string& flag) const {
  const auto last = std::find_if(given_.rbegin(), given_.rend(), [&](const Given& each) { return each.flag == flag; });
  if (last == given_.rend()) return false;
  const Flag* known = declared(flag);
  return known == nullptr || !known->argument.empty() || parse_switch({last->value, "--" + flag});
}

/// "NAME" or "NAME=VALUE", as in a rule.
bool Arguments::is_set(const std::string& other) const {
  const std::size_t equals = other.find('=');
  const std::string name = other.substr(0, equals);
  const std::optional<Value> value = find(name);
  if (!value) return false;
  if (equals != std::string::npos) return same_value(value->text, other.substr(equals + 1));
  const Flag* known = declared(name);
  if (known != nullptr && known->argument.empty()) return parse_switch(*value);
  return known == nullptr || !same_value(value->text, known->fallback);
}

void Arguments::check(const Rule& rule) const {
  const bool beside = rule.when == Rule::When::beside;
  if (is_set(rule.other) != beside) return;
  for (const std::string& flag : rule.flags) {
    if (!given(flag)) continue;
    std::string other = rule.other;
    std::replace(other.begin(), other.end(), '=', ' ');
    throw UsageError("--" + flag + " has no effect " + (beside ? "beside" : "without") + " --" + other);
  }
}

std::optional<std::string> Arguments::text(const std::string& flag) const {
  std::optional<Value> value = find(flag);
  if (!value) return {};
  return std::move(value->text);
}

std::vector<Arguments::Value> Arguments::find_all(const std::string& flag) const {
  std::vector<Value> values;
  for (const Given& each : given_) {
    if (each.flag == flag) values.push_back({each.value, "--" + flag});
  }
  if (!values.empty()) return values;
  if (std::optional<Value> value = find(flag)) values.push_back(*std::move(value));
  return values;
}

std::vector<std::string> Arguments::texts(const std::string& flag) const {
  std::vector<std::string> texts;
  for (Value& value : find_all(flag)) texts.push_back(std::move(value.text));
  return texts;
}

std::string Arguments::required(const std::string& flag) const {
  std::optional<Value> value = find(flag);
  if (!value) throw UsageError("--" + flag + " is missing");
  return std::move(value->text);
}

std::int64_t Arguments::parse_integer(const Value& value, std::int64_t lowest, std::int64_t highest) {
  std::int64_t number = 0;
  const char* end = value.text.data() + value.text.size();
  const auto [stop, error] = std::from_chars(value.text.data(), end, number);
  if (error != std::errc() || stop != end || number < lowest || number > highest) {
    fail(value, "an integer from " + std::to_string(lowest) + " to " + std::to_string(highest));
  }
  return number;
}

std::optional<std::int64_t> Arguments::integer(const std::string& flag, std::int64_t lowest,
                                               std::int64_t highest) const {
  const std::optional<Value> value = find(flag);
  if (!value) return {};
  return parse_integer(*value, lowest, highest);
}

std::vector<Arguments::Value> Arguments::elements(const std::string& flag) const {
  std::vector<Value> elements;
  for (const Value& list : find_all(flag)) {
    for (std::size_t begin = 0; begin <= list.text.size();) {
      const std::size_t comma = std::min(list.text.find(',', begin), list.text.size());
      elements.push_back({list.text.substr(begin, comma - begin), list.source});
      begin = comma + 1;
    }
  }
  return elements;
}

std::vector<std::int64_t> Arguments::integers(const std::string& flag, std::int64_t lowest,
                                              std::int64_t highest) const {
  std::vector<std::int64_t> numbers;
  for (const Value& element : elements(flag)) numbers.push_back(parse_integer(element, lowest, highest));
  return numbers;
}

std::vector<double> Arguments::numbers(const std::string& flag, double low, double highest) const {
  std::vector<double> numbers;
  for (const Value& element : elements(flag)) {
    const std::optional<double> number = number_in(element.text);
    if (!number || !(*number > low && *number <= highest))
      fail(element, "numbers above " + shortest(low) + " and at most " + shortest(highest));
    numbers.push_back(*number);
  }
  return numbers;
}

std::optional<double> Arguments::number(const std::string& flag, double lowest, double highest) const {
  const std::optional<Value> value = find(flag);
  if (!value) return {};
  const std::optional<double> number = number_in(value->text);
  if (!number || !(*number >= lowest && *number <= highest)) {
    fail(*value, "a number from " + shortest(lowest) + " to " + shortest(highest));
  }
  return number;
}

std::optional<double> Arguments::number_between(const std::string& flag, double low, double high) const {
  const std::optional<Value> value = find(flag);
  if (!value) return {};
  const std::optional<double> number = number_in(value->text);
  if (!number || !(*number > low && *number < high)) {
    fail(*value, "a number above " + shortest(low) + " and below " + shortest(high));
  }
  return number;
}

std::optional<std::int64_t> Arguments::bytes(const std::string& flag) const {
  constexpr std::string_view kUnits = "KMGT";
  const std::optional<Value> value = find(flag);
  if (!value) return {};
  std::int64_t number = 0, unit = 1;
  const char* end = value->text.data() + value->text.size();
  const auto [stop, error] = std::from_chars(value->text.data(), end, number);
  const std::size_t power = end - stop == 1 ? kUnits.find(*stop) : kUnits.npos;
  if (power != kUnits.npos) unit = std::int64_t{1} << (10 * (power + 1));
  if (error != std::errc() || (stop != end && power == kUnits.npos) || number < 0 ||
      __builtin_mul_overflow(number, unit, &number)) {
    fail(*value, "a number of bytes, such as 500M or 4G");
  }
  return number;
}

std::optional<std::string> Arguments::word(const std::string& flag, const std::vector<std::string>& words) const {
  std::optional<Value> value = find(flag);
  if (!value) return {};
  if (std::find(words.begin(), words.end(), value->text) == words.end()) {
    std::string list;
    for (const std::string& each : words) list += (list.empty() ? "" : ", ") + each;
    fail(*value, "one of " + list);
  }
  return std::move(value->text);
}

bool Arguments::on(const std::string& flag) const {
  const std::optional<Value> value = find(flag);
  return value && parse_switch(*value);
}

/// Where among the words given the switch stands last, and whether it is on there.
std::optional<std::pair<std::size_t, bool>> Arguments::last_switch(const std::string& flag) const {
  for (std::size_t i = given_.size(); i > 0; --i) {
    if (given_[i - 1].flag == flag) return std::pair(i, parse_switch({given_[i - 1].value, "--" + flag}));
  }
  return {};
}

bool Arguments::either(const std::string& yes, const std::string& no, bool fallback) const {
  const auto last_yes = last_switch(yes), last_no = last_switch(no);
  if (last_yes && (!last_no || last_yes->first > last_no->first)) return last_yes->second;
  if (last_no) return !last_no->second;
  if (const std::optional<Value> value = find(yes)) return parse_switch(*value);
  if (const std::optional<Value> value = find(no)) return !parse_switch(*value);
  return fallback;
}

void Arguments::fail(const Value& value, const std::string& expected) {
  throw UsageError(value.source + " is '" + value.text + "', expected " + expected);
}

bool Arguments::parse_switch(const Value& value) {
  for (const char* word : {"true", "1", "yes", "on"}) {
    if (value.text == word) return true;
  }
  for (const char* word : {"false", "0", "no", "off"}) {
    if (value.text == word) return false;
  }
  fail(value, "true or false");
}

}  // namespace octavo::tools

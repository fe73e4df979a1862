// How a subcommand declares its flags, and what it then finds on the command line or in the environment.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace octavo::tools {

/// The command line is wrong: exit code 2. The message names the flag.
class UsageError : public std::runtime_error {
 public:
  explicit UsageError(const std::string& message) : std::runtime_error(message) {}
};

/// One flag. It has a twin in the environment, which the flag wins over: --batch-size, OCTAVO_BATCH_SIZE.
struct Flag {
  std::string names;          ///< "t,threads" or "threads"
  std::string description;    ///< for --help
  std::string argument = {};  ///< what --help calls the value; empty: a switch
  std::string fallback = {};  ///< the value when none is given
};

using Flags = std::vector<Flag>;

/// All flags of a subcommand from groups of them.
Flags join(std::initializer_list<Flags> groups);

/// Flags that would have no effect, and are refused when they stand on the command line: beside another flag or without
/// one. The other is "NAME", set to something else than its fallback, or "NAME=VALUE".
struct Rule {
  enum class When { beside, without };
  std::vector<std::string> flags;  ///< long names
  When when = When::beside;
  std::string other;
};

/// What a subcommand accepts.
struct Syntax {
  std::string usage;        ///< after the subcommand's name: "-m MODEL [OPTION...]"
  std::string about;        ///< one or two sentences
  std::string example;      ///< a command line to copy
  Flags flags;              ///< --help is added to them
  int max_positionals = 0;  ///< words that are not flags
  std::vector<Rule> rules = {};
  bool environment = true;  ///< flags have twins there; false for a program's own calls, which it must not change
};

/// What was given. Every reader throws UsageError when the value is not what it expects.
class Arguments {
 public:
  struct Given {
    std::string flag;  ///< long name, without dashes
    std::string value;
  };

  Arguments(Flags flags, std::vector<Given> given, std::vector<std::string> positionals, bool environment = true);

  /// Whether it stands on the command line, and is no switch that is turned off there.
  bool given(const std::string& flag) const;

  /// Whether a subcommand has this flag.
  bool knows(const std::string& flag) const;

  /// Throws UsageError for a flag that has no effect.
  void check(const Rule& rule) const;

  /// --help is among the words; the others are then unchecked.
  bool help() const;

  const std::vector<std::string>& positionals() const { return positionals_; }

  /// The last value given, else the environment's, else the flag's fallback, else nothing.
  std::optional<std::string> text(const std::string& flag) const;

  /// Every value given, in order; where there is none the environment's.
  std::vector<std::string> texts(const std::string& flag) const;

  /// text() of a flag that must be there.
  std::string required(const std::string& flag) const;

  /// An integer from `lowest` to `highest`; nothing when there is no value.
  std::optional<std::int64_t> integer(const std::string& flag, std::int64_t lowest, std::int64_t highest) const;

  /// All integers given, each from `lowest` to `highest`: a flag may be repeated and hold a list, 1,2.
  std::vector<std::int64_t> integers(const std::string& flag, std::int64_t lowest, std::int64_t highest) const;

  /// All numbers given, each above `low` and at most `highest`, in the same way.
  std::vector<double> numbers(const std::string& flag, double low, double highest) const;

  /// A number from `lowest` to `highest`; nothing when there is no value.
  std::optional<double> number(const std::string& flag, double lowest, double highest) const;

  /// A number above `low` and below `high`; nothing when there is no value.
  std::optional<double> number_between(const std::string& flag, double low, double high) const;

  /// A number of bytes: an integer, or one with K, M, G or T for powers of 1024 behind it; nothing when there is no
  /// value.
  std::optional<std::int64_t> bytes(const std::string& flag) const;

  /// One of `words`; nothing when there is no value.
  std::optional<std::string> word(const std::string& flag, const std::vector<std::string>& words) const;

  /// A switch that is on.
  bool on(const std::string& flag) const;

  /// Of two opposite switches the one given last decides.
  bool either(const std::string& yes, const std::string& no, bool fallback) const;

  /// What a word stands for; nothing when there is no value.
  template <typename T>
  std::optional<T> choice(const std::string& flag, std::initializer_list<std::pair<const char*, T>> choices) const {
    std::vector<std::string> words;
    for (const auto& each : choices) words.push_back(each.first);
    const std::optional<std::string> chosen = word(flag, words);
    for (const auto& [name, meaning] : choices) {
      if (chosen == name) return meaning;
    }
    return {};
  }

 private:
  struct Value {
    std::string text;
    std::string source;  ///< "--threads" or "OCTAVO_THREADS": what a message names
  };

  std::optional<Value> find(const std::string& flag) const;
  const Flag* declared(const std::string& flag) const;
  bool is_set(const std::string& other) const;
  std::vector<Value> find_all(const std::string& flag) const;
  /// What stands between the commas of all its values.
  std::vector<Value> elements(const std::string& flag) const;
  std::optional<std::pair<std::size_t, bool>> last_switch(const std::string& flag) const;
  static std::int64_t parse_integer(const Value& value, std::int64_t lowest, std::int64_t highest);
  [[noreturn]] static void fail(const Value& value, const std::string& expected);
  static bool parse_switch(const Value& value);

  Flags flags_;
  std::vector<Given> given_;
  std::vector<std::string> positionals_;
  bool environment_;
};

/// Reads the words after the subcommand; behind "--" none is a flag. Throws UsageError for what `syntax` does not know
/// and for flags that would have no effect.
Arguments parse(const Syntax& syntax, int argc, const char* const* argv);

/// The text of `octavo SUBCOMMAND --help`.
std::string help(const Syntax& syntax, const std::string& subcommand);

}  // namespace octavo::tools

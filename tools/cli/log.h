// Lines for people, on stderr or to whoever called the command's parts; answers never go there.
#pragma once

#include <functional>
#include <string>
#include <utility>

namespace octavo::tools {

enum class Verbosity { quiet, normal, verbose };

/// Where lines and progress go in place of stderr; `say` is needed. Both may throw.
struct LogSinks {
  std::function<void(const std::string& line)> say = {};
  std::function<void(const std::string& label, double fraction)> progress = {};  ///< 0 to 1
};

class Log {
 public:
  explicit Log(Verbosity verbosity) : verbosity_(verbosity) {}
  explicit Log(LogSinks sinks) : verbosity_(Verbosity::normal), sinks_(std::move(sinks)) {}

  /// Whether lines go elsewhere than to stderr.
  bool has_sinks() const { return sinks_.say != nullptr; }

  /// Where progress goes in place of a terminal; empty: it does not.
  const std::function<void(const std::string&, double)>& progress() const { return sinks_.progress; }

  bool quiet() const { return verbosity_ == Verbosity::quiet; }

  void warn(const std::string& line) const;    ///< unless --quiet
  void say(const std::string& line) const;     ///< unless --quiet
  void detail(const std::string& line) const;  ///< with --verbose

 private:
  Verbosity verbosity_;
  LogSinks sinks_ = {};
};

}  // namespace octavo::tools

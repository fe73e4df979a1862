// Lines for people on stderr; answers never go there.
#pragma once

#include <string>

namespace octavo::tools {

enum class Verbosity { quiet, normal, verbose };

class Log {
 public:
  explicit Log(Verbosity verbosity) : verbosity_(verbosity) {}

  bool quiet() const { return verbosity_ == Verbosity::quiet; }

  void warn(const std::string& line) const;    ///< unless --quiet
  void say(const std::string& line) const;     ///< unless --quiet
  void detail(const std::string& line) const;  ///< with --verbose

 private:
  Verbosity verbosity_;
};

}  // namespace octavo::tools

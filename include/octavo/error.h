// The one exception type of the library.
#pragma once

#include <stdexcept>
#include <string>

namespace octavo {

/// Thrown for every bad file, argument or option. The message is a sentence that names the thing, what was found and
/// what was expected. Nothing else is thrown by the library, apart from std::bad_alloc.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

}  // namespace octavo

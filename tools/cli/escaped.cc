#include "cli/escaped.h"

namespace octavo::tools {

std::string escaped(std::string_view text) {
  constexpr std::string_view kCharacters = "\t\n\r\\", kLetters = "tnr\\";
  std::string result;
  for (const char c : text) {
    const std::size_t special = kCharacters.find(c);
    if (special == std::string_view::npos) {
      result += c;
    } else {
      result += '\\';
      result += kLetters[special];
    }
  }
  return result;
}

}  // namespace octavo::tools

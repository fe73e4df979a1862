#include "tokenizer/unicode/byte_level.h"

#include "tokenizer/unicode/utf8.h"

#include <array>
#include <cstddef>

namespace octavo {
namespace {

constexpr bool is_printable(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

constexpr std::array<char32_t, 256> kCharacters = [] {
  std::array<char32_t, 256> result = {};
  char32_t next = 0x100;
  for (unsigned byte = 0; byte < 256; ++byte) result[byte] = is_printable(byte) ? byte : next++;
  return result;
}();

// By character; -1 where it stands for no byte.
constexpr std::array<int, 512> kBytes = [] {
  std::array<int, 512> result = {};
  result.fill(-1);
  for (unsigned byte = 0; byte < 256; ++byte) result[kCharacters[byte]] = static_cast<int>(byte);
  return result;
}();

}  // namespace

char32_t byte_level_character(unsigned char byte) { return kCharacters[byte]; }

std::string byte_level_bytes(std::string_view token) {
  std::string bytes;
  for (std::size_t at = 0; at < token.size();) {
    const CodePoint c = first_code_point(token.substr(at));
    if (c.value >= kBytes.size() || kBytes[c.value] < 0) return std::string(token);
    bytes.push_back(static_cast<char>(kBytes[c.value]));
    at += static_cast<std::size_t>(c.bytes);
  }
  return bytes;
}

}  // namespace octavo

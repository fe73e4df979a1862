// How does a vocabulary write a byte that it has no other token for? As <0x00> to <0xFF>.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace octavo {

/// The token of a byte.
inline std::string byte_token_text(unsigned char byte) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + '>';
}

/// The byte that a token stands for, of either case.
inline std::optional<unsigned char> byte_of_token(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return {};
  int value = 0;
  for (const char c : token.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                             : -1;
    if (digit < 0) return {};
    value = value * 16 + digit;
  }
  return static_cast<unsigned char>(value);
}

/// The ids of all bytes' tokens by byte, -1 where there is none.
template <typename Ids>
std::array<std::int32_t, 256> find_byte_tokens(const Ids& ids) {
  std::array<std::int32_t, 256> result;
  for (unsigned byte = 0; byte < 256; ++byte)
    result[byte] = ids.find(byte_token_text(static_cast<unsigned char>(byte)));
  return result;
}

}  // namespace octavo

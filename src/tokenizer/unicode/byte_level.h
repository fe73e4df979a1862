// How does a byte-level vocabulary write bytes? Each of the 256 as one printable character: GPT-2's table.
#pragma once

#include <string>
#include <string_view>

namespace octavo {

/// The character that stands for a byte: itself where it is printable in Latin-1, otherwise one from U+0100 on. A space
/// is U+0120.
char32_t byte_level_character(unsigned char byte);

/// The bytes that a token's characters stand for; the token as it is when one of them stands for no byte.
std::string byte_level_bytes(std::string_view token);

}  // namespace octavo

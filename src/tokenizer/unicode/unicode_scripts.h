// Of which script is a character? By SentencePiece's table (Unicode 8), in which the Japanese scripts are Han.
#pragma once

namespace octavo {

/// What belongs to every script: spaces, and characters that the table lacks.
inline constexpr int kAnyScript = 0;

/// The script's number; only whether two are equal has a meaning.
int script_of(char32_t c);

}  // namespace octavo

// Which characters do tokenizers drop, split at, decompose and turn to lower case?
//
// The checkpoints' own tokenizers classify by the tables of Unicode 8 and decompose by those of Unicode 9, whatever has
// been added to Unicode since. The classes are therefore tables of this project, so that ids depend neither on the
// installed utf8proc nor on its Unicode version; utf8proc gives decompositions and lower case, which Unicode never
// changes once a character exists, and later characters are told apart here.
#pragma once

namespace octavo {

/// Control, format and private use characters except tab, line feed and carriage return; U+0000 and U+FFFD.
bool is_dropped_by_clean_text(char32_t c);

/// Unicode's White_Space.
bool is_white_space(char32_t c);

/// The ideographs that BERT makes words of their own.
bool is_cjk_ideograph(char32_t c);

/// General category Mn.
bool is_nonspacing_mark(char32_t c);

/// General category M, of Unicode 9.
bool is_mark(char32_t c);

/// A mark that came after Unicode 9: it is none there, and has no place in the order of marks.
bool is_later_mark(char32_t c);

/// General category N.
bool is_numeric(char32_t c);

/// General category P, or ASCII that is neither letter, digit, space nor control.
bool is_punctuation(char32_t c);

/// Letters, marks, decimal digits and connectors: what `single_word` of an added token looks for at its borders.
bool is_word_character(char32_t c);

/// Writes the canonical decomposition (NFD) of one character to `out` and returns its length.
inline constexpr int kMaxDecomposition = 8;
int decompose(char32_t c, char32_t (&out)[kMaxDecomposition]);

/// The same with compatibility decompositions (NFKD).
inline constexpr int kMaxCompatibleDecomposition = 18;
int decompose_compatible(char32_t c, char32_t (&out)[kMaxCompatibleDecomposition]);

/// Writes the full lower case mapping of one character to `out` and returns its length.
inline constexpr int kMaxLowercase = 2;
int lowercase(char32_t c, char32_t (&out)[kMaxLowercase]);

}  // namespace octavo

// SentencePiece's table of replacements, as tokenizer.json's Precompiled carries it.
#pragma once

#include "tokenizer/unicode/normalized_text.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// A trie of texts (a double array of 32-bit units, as the Darts library makes it) and the texts that they become.
/// Immutable.
class Charsmap {
 public:
  /// Reads base64: u32 size of the trie in bytes, the trie, NUL-terminated replacements. Throws Error "WHERE:
  /// precompiled_charsmap ..." when it is cut or damaged.
  Charsmap(std::string base64, const std::string& where);

  const std::string& base64() const { return base64_; }

  /// Appends the text with its replacements. As in the tokenizers library, and not as in SentencePiece: a grapheme
  /// cluster of less than 6 bytes becomes what the *shortest* beginning of it that the table has becomes, and what is
  /// left of the cluster is dropped; a cluster without one, or a longer one, is replaced character by character in the
  /// same way.
  void apply(TextView text, NormalizedText& out) const;

 private:
  static constexpr std::int32_t kNone = -1;

  std::int32_t find(std::string_view text) const;
  std::string_view replacement(std::int32_t at) const;
  bool replace(std::string_view old, std::int32_t found, TextRewriter& out) const;

  std::string base64_;
  std::vector<std::uint32_t> units_;
  std::string texts_;
  std::array<std::int32_t, 128> ascii_;  // what a character alone becomes; kNone when it stays
};

/// tokenizer.json's Precompiled.
struct Precompiled {
  static constexpr const char* kType = "Precompiled";
  std::shared_ptr<const Charsmap> charsmap = nullptr;

  void apply(TextView text, NormalizedText& out) const { charsmap->apply(text, out); }
};

}  // namespace octavo

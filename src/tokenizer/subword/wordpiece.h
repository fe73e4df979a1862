// Which pieces of the vocabulary is a word made of?
#pragma once

#include "tokenizer/subword/subwords.h"
#include "tokenizer/unicode/pattern_set.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// Greedy longest match first over a fixed vocabulary, held as a trie of bytes. Takes time in proportion to the
/// text. Immutable.
class WordPiece {
 public:
  struct Options {
    std::string unk_token = "[UNK]";
    std::string continuing_subword_prefix = "##";
    std::int32_t max_input_chars_per_word = 100;
  };

  /// Token i of the vocabulary has id i; an empty text is none. `where` stands in messages: Error when the unknown
  /// token is missing, a token occurs twice or the vocabulary is too large.
  WordPiece(const std::vector<std::string>& vocabulary, Options options, const std::string& where);

  const Options& options() const { return options_; }

  /// The id of a token of the vocabulary, or -1.
  std::int32_t id(std::string_view token) const;

  /// Appends the pieces of a word of well-formed UTF-8; spans[i] is where its byte i comes from. A word that has a rest
  /// without a match, or too many characters, is the unknown token.
  void tokenize(std::string_view word, const ByteRange* spans, Subwords& out) const;

 private:
  // In longer words, what lies behind the first token is looked for all at once: there, tokens that nearly match would
  // be walked along again and again.
  static constexpr std::size_t kWalkedBytes = 1024;
  static constexpr std::uint32_t kEmpty = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::int32_t kNoToken = -1;

  // A step of the trie: from node `key >> 8` along byte `key & 255` to `node`, where token `token` ends. All steps lie
  // in one hash table of a power of two slots, at most half of them in use.
  struct Step {
    std::uint32_t key = kEmpty;
    std::uint32_t node = 0;
    std::int32_t token = kNoToken;
  };

  static std::uint32_t key(std::uint32_t node, char byte) { return node << 8 | static_cast<unsigned char>(byte); }
  std::size_t slot(std::uint32_t key) const;
  bool is_too_long(std::string_view word) const;

  struct Piece {
    std::int32_t token = kNoToken;
    std::size_t end = 0;
  };
  Piece longest_piece(std::string_view word, std::size_t begin) const;

  Options options_;
  std::vector<Step> steps_;
  int hash_shift_ = 0;
  std::uint32_t continuing_ = kEmpty;  // the node after the prefix; kEmpty when no token begins with it
  std::int32_t unknown_ = kNoToken;
  std::optional<PatternSet> continuations_;     // tokens without the prefix; where words may be very long
  std::vector<std::int32_t> continuation_ids_;  // of them
};

}  // namespace octavo

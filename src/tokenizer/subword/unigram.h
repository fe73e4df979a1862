// Which pieces of the vocabulary is a text most likely made of?
#pragma once

#include "tokenizer/subword/piece_trie.h"
#include "tokenizer/subword/subwords.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// The score that the tokenizers library reads from a number in JSON: its parser rounds twice, so that one in nine is a
/// last bit off, and such bits decide between segmentations that are equally good.
double score_of(std::string_view number);

/// The segmentation of the largest sum of scores, summed in double from left to right. A character without a piece is
/// unknown and scores 10 less than the worst piece; unknown ones side by side are one token. Takes time in proportion
/// to the text and to the longest piece that is nearly there. Immutable.
class Unigram {
 public:
  struct Options {
    std::vector<double> scores = {};  ///< of each piece of the vocabulary
    std::string numbers = {};         ///< as they stand in the file, a line each
    std::int32_t unknown_id = -1;     ///< -1: a text with an unknown character is an Error
    bool byte_fallback = false;       ///< unknown text becomes pieces <0x00> to <0xFF>, where its bytes have them
  };

  /// Piece i of the vocabulary has id i; a piece may repeat, and then has the last one's id. `where` stands in
  /// messages.
  Unigram(const std::vector<std::string>& vocabulary, Options options, const std::string& where);

  const Options& options() const { return options_; }
  std::int32_t id(std::string_view token) const { return pieces_.find(token); }

  /// Appends the tokens of well-formed UTF-8; spans[i] is where its byte i comes from. A byte's token comes from the
  /// whole of the unknown text.
  void tokenize(std::string_view text, const ByteRange* spans, Subwords& out) const;

 private:
  struct Step;  // the best way to a place of the text

  void find_best(std::string_view text, Step* steps) const;
  void append(std::string_view text, const ByteRange* spans, std::int32_t id, Subwords& out) const;

  Options options_;
  PieceTrie pieces_;
  double unknown_score_ = 0;
  std::array<std::int32_t, 256> byte_ids_;
};

}  // namespace octavo

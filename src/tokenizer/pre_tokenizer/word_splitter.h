// How is a normalized text cut into words? tokenizer.json's pre-tokenizer: a sequence of steps, each of which cuts the
// words of the one before, or rewrites them.
#pragma once

#include "tokenizer/normalizer/normalizer_steps.h"
#include "tokenizer/pre_tokenizer/pre_tokenizer.h"
#include "tokenizer/pre_tokenizer/pre_tokenizer_steps.h"

#include <cstddef>
#include <string_view>
#include <variant>
#include <vector>

namespace octavo {

using PreTokenizerStep = std::variant<BertPreTokenizer, ByteLevel, CharDelimiterSplit, Metaspace, Whitespace, Split,
                                      Punctuation, WhitespaceSplit, Digits, UnicodeScripts, FixedLength>;

/// Whether a sequence ends in ByteLevel, so that a model may take bytes as they are.
bool ends_in_byte_level(const std::vector<PreTokenizerStep>& steps);

/// Immutable. Takes time in proportion to a text, except for expressions (Pattern).
class WordSplitter {
 public:
  /// Where `keeps_bytes` is true the words of a last ByteLevel are bytes of text; otherwise, and of any other
  /// ByteLevel, they are the characters that stand for these.
  WordSplitter(std::vector<PreTokenizerStep> steps, bool keeps_bytes);

  const std::vector<PreTokenizerStep>& steps() const { return steps_; }

  /// What a split leaves, and room for it.
  struct Result {
    std::vector<Word> words;  // of `text`, in order; none is empty
    TextView text;
    NormalizedText rewritten, other;
    std::vector<Word> cut;
  };

  /// Cuts a text, which must stay while the result is used.
  void split(TextView text, Result& result) const;

  /// Where a text may be cut, at or after byte `from` > 0, so that its two parts have the same words, whatever their
  /// normalization of single characters. The text's size when it cannot be cut.
  std::size_t find_cut(std::string_view text, std::size_t from) const;

 private:
  using Stage = std::variant<BertPreTokenizer, ByteLevel, CharDelimiterSplit, Metaspace, Whitespace, Split, Punctuation,
                             WhitespaceSplit, Digits, UnicodeScripts, FixedLength, ByteLevelCharacters>;

  std::vector<PreTokenizerStep> steps_;
  std::vector<Stage> stages_;  // the steps, and ByteLevelCharacters where a ByteLevel makes them
};

}  // namespace octavo

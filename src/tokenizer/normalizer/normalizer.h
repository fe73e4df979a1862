// What is done to a text before it is cut into words? tokenizer.json's normalizer: a sequence of steps.
#pragma once

#include "tokenizer/normalizer/bert_normalizer.h"
#include "tokenizer/normalizer/charsmap.h"
#include "tokenizer/normalizer/normalizer_steps.h"
#include "tokenizer/unicode/unicode_forms.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace octavo {

using NormalizerStep = std::variant<BertNormalizer, Strip, StripAccents, InForm<UnicodeForm::nfc>,
                                    InForm<UnicodeForm::nfd>, InForm<UnicodeForm::nfkc>, InForm<UnicodeForm::nfkd>,
                                    Lowercase, Nmt, Precompiled, Replace, Prepend, ByteLevelCharacters>;

/// Immutable. Takes time in n log n of a text at most.
class Normalizer {
 public:
  explicit Normalizer(std::vector<NormalizerStep> steps);

  const std::vector<NormalizerStep>& steps() const { return steps_; }

  /// Makes `text` the normalized form of the input, well-formed UTF-8; `other` is overwritten. Spans count from
  /// `offset` at the input's first byte. Ill-formed UTF-8 is read as U+FFFD, one for each maximal subpart. Without
  /// steps each byte is kept and has a span of its own.
  void normalize(std::string_view input, std::int32_t offset, NormalizedText& text, NormalizedText& other) const;

  /// The normalized text alone.
  std::string normalized(std::string_view input) const;

  /// Whether the form of each character depends on no other.
  bool is_by_character() const;

 private:
  std::vector<NormalizerStep> steps_;
};

}  // namespace octavo

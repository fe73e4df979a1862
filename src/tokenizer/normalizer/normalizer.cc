#include "tokenizer/normalizer/normalizer.h"

#include <utility>

namespace octavo {

Normalizer::Normalizer(std::vector<NormalizerStep> steps) : steps_(std::move(steps)) {}

bool Normalizer::is_by_character() const {
  return steps_.empty() || (steps_.size() == 1 && std::holds_alternative<BertNormalizer>(steps_[0]));
}

void Normalizer::normalize(std::string_view input, std::int32_t offset, NormalizedText& text,
                           NormalizedText& other) const {
  text.clear();
  const auto* bert = steps_.empty() ? nullptr : std::get_if<BertNormalizer>(&steps_[0]);
  if (bert) {
    bert->normalize(input, offset, text);
  } else {
    text.append_well_formed(input, offset);
  }
  for (std::size_t i = bert ? 1 : 0; i < steps_.size(); ++i) {
    other.clear();
    std::visit([&](const auto& step) { step.apply(text.view(), other); }, steps_[i]);
    std::swap(text, other);
  }
}

std::string Normalizer::normalized(std::string_view input) const {
  NormalizedText text, other;
  normalize(input, 0, text, other);
  return std::string(text.bytes());
}

}  // namespace octavo

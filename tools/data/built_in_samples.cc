#include "data/built_in_samples.h"

#include "data/token_windows.h"

#include "octavo/samples.h"
#include "octavo/text_tasks.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <string_view>

namespace octavo::tools {
namespace {

constexpr std::string_view kPicture = "built-in:";  // before its number; a file of that name is ./built-in:1
constexpr int kPictures = 144;
constexpr std::int64_t kLongest = 512;  // tokens of a text

std::vector<std::string> picture_names() {
  std::vector<std::string> names;
  for (int i = 0; i < kPictures; ++i) names.push_back(std::string(kPicture) + std::to_string(i));
  return names;
}

/// Texts of at most so many tokens, without those that the tokenizer adds.
std::vector<std::string> texts_of(const Tokenizer& tokenizer, std::int64_t most) {
  std::vector<std::string> texts;
  const auto tokens = static_cast<std::size_t>(std::max<std::int64_t>(most, 1));
  for (const std::string& text : sample_texts()) {
    if (tokenizer.encode(text).ids.size() <= tokens) {
      texts.push_back(text);
    } else {
      for (std::string& piece : pieces_of(text, tokenizer, tokens)) texts.push_back(std::move(piece));
    }
  }
  return texts;
}

std::vector<std::string> as_samples(const std::vector<TextPair>& pairs) {
  std::vector<std::string> samples;
  for (const TextPair& pair : pairs) samples.push_back(pair.first + "\t" + pair.second);
  return samples;
}

std::vector<std::string> in_turn(const std::vector<std::string>& texts, const std::vector<std::string>& pairs) {
  std::vector<std::string> samples;
  for (std::size_t i = 0; i < std::min(texts.size(), pairs.size()); ++i)
    samples.insert(samples.end(), {texts[i], pairs[pairs.size() - 1 - i]});
  return samples;
}

bool always_takes_pairs(const Model& model) { return model.info().classes == 1 || entailment_class(model).has_value(); }

}  // namespace

std::vector<std::string> built_in_samples(const Model& model, const std::optional<std::int64_t>& max_length) {
  const ModelInfo& info = model.info();
  if (info.image) return picture_names();
  const std::int64_t most =
      std::min(max_length.value_or(info.decoder ? info.max_positions : info.max_length), kLongest);
  const auto texts = texts_of(model.tokenizer(), most - 2);
  const auto pairs_of = [&](auto make) { return as_samples(make(texts_of(model.tokenizer(), most * 2 / 3 - 3))); };
  if (info.task == TextTask::question_answering) return pairs_of(question_pairs);
  if (info.task != TextTask::sequence_classification) return texts;
  return always_takes_pairs(model) ? pairs_of(sentence_pairs) : in_turn(texts, pairs_of(sentence_pairs));
}

std::vector<std::string> with_questions(std::vector<std::string> samples) {
  const bool given = std::any_of(samples.begin(), samples.end(),
                                 [](const std::string& sample) { return sample.find('\t') != std::string::npos; });
  std::vector<std::string> made = given ? std::vector<std::string>{} : as_samples(question_pairs(samples));
  return made.empty() ? samples : made;
}

LoadedPicture load_sample_picture(const std::string& name, const ImageSettings& settings) {
  if (!name.starts_with(kPicture)) return load_picture(name, settings);
  unsigned number = 0;
  std::from_chars(name.data() + kPicture.size(), name.data() + name.size(), number);
  const int larger = std::max(settings.width, settings.height);
  Image square = sample_picture(number, larger);
  if (settings.width == settings.height) return {.file = name, .image = std::move(square)};
  return {.file = name,
          .image = resize_image(square, settings.width, settings.height, Interpolation::bilinear,
                                {.width = settings.width, .height = settings.height})};
}

}  // namespace octavo::tools

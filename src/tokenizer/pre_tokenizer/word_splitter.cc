#include "tokenizer/pre_tokenizer/word_splitter.h"

#include <utility>

namespace octavo {
namespace {

template <typename Stage>
void rewrite_words(const Stage& stage, WordSplitter::Result& result) {
  bool is_needed = true;
  if constexpr (requires { stage.rewrites(result.text); }) {
    is_needed = false;
    for (const Word word : result.words)
      is_needed = is_needed || stage.rewrites(result.text.part(word.begin, word.end));
  }
  if (!is_needed) return;
  NormalizedText& out = result.other;
  out.clear();
  for (Word& word : result.words) {
    const std::size_t begin = out.size();
    const TextView text = result.text.part(word.begin, word.end);
    if constexpr (requires { stage.rewrite(text, out); }) {
      stage.rewrite(text, out);
    } else {
      stage.apply(text, out);
    }
    word = {begin, out.size()};
  }
  std::swap(result.rewritten, result.other);
  result.text = result.rewritten.view();
}

template <typename Stage>
void split_words(const Stage& stage, WordSplitter::Result& result) {
  result.cut.clear();
  for (const Word word : result.words) {
    const std::size_t first = result.cut.size();
    stage.split(result.text.bytes.substr(word.begin, word.end - word.begin), result.cut);
    if (word.begin == 0) continue;
    for (std::size_t i = first; i < result.cut.size(); ++i) {
      result.cut[i].begin += word.begin;
      result.cut[i].end += word.begin;
    }
  }
  std::swap(result.words, result.cut);
}

}  // namespace

bool ends_in_byte_level(const std::vector<PreTokenizerStep>& steps) {
  return !steps.empty() && std::holds_alternative<ByteLevel>(steps.back());
}

WordSplitter::WordSplitter(std::vector<PreTokenizerStep> steps, bool keeps_bytes) : steps_(std::move(steps)) {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    std::visit([&](const auto& step) { stages_.emplace_back(step); }, steps_[i]);
    const bool makes_characters = !keeps_bytes || i + 1 < steps_.size();
    if (std::holds_alternative<ByteLevel>(steps_[i]) && makes_characters) stages_.emplace_back(ByteLevelCharacters());
  }
}

void WordSplitter::split(TextView text, Result& result) const {
  result.text = text;
  result.words.clear();
  if (!text.bytes.empty()) result.words.push_back({0, text.bytes.size()});
  for (const Stage& each : stages_) {
    const auto apply = [&](const auto& stage) {
      if constexpr (
          requires { stage.rewrites(result.text); } || requires { stage.apply(text, result.other); }) {
        rewrite_words(stage, result);
      }
      if constexpr (requires { stage.split(text.bytes, result.cut); }) split_words(stage, result);
    };
    std::visit(apply, each);
  }
}

std::size_t WordSplitter::find_cut(std::string_view text, std::size_t from) const {
  if (stages_.size() != 1) return text.size();
  const auto find = [&](const auto& stage) {
    if constexpr (requires { stage.find_cut(text, from); }) return stage.find_cut(text, from);
    return text.size();
  };
  return std::visit(find, stages_[0]);
}

}  // namespace octavo

// Pairs of texts, made of texts: what models of two texts calibrate on where nobody has pairs.
#include "octavo/samples.h"

#include <cstddef>
#include <string_view>
#include <utility>

namespace octavo {
namespace {

constexpr std::size_t kContextBytes = 400;  // of a paragraph, which short texts are put together to

/// What lies between full stops, question marks and the like, or line ends; the marks of Chinese and Japanese count.
std::vector<std::string> sentences_of(std::string_view text) {
  std::vector<std::string> sentences;
  const auto add = [&](std::string_view sentence) {
    const std::size_t first = sentence.find_first_not_of(" \n");
    if (first != std::string_view::npos) sentences.emplace_back(sentence.substr(first));
  };
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    std::size_t mark = 0;
    if (rest.starts_with("。") || rest.starts_with("？")) {
      mark = std::string_view("。").size();
    } else if (rest[0] == '\n') {
      mark = 1;
    } else if ((rest[0] == '.' || rest[0] == '?' || rest[0] == '!') && rest.size() > 1 && rest[1] == ' ') {
      mark = 1;
    }
    if (mark == 0) continue;
    add(text.substr(begin, i + mark - begin));
    begin = i + mark;
    i = begin - 1;
  }
  add(text.substr(begin));
  return sentences;
}

}  // namespace

std::vector<TextPair> sentence_pairs(std::span<const std::string> texts) {
  std::vector<TextPair> pairs;
  std::string waiting;
  for (const std::string& text : texts) {
    std::vector<std::string> sentences = sentences_of(text);
    if (sentences.size() > 1) {
      pairs.push_back({.first = std::move(sentences[0]), .second = std::move(sentences[1])});
    } else if (!waiting.empty()) {
      pairs.push_back({.first = std::exchange(waiting, ""), .second = text});
    } else {
      waiting = text;
    }
  }
  return pairs;
}

std::vector<TextPair> question_pairs(std::span<const std::string> texts) {
  std::vector<TextPair> pairs;
  const auto add = [&](const std::string& context) {
    std::vector<std::string> sentences = sentences_of(context);
    if (sentences.size() > 1)
      pairs.push_back({.first = std::move(sentences[pairs.size() % sentences.size()]), .second = context});
  };
  std::string paragraph;
  for (const std::string& text : texts) {
    if (text.size() >= kContextBytes) {
      add(text);
      continue;
    }
    paragraph += (paragraph.empty() ? "" : " ") + text;
    if (paragraph.size() < kContextBytes) continue;
    add(std::exchange(paragraph, ""));
  }
  if (!paragraph.empty()) add(paragraph);
  return pairs;
}

}  // namespace octavo

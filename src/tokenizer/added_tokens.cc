#include "tokenizer/added_tokens.h"

#include "tokenizer/bert_unicode.h"
#include "tokenizer/utf8.h"

#include <algorithm>

namespace octavo {
namespace {

// The code point that ends before byte `end` of a text, which must not be its beginning. Only code points that exist
// matter to the callers, so ill-formed bytes may read as anything that is neither white space nor part of a word.
CodePoint last_code_point(std::string_view text, std::size_t end) {
  std::size_t begin = end - 1;
  while (begin > 0 && end - begin < 4 && (text[begin] & 0xc0) == 0x80) --begin;
  const CodePoint c = first_code_point(text.substr(begin, end - begin));
  return c.bytes == static_cast<int>(end - begin) ? c : CodePoint{kReplacementCharacter, 1};
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin == 0 || !is_word_character(last_code_point(text, begin).value)) &&
         (end == text.size() || !is_word_character(first_code_point(text.substr(end)).value));
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.content.size() > b.content.size(); });
  for (const AddedToken& token : tokens_) is_first_byte_[static_cast<unsigned char>(token.content[0])] = true;
  if (std::count(is_first_byte_.begin(), is_first_byte_.end(), true) == 1) only_first_byte_ = tokens_[0].content[0];
}

std::size_t AddedTokenFinder::next_candidate(std::string_view text, std::size_t from) const {
  if (only_first_byte_) return std::min(text.find(*only_first_byte_, from), text.size());
  while (from < text.size() && !is_first_byte_[static_cast<unsigned char>(text[from])]) ++from;
  return from;
}

const AddedToken* AddedTokenFinder::token_at(std::string_view text) const {
  for (const AddedToken& token : tokens_) {
    if (text.starts_with(token.content)) return &token;
  }
  return nullptr;
}

std::optional<AddedTokenFinder::Match> AddedTokenFinder::find(std::string_view text, std::size_t from) const {
  if (empty()) return {};
  for (std::size_t at = next_candidate(text, from); at < text.size();) {
    const AddedToken* token = token_at(text.substr(at));
    const std::size_t length = token ? token->content.size() : 1;
    if (!token || (token->single_word && !stands_alone(text, at, at + length))) {
      at = next_candidate(text, at + length);
      continue;
    }
    Match match = {.begin = at, .end = at + length, .id = token->id};
    while (token->lstrip && match.begin > from) {
      const CodePoint c = last_code_point(text, match.begin);
      if (!is_white_space(c.value)) break;
      match.begin -= static_cast<std::size_t>(c.bytes);
    }
    while (token->rstrip && match.end < text.size()) {
      const CodePoint c = first_code_point(text.substr(match.end));
      if (!is_white_space(c.value)) break;
      match.end += static_cast<std::size_t>(c.bytes);
    }
    return match;
  }
  return {};
}

}  // namespace octavo

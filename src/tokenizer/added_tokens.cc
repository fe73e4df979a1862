#include "tokenizer/added_tokens.h"

#include "tokenizer/unicode/bert_unicode.h"
#include "tokenizer/unicode/utf8.h"

#include <algorithm>

namespace octavo {
namespace {

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin == 0 || !is_word_character(last_code_point(text, begin).value)) &&
         (end == text.size() || !is_word_character(first_code_point(text.substr(end)).value));
}

// Where the white space that ends at byte `end` begins, at or after `from`.
std::size_t begin_of_spaces(std::string_view text, std::size_t from, std::size_t end) {
  while (end > from) {
    const CodePoint c = last_code_point(text, end);
    if (!is_white_space(c.value)) break;
    end -= static_cast<std::size_t>(c.bytes);
  }
  return std::max(end, from);
}

std::size_t end_of_spaces(std::string_view text, std::size_t begin) {
  while (begin < text.size()) {
    const CodePoint c = first_code_point(text.substr(begin));
    if (!is_white_space(c.value)) break;
    begin += static_cast<std::size_t>(c.bytes);
  }
  return begin;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::vector<std::string_view> contents;
  for (const AddedToken& token : tokens_) contents.push_back(token.content);
  if (!contents.empty()) contents_.emplace(contents);
}

std::vector<AddedTokenFinder::Match> AddedTokenFinder::find(std::string_view text) const {
  std::vector<Match> matches;
  if (empty()) return matches;
  const std::vector<PatternSet::Occurrence> occurrences = contents_->find(text);
  std::size_t from = 0;                          // where the next content may begin
  std::size_t taken = 0;                         // where the last match ends
  std::size_t spaces_begin = 0, spaces_end = 0;  // the last white space that rstrip has found
  for (auto occurrence = occurrences.rbegin(); occurrence != occurrences.rend(); ++occurrence) {
    const std::size_t begin = occurrence->begin;
    if (begin < from) continue;
    const AddedToken& token = tokens_[static_cast<std::size_t>(occurrence->pattern)];
    from = occurrence->end;
    if (token.single_word && !stands_alone(text, begin, from)) continue;
    Match match = {.begin = begin, .end = from, .id = token.id};
    if (token.lstrip) match.begin = begin < taken ? taken : begin_of_spaces(text, taken, begin);
    if (token.rstrip && (from < spaces_begin || from >= spaces_end)) {
      spaces_begin = from;
      spaces_end = end_of_spaces(text, from);
    }
    if (token.rstrip) match.end = spaces_end;
    if (match.begin >= match.end) continue;  // all of it has been taken
    taken = match.end;
    matches.push_back(match);
  }
  return matches;
}

}  // namespace octavo

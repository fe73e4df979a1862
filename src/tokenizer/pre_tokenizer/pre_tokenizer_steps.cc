#include "tokenizer/pre_tokenizer/pre_tokenizer_steps.h"

#include "tokenizer/unicode/bert_unicode.h"
#include "tokenizer/unicode/unicode_scripts.h"
#include "tokenizer/unicode/utf8.h"

#include <optional>

namespace octavo {
namespace {

// Each character that `is_match` is a part, and what lies between them.
template <typename IsMatch>
void split_at(std::string_view text, SplitBehavior behavior, const IsMatch& is_match, std::vector<Word>& words) {
  std::vector<PatternMatch> parts;
  std::size_t taken = 0;
  for (std::size_t at = 0, end = 0; at < text.size(); at = end) {
    const CodePoint c = first_code_point(text.substr(at));
    end = at + static_cast<std::size_t>(c.bytes);
    if (!is_match(c.value)) continue;
    if (taken < at) parts.push_back({taken, at, false});
    parts.push_back({at, end, true});
    taken = end;
  }
  if (taken < text.size()) parts.push_back({taken, text.size(), false});
  append_words(parts, behavior, words);
}

// Words are runs of characters of one class; those of class 0 belong to none.
template <typename ClassOf>
void split_runs(std::string_view text, const ClassOf& class_of, std::vector<Word>& words) {
  std::size_t begin = 0;
  int last = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = first_code_point(text.substr(at));
    const int its_class = class_of(c.value);
    if (its_class != last) {
      if (last != 0) words.push_back({begin, at});
      begin = at;
      last = its_class;
    }
    at += static_cast<std::size_t>(c.bytes);
  }
  if (last != 0) words.push_back({begin, text.size()});
}

std::string_view bytes_of(char32_t c, char (&bytes)[4]) {
  return {bytes, static_cast<std::size_t>(write_utf8(c, bytes))};
}

}  // namespace

void WhitespaceSplit::split(std::string_view text, std::vector<Word>& words) const {
  split_runs(
      text, [](char32_t c) { return is_white_space(c) ? 0 : 1; }, words);
}

void Whitespace::split(std::string_view text, std::vector<Word>& words) const {
  split_runs(
      text, [](char32_t c) { return is_word_character(c) ? 1
                                    : is_white_space(c)  ? 0
                                                         : 2; }, words);
}

void Punctuation::split(std::string_view text, std::vector<Word>& words) const {
  split_at(text, behavior, is_punctuation, words);
}

void Digits::split(std::string_view text, std::vector<Word>& words) const {
  split_at(text, individual_digits ? SplitBehavior::isolated : SplitBehavior::contiguous, is_numeric, words);
}

void CharDelimiterSplit::split(std::string_view text, std::vector<Word>& words) const {
  split_runs(
      text, [&](char32_t c) { return c == delimiter ? 0 : 1; }, words);
}

void Split::split(std::string_view text, std::vector<Word>& words) const {
  std::vector<PatternMatch> parts;
  pattern.find(text, parts);
  for (PatternMatch& part : parts) part.is_match = part.is_match != invert;
  append_words(parts, behavior, words);
}

void FixedLength::split(std::string_view text, std::vector<Word>& words) const {
  std::size_t begin = 0, count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) {
    if (count == length) {
      words.push_back({begin, at});
      begin = at;
      count = 0;
    }
    at += static_cast<std::size_t>(first_code_point(text.substr(at)).bytes);
  }
  if (begin < text.size()) words.push_back({begin, text.size()});
}

void UnicodeScripts::split(std::string_view text, std::vector<Word>& words) const {
  std::optional<std::size_t> begin;
  int last = -1;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = first_code_point(text.substr(at));
    const int script = script_of(c.value);
    if (script != kAnyScript && script != last) {
      if (begin) words.push_back({*begin, at});
      begin = at;
      last = script;
    }
    at += static_cast<std::size_t>(c.bytes);
  }
  if (begin) words.push_back({*begin, text.size()});
}

bool Metaspace::prepends(TextView text) const {
  char bytes[4];
  const std::string_view mark = bytes_of(replacement, bytes);
  if (text.bytes.empty() || prepend_scheme == PrependScheme::never) return false;
  if (text.bytes[0] == ' ' || text.bytes.starts_with(mark)) return false;
  return prepend_scheme == PrependScheme::always || text.spans[0].begin == 0;
}

bool Metaspace::rewrites(TextView text) const {
  return prepends(text) || text.bytes.find(' ') != std::string_view::npos;
}

void Metaspace::rewrite(TextView text, NormalizedText& out) const {
  char bytes[4];
  const std::string_view mark = bytes_of(replacement, bytes);
  if (prepends(text)) out.append(mark, text.span(0, static_cast<std::size_t>(first_code_point(text.bytes).bytes)));
  for (std::size_t at = 0; at < text.bytes.size();) {
    const std::size_t space = std::min(text.bytes.find(' ', at), text.bytes.size());
    out.append(text.part(at, space));
    if (space < text.bytes.size()) out.append(mark, text.spans[space]);
    at = space + 1;
  }
}

void Metaspace::split(std::string_view text, std::vector<Word>& words) const {
  char bytes[4];
  const std::string_view mark = bytes_of(replacement, bytes);
  for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end) {
    end = split_words ? std::min(text.find(mark, begin + 1), text.size()) : text.size();
    words.push_back({begin, end});
  }
}

}  // namespace octavo

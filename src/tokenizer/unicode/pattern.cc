#include "tokenizer/unicode/pattern.h"

#include "tokenizer/unicode/utf8.h"

#include "octavo/error.h"

#include <algorithm>
#include <oniguruma.h>

namespace octavo {
namespace {

// Steps back that a search may take for each byte of a text, and at least. Expressions of tokenizers take a few.
constexpr unsigned long kStepsPerByte = 256, kLeastSteps = 1 << 20;

const OnigUChar* bytes_of(const char* text) { return reinterpret_cast<const OnigUChar*>(text); }

std::string message_of(int code, const OnigErrorInfo* info = nullptr) {
  OnigUChar text[ONIG_MAX_ERROR_MESSAGE_LEN];
  const int length = info ? onig_error_code_to_str(text, code, info) : onig_error_code_to_str(text, code);
  return std::string(reinterpret_cast<const char*>(text), static_cast<std::size_t>(std::max(length, 0)));
}

// The Oniguruma that the tokenizers library carries counts symbols as punctuation, as POSIX does; 6.9.8 does not.
std::string with_symbols(std::string text) {
  constexpr std::string_view kPunctuation = "[:punct:]", kSymbols = "\\p{S}";
  for (std::size_t at = 0; (at = text.find(kPunctuation, at)) != std::string::npos;) {
    at += kPunctuation.size();
    text.insert(at, kSymbols);
  }
  return text;
}

void initialize_once() {
  static const int code = [] {
    OnigEncoding encoding = ONIG_ENCODING_UTF8;
    return onig_initialize(&encoding, 1);
  }();
  if (code != ONIG_NORMAL) throw Error("regular expressions: " + message_of(code));
}

// Where a search puts what it found, and how long it may take.
class Search {
 public:
  explicit Search(std::size_t text_size) : region_(onig_region_new()), parameters_(onig_new_match_param()) {
    onig_initialize_match_param(parameters_);
    const unsigned long steps = std::max(kLeastSteps, kStepsPerByte * text_size);
    onig_set_retry_limit_in_match_of_match_param(parameters_, steps);
    onig_set_retry_limit_in_search_of_match_param(parameters_, steps);
  }
  ~Search() {
    onig_region_free(region_, 1);
    onig_free_match_param(parameters_);
  }
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  OnigRegion* region() { return region_; }
  OnigMatchParam* parameters() { return parameters_; }

 private:
  OnigRegion* region_;
  OnigMatchParam* parameters_;
};

}  // namespace

class Pattern::Expression {
 public:
  Expression(const std::string& text, const std::string& where) {
    initialize_once();
    const std::string complete = with_symbols(text);
    const OnigUChar* begin = bytes_of(complete.data());
    OnigErrorInfo info;
    const int code = onig_new(&expression_, begin, begin + complete.size(), ONIG_OPTION_NONE, ONIG_ENCODING_UTF8,
                              ONIG_SYNTAX_DEFAULT, &info);
    if (code != ONIG_NORMAL) {
      throw Error(where + ": pattern is \"" + text + "\", expected a regular expression: " + message_of(code, &info));
    }
  }
  ~Expression() { onig_free(expression_); }
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;

  // Matches from left to right; an empty one directly behind another does not count.
  void find(std::string_view text, const std::string& name, std::vector<PatternMatch>& parts) const {
    Search search(text.size());
    const OnigUChar *begin = bytes_of(text.data()), *end = begin + text.size();
    std::size_t taken = 0;  // where the last match ends
    bool is_first = true;
    for (std::size_t from = 0; from <= text.size();) {
      const int found = onig_search_with_param(expression_, begin, end, begin + from, end, search.region(),
                                               ONIG_OPTION_NONE, search.parameters());
      if (found == ONIG_MISMATCH) break;
      if (found < 0) throw Error("pattern \"" + name + "\" cannot be searched for in this text: " + message_of(found));
      const auto match_begin = static_cast<std::size_t>(search.region()->beg[0]);
      const auto match_end = static_cast<std::size_t>(search.region()->end[0]);
      if (match_begin == match_end && !is_first && match_end == taken) {
        from += from < text.size() ? static_cast<std::size_t>(first_code_point(text.substr(from)).bytes) : 1;
        continue;
      }
      if (taken != match_begin) parts.push_back({taken, match_begin, false});
      parts.push_back({match_begin, match_end, true});
      from = taken = match_end;
      is_first = false;
    }
    if (taken != text.size()) parts.push_back({taken, text.size(), false});
  }

 private:
  regex_t* expression_ = nullptr;
};

Pattern::Pattern(std::string text, bool is_expression, const std::string& where)
    : text_(std::move(text)), is_expression_(is_expression) {
  if (is_expression_ || text_.empty()) expression_ = std::make_shared<const Expression>(text_, where);
}

void Pattern::find(std::string_view text, std::vector<PatternMatch>& parts) const {
  if (text.empty()) return parts.push_back({0, 0, false});
  if (expression_) return expression_->find(text, text_, parts);
  std::size_t taken = 0;
  for (std::size_t at = 0; (at = text.find(text_, taken)) != std::string_view::npos;) {
    if (taken != at) parts.push_back({taken, at, false});
    taken = at + text_.size();
    parts.push_back({at, taken, true});
  }
  if (taken != text.size()) parts.push_back({taken, text.size(), false});
}

}  // namespace octavo

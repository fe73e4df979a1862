// What does a Split or a Replace look for? A text, or a regular expression.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// A part of a text, and whether the pattern is there.
struct PatternMatch {
  std::size_t begin, end;
  bool is_match;
};

/// Immutable, cheap to copy. Expressions are Oniguruma's, which the tokenizers library uses.
class Pattern {
 public:
  Pattern() = default;

  /// Throws Error "WHERE: pattern ..." when an expression cannot be read.
  Pattern(std::string text, bool is_expression, const std::string& where);

  const std::string& text() const { return text_; }
  bool is_expression() const { return is_expression_; }

  /// Appends parts that cover the text in order: matches, and what lies between them. A part may be empty. An
  /// expression that takes more than a number of steps in proportion to the text is an Error that names it.
  void find(std::string_view text, std::vector<PatternMatch>& parts) const;

 private:
  class Expression;

  std::string text_;
  bool is_expression_ = false;
  std::shared_ptr<const Expression> expression_;  // also of an empty text, which is everywhere
};

}  // namespace octavo

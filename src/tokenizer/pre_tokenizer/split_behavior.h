// What becomes of the places that a pre-tokenizer cuts at?
#pragma once

#include "io/enum_names.h"
#include "tokenizer/unicode/pattern.h"

#include <cstddef>
#include <string_view>
#include <vector>

namespace octavo {

/// Bytes [begin, end) of a text.
struct Word {
  std::size_t begin, end;
};

/// Of "the-final--countdown" cut at "-": the final countdown; the - final - - countdown; the- final- - countdown;
/// the -final - -countdown; the - final -- countdown.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

inline constexpr Name<SplitBehavior> kSplitBehaviors[] = {{SplitBehavior::removed, "Removed"},
                                                          {SplitBehavior::isolated, "Isolated"},
                                                          {SplitBehavior::merged_with_previous, "MergedWithPrevious"},
                                                          {SplitBehavior::merged_with_next, "MergedWithNext"},
                                                          {SplitBehavior::contiguous, "Contiguous"}};

/// Appends the words that parts, which cover a text in order, make; none is empty.
void append_words(const std::vector<PatternMatch>& parts, SplitBehavior behavior, std::vector<Word>& words);

}  // namespace octavo

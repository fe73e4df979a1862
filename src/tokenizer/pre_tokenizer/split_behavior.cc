#include "tokenizer/pre_tokenizer/split_behavior.h"

#include <algorithm>

namespace octavo {
namespace {

// Makes one of the parts that belong to the one before them. The first part counts as if a part that is no match stood
// before it.
template <typename Iterator, typename Joins, typename Extend>
std::vector<PatternMatch> merge(Iterator begin, Iterator end, const Joins& joins, const Extend& extend) {
  std::vector<PatternMatch> result;
  bool was_match = false;
  for (auto part = begin; part != end; ++part) {
    if (joins(part->is_match, was_match) && !result.empty()) {
      extend(result.back(), *part);
    } else {
      result.push_back(*part);
    }
    was_match = part->is_match;
  }
  return result;
}

}  // namespace

void append_words(const std::vector<PatternMatch>& parts, SplitBehavior behavior, std::vector<Word>& words) {
  const auto append = [&](const PatternMatch& part) {
    if (part.begin < part.end) words.push_back({part.begin, part.end});
  };
  const auto is_delimiter = [](bool is_match, bool was_match) { return is_match && !was_match; };
  const auto is_same = [](bool is_match, bool was_match) { return is_match == was_match; };
  const auto extend_end = [](PatternMatch& word, const PatternMatch& part) { word.end = part.end; };
  const auto extend_begin = [](PatternMatch& word, const PatternMatch& part) { word.begin = part.begin; };
  switch (behavior) {
    case SplitBehavior::removed:
      for (const PatternMatch& part : parts) {
        if (!part.is_match) append(part);
      }
      break;
    case SplitBehavior::isolated:
      for (const PatternMatch& part : parts) append(part);
      break;
    case SplitBehavior::contiguous:
      for (const PatternMatch& word : merge(parts.begin(), parts.end(), is_same, extend_end)) append(word);
      break;
    case SplitBehavior::merged_with_previous:
      for (const PatternMatch& word : merge(parts.begin(), parts.end(), is_delimiter, extend_end)) append(word);
      break;
    case SplitBehavior::merged_with_next: {
      std::vector<PatternMatch> merged = merge(parts.rbegin(), parts.rend(), is_delimiter, extend_begin);
      std::reverse(merged.begin(), merged.end());
      for (const PatternMatch& word : merged) append(word);
      break;
    }
  }
}

}  // namespace octavo

#include "tokenizer/unicode/pattern_set.h"

#include <algorithm>
#include <cstring>

namespace octavo {
namespace {

constexpr std::size_t kRowEntries = std::size_t{1} << 20;  // 4 MiB: what most texts need stays in the cache

bool comes_before(char a, char b) { return static_cast<unsigned char>(a) < static_cast<unsigned char>(b); }

}  // namespace

PatternSet::PatternSet(const std::vector<std::string_view>& patterns) {
  for (const std::string_view pattern : patterns) sizes_.push_back(pattern.size());
  link_states(add_states(patterns));
  make_rows(patterns);
  if (states_[1].first_step - states_[0].first_step == 1) only_last_byte_ = bytes_[1];
}

// Makes the states length by length, and gives the one before each by one byte.
std::vector<std::uint32_t> PatternSet::add_states(const std::vector<std::string_view>& patterns) {
  struct Walk {
    std::string_view pattern;
    std::int32_t index;
    std::uint32_t state = 0;
  };
  std::vector<Walk> walks;
  for (const std::string_view pattern : patterns) walks.push_back({pattern, static_cast<std::int32_t>(walks.size())});
  std::stable_sort(walks.begin(), walks.end(), [](const Walk& a, const Walk& b) {
    return std::lexicographical_compare(a.pattern.rbegin(), a.pattern.rend(), b.pattern.rbegin(), b.pattern.rend(),
                                        comes_before);
  });
  std::vector<std::uint32_t> parents = {0};
  states_.resize(1);
  bytes_.resize(1);
  for (std::size_t length = 0, begin = 0, end = 1; begin < end; ++length) {
    auto walk = walks.begin(), kept = walks.begin();  // walks lie in the order of their states
    for (std::size_t state = begin; state < end; ++state) {
      states_[state].first_step = static_cast<std::uint32_t>(states_.size());
      for (; walk != walks.end() && walk->state == state; ++walk) {
        if (walk->pattern.size() == length) {
          if (states_[state].pattern == kNone) states_[state].pattern = walk->index;
          continue;
        }
        const auto byte = static_cast<unsigned char>(walk->pattern[walk->pattern.size() - 1 - length]);
        if (states_.size() == states_[state].first_step || bytes_.back() != byte) {
          states_.emplace_back();
          bytes_.push_back(byte);
          parents.push_back(static_cast<std::uint32_t>(state));
        }
        *kept = *walk;
        kept++->state = static_cast<std::uint32_t>(states_.size() - 1);
      }
    }
    walks.erase(kept, walks.end());
    begin = end;
    end = states_.size();
  }
  states_.push_back({.first_step = static_cast<std::uint32_t>(states_.size())});
  return parents;
}

void PatternSet::link_states(const std::vector<std::uint32_t>& parents) {
  for (std::size_t i = 1; i < parents.size(); ++i) {
    State& state = states_[i];
    if (parents[i] != 0) state.shorter = next(states_[parents[i]].shorter, bytes_[i]);
    if (state.pattern == kNone) state.pattern = states_[state.shorter].pattern;
  }
}

void PatternSet::make_rows(const std::vector<std::string_view>& patterns) {
  for (const std::string_view pattern : patterns) {
    for (const char c : pattern) {
      std::uint16_t& its_class = classes_[static_cast<unsigned char>(c)];
      if (its_class == 0) its_class = static_cast<std::uint16_t>(class_count_++);
    }
  }
  const auto row = [&](std::size_t state) { return rows_.begin() + static_cast<std::ptrdiff_t>(state * class_count_); };
  const std::size_t count = std::min(states_.size() - 1, kRowEntries / class_count_);
  rows_.resize(count * class_count_);
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) std::copy_n(row(states_[i].shorter), class_count_, row(i));
    for (std::uint32_t to = states_[i].first_step; to < states_[i + 1].first_step; ++to)
      row(i)[classes_[bytes_[to]]] = to;
  }
  row_count_ = static_cast<std::uint32_t>(count);
}

// Where a byte more leads, the root when no pattern goes on so.
std::uint32_t PatternSet::step(std::uint32_t state, unsigned char byte) const {
  const auto begin = bytes_.begin() + states_[state].first_step, end = bytes_.begin() + states_[state + 1].first_step;
  const auto found = std::lower_bound(begin, end, byte);
  return found != end && *found == byte ? static_cast<std::uint32_t>(found - bytes_.begin()) : 0;
}

std::uint32_t PatternSet::next(std::uint32_t state, unsigned char byte) const {
  while (state >= row_count_) {
    const std::uint32_t to = step(state, byte);
    if (to != 0 || state == 0) return to;
    state = states_[state].shorter;
  }
  return rows_[state * class_count_ + classes_[byte]];
}

std::vector<PatternSet::Occurrence> PatternSet::find(std::string_view text) const {
  std::vector<Occurrence> result;
  std::uint32_t state = 0;
  for (std::size_t at = text.size(); at > 0;) {
    if (state == 0 && only_last_byte_ >= 0) {
      const auto* last = static_cast<const char*>(::memrchr(text.data(), only_last_byte_, at));
      if (last == nullptr) break;
      at = static_cast<std::size_t>(last - text.data()) + 1;
    }
    state = next(state, static_cast<unsigned char>(text[--at]));
    const std::int32_t pattern = states_[state].pattern;
    if (pattern == kNone) continue;
    result.push_back({.begin = at, .end = at + sizes_[static_cast<std::size_t>(pattern)], .pattern = pattern});
  }
  return result;
}

}  // namespace octavo

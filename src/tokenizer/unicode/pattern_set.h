// Which of many patterns begin where in a text?
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace octavo {

/// Patterns that are looked for all at once: Aho and Corasick's automaton (1975) of the patterns' reverses, through
/// which a text runs from its end to its beginning. Immutable.
class PatternSet {
 public:
  /// Patterns must not be empty; of equal ones the first counts. Takes time and memory in proportion to their bytes.
  explicit PatternSet(const std::vector<std::string_view>& patterns);

  struct Occurrence {
    std::size_t begin, end;
    std::int32_t pattern;
  };

  /// The longest pattern that begins at each place of the text, the last place first. Takes time in proportion to the
  /// text, whatever the patterns.
  std::vector<Occurrence> find(std::string_view text) const;

 private:
  static constexpr std::int32_t kNone = -1;

  // What was read last, backwards, is the longest beginning of a reversed pattern. States are numbered by its length, 0
  // is the root; the states that follow one by a byte more lie side by side, in the order of that byte.
  struct State {
    std::uint32_t first_step = 0;  // its steps end where those of the next state begin
    std::uint32_t shorter = 0;     // the longest other state that this one begins with
    std::int32_t pattern = kNone;  // the longest one that begins here
  };

  std::vector<std::uint32_t> add_states(const std::vector<std::string_view>& patterns);
  void link_states(const std::vector<std::uint32_t>& parents);
  void make_rows(const std::vector<std::string_view>& patterns);
  std::uint32_t step(std::uint32_t state, unsigned char byte) const;
  std::uint32_t next(std::uint32_t state, unsigned char byte) const;

  std::vector<std::size_t> sizes_;    // of the patterns
  std::vector<State> states_;         // the last one only says where steps end
  std::vector<unsigned char> bytes_;  // by state: the step that leads there
  std::array<std::uint16_t, 256> classes_ = {};
  std::size_t class_count_ = 1;      // class 0: bytes of no pattern
  std::uint32_t row_count_ = 0;      // states that have a row, the shortest ones
  std::vector<std::uint32_t> rows_;  // by state and class of a byte: the next state
  int only_last_byte_ = -1;          // when all patterns end alike
};

}  // namespace octavo

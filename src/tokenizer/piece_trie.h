// Which pieces of a vocabulary does a text begin with?
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// A trie of bytes whose nodes lie level by level, so that those that follow one by a byte are side by side. 9 bytes a
/// node. Immutable.
class PieceTrie {
 public:
  static constexpr std::int32_t kNoPiece = -1;

  /// Piece i of the vocabulary is number i; of equal ones the last counts, and empty ones are never found.
  explicit PieceTrie(const std::vector<std::string>& vocabulary);

  /// The number of the piece, kNoPiece when there is none.
  std::int32_t find(std::string_view piece) const;

  /// Calls f(piece, bytes) for each piece that the text begins with, the shortest first.
  template <typename F>
  void for_each_prefix(std::string_view text, const F& f) const {
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = next(node, static_cast<unsigned char>(text[i]));
      if (node == 0) return;
      if (nodes_[node].piece != kNoPiece) f(nodes_[node].piece, i + 1);
    }
  }

 private:
  struct Node {
    std::uint32_t first_step;  // its steps end where those of the next node begin
    std::int32_t piece;
  };

  /// Where a byte more leads, 0 when no piece goes on so.
  std::uint32_t next(std::uint32_t node, unsigned char byte) const {
    if (node == 0) return root_[byte];
    for (std::uint32_t to = nodes_[node].first_step, end = nodes_[node + 1].first_step; to < end; ++to) {
      if (labels_[to] == byte) return to;
    }
    return 0;
  }

  std::vector<Node> nodes_;  // the last one only says where steps end
  std::vector<unsigned char> labels_;
  std::array<std::uint32_t, 256> root_ = {};
};

}  // namespace octavo

// Which pieces of a vocabulary does a text begin with?
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// A trie of bytes. Those nodes that follow one by a byte lie side by side, and what follows the first of them right
/// behind, so that the rest of a piece is in the cache line where it parts from others. 9 bytes a node. Immutable.
class PieceTrie {
 public:
  static constexpr std::int32_t kNoPiece = -1;
  static constexpr std::size_t kMostPieces = (1 << 23) - 1;

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
    std::uint32_t first_step = 0;
    std::int32_t piece : 24 = kNoPiece;
    std::uint32_t steps : 8 = 0;  // UTF-8 has fewer than 256 bytes
  };

  static constexpr std::uint32_t kFewSteps = 8;  // up to which a loop is as fast as memchr

  /// Where a byte more leads, 0 when no piece goes on so.
  std::uint32_t next(std::uint32_t node, unsigned char byte) const {
    if (node == 0) return root_[byte];
    const Node& from = nodes_[node];
    const unsigned char* labels = labels_.data() + from.first_step;
    if (from.steps > kFewSteps) {
      const void* found = std::memchr(labels, byte, from.steps);
      return found ? from.first_step + static_cast<std::uint32_t>(static_cast<const unsigned char*>(found) - labels)
                   : 0;
    }
    for (std::uint32_t i = 0; i < from.steps; ++i) {
      if (labels[i] == byte) return from.first_step + i;
    }
    return 0;
  }

  std::vector<Node> nodes_;
  std::vector<unsigned char> labels_;
  std::array<std::uint32_t, 256> root_ = {};
};

}  // namespace octavo

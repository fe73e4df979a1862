#include "tokenizer/subword/piece_trie.h"

#include <algorithm>

namespace octavo {
namespace {

// A piece on its way down the trie, and its first bytes as a number, by which most pairs are told apart.
struct Walk {
  std::uint64_t head;
  std::string_view text;
  std::int32_t piece;
};

std::uint64_t head_of(std::string_view text) {
  std::uint64_t head = 0;
  for (std::size_t i = 0; i < sizeof head; ++i) {
    head = head << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0u);
  }
  return head;
}

bool comes_before(const Walk& a, const Walk& b) {
  if (a.head != b.head) return a.head < b.head;
  if (const int order = a.text.compare(b.text); order != 0) return order < 0;
  return a.piece < b.piece;
}

// The walks that stand at a node, [begin, end) of all of them, all of which begin with the same `length` bytes.
struct Group {
  std::size_t node, length, begin, end;
};

}  // namespace

PieceTrie::PieceTrie(const std::vector<std::string>& vocabulary) {
  std::vector<Walk> walks;
  walks.reserve(vocabulary.size());
  for (const std::string& piece : vocabulary) {
    walks.push_back({head_of(piece), piece, static_cast<std::int32_t>(walks.size())});
  }
  std::sort(walks.begin(), walks.end(), comes_before);
  nodes_.emplace_back();
  labels_.push_back(0);
  std::vector<Group> left = {{0, 0, 0, walks.size()}}, steps;
  while (!left.empty()) {
    const Group group = left.back();
    left.pop_back();
    const std::size_t first = nodes_.size();
    std::size_t at = group.begin;
    for (; at < group.end && walks[at].text.size() == group.length; ++at) {
      if (group.length > 0) nodes_[group.node].piece = walks[at].piece;
    }
    steps.clear();
    while (at < group.end) {
      const auto byte = static_cast<unsigned char>(walks[at].text[group.length]);
      const std::size_t begin = at;
      while (at < group.end && static_cast<unsigned char>(walks[at].text[group.length]) == byte) ++at;
      if (group.node == 0) root_[byte] = static_cast<std::uint32_t>(nodes_.size());
      steps.push_back({nodes_.size(), group.length + 1, begin, at});
      nodes_.emplace_back();
      labels_.push_back(byte);
    }
    nodes_[group.node].first_step = static_cast<std::uint32_t>(first);
    nodes_[group.node].steps = static_cast<std::uint32_t>(steps.size());
    left.insert(left.end(), steps.rbegin(), steps.rend());
  }
}

std::int32_t PieceTrie::find(std::string_view piece) const {
  std::uint32_t node = 0;
  for (const char byte : piece) {
    node = next(node, static_cast<unsigned char>(byte));
    if (node == 0) return kNoPiece;
  }
  return nodes_[node].piece;
}

}  // namespace octavo

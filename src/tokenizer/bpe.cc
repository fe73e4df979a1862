#include "tokenizer/bpe.h"

#include "tokenizer/byte_level.h"
#include "tokenizer/utf8.h"

#include "octavo/error.h"

#include <algorithm>
#include <bit>
#include <queue>

namespace octavo {
namespace {

constexpr std::size_t kShortWord = 48;  // bytes up to which looking at every pair again beats a heap

std::array<std::int32_t, 256> find_bytes(const TokenIds& ids, const std::string& where) {
  std::array<std::int32_t, 256> result;
  for (unsigned byte = 0; byte < 256; ++byte) {
    char text[4];
    const int length = write_utf8(byte_level_character(static_cast<unsigned char>(byte)), text);
    const std::string_view token(text, static_cast<std::size_t>(length));
    result[byte] = ids.find(token);
    if (result[byte] < 0) {
      throw Error(where + ": the vocabulary has no \"" + std::string(token) + "\" for byte " + std::to_string(byte) +
                  ", expected a token for each of the 256");
    }
  }
  return result;
}

}  // namespace

Bpe::Bpe(const std::vector<std::string>& vocabulary, const Options& options, const std::string& where)
    : ids_(vocabulary, where), byte_ids_(find_bytes(ids_, where)) {
  const std::size_t slots = std::bit_ceil(2 * options.merges.size() + 2);
  hash_shift_ = 64 - std::countr_zero(slots);
  entries_.resize(slots);
  merges_.reserve(options.merges.size());
  for (const std::string& merge : options.merges) {
    read_merge(merge, static_cast<std::uint32_t>(merges_.size()), where);
  }
}

void Bpe::read_merge(std::string_view merge, std::uint32_t rank, const std::string& where) {
  const auto fail = [&](const std::string& expected) {
    throw Error(where + ": merge " + std::to_string(rank) + " is \"" + std::string(merge) + "\", expected " + expected);
  };
  const std::size_t space = merge.find(' ');
  if (space == 0 || space >= merge.size() - 1 || merge.find(' ', space + 1) != std::string_view::npos) {
    fail("two tokens with a space between them");
  }
  const std::string_view left_text = merge.substr(0, space), right_text = merge.substr(space + 1);
  const std::int32_t left = ids_.find(left_text), right = ids_.find(right_text);
  const std::int32_t merged = ids_.find(std::string(left_text).append(right_text));
  if (left < 0 || right < 0 || merged < 0) fail("both tokens and their union in the vocabulary");
  Entry& entry = entries_[slot(pair(left, right))];
  if (entry.pair != kEmpty) fail("it once, but it is merge " + std::to_string(entry.merge.rank) + " too");
  entry = {.pair = pair(left, right), .merge = {.rank = rank, .id = merged}};
  merges_.push_back(entry.pair);
}

Bpe::Options Bpe::options() const {
  Options options;
  options.merges.reserve(merges_.size());
  for (const std::uint64_t merge : merges_) {
    const auto left = static_cast<std::int32_t>(merge >> 32), right = static_cast<std::int32_t>(merge & 0xffffffff);
    options.merges.push_back(std::string(ids_.text(left)).append(" ").append(ids_.text(right)));
  }
  return options;
}

// Where the entry of this pair is, or the empty slot where it belongs.
std::size_t Bpe::slot(std::uint64_t pair) const {
  std::size_t slot = pair * 0x9e3779b97f4a7c15u >> hash_shift_;  // Fibonacci hashing
  while (entries_[slot].pair != pair && entries_[slot].pair != kEmpty) slot = (slot + 1) & (entries_.size() - 1);
  return slot;
}

void Bpe::tokenize(std::string_view word, const ByteRange* spans, Subwords& out) const {
  if (word.size() <= kShortWord) {
    tokenize_short(word, spans, out);
  } else {
    tokenize_long(word, spans, out);
  }
}

void Bpe::tokenize_short(std::string_view word, const ByteRange* spans, Subwords& out) const {
  std::int32_t ids[kShortWord + 1];
  std::size_t begins[kShortWord + 1];
  Merge merges[kShortWord + 1];  // merges[i] joins i and i + 1
  std::size_t count = word.size();
  for (std::size_t i = 0; i < count; ++i) {
    ids[i] = byte_ids_[static_cast<unsigned char>(word[i])];
    begins[i] = i;
    if (i > 0) merges[i - 1] = find(ids[i - 1], ids[i]);
  }
  begins[count] = count;
  while (count > 1) {
    const Merge* best =
        std::min_element(merges, merges + count - 1, [](const Merge& a, const Merge& b) { return a.rank < b.rank; });
    if (best->rank == kNoRank) break;
    const auto at = static_cast<std::size_t>(best - merges);
    ids[at] = best->id;
    std::copy(ids + at + 2, ids + count, ids + at + 1);
    std::copy(begins + at + 2, begins + count + 1, begins + at + 1);
    std::copy(merges + at + 1, merges + count - 1, merges + at);
    --count;
    if (at > 0) merges[at - 1] = find(ids[at - 1], ids[at]);
    if (at + 1 < count) merges[at] = find(ids[at], ids[at + 1]);
  }
  for (std::size_t i = 0; i < count; ++i) {
    out.append(ids[i], {spans[begins[i]].begin, spans[begins[i + 1] - 1].end});
  }
}

// Tokens are linked, and a heap holds the merges of neighbours. One whose tokens have changed since is passed over.
void Bpe::tokenize_long(std::string_view word, const ByteRange* spans, Subwords& out) const {
  struct Token {
    std::int32_t id;
    std::uint32_t previous, next;  // by first byte; the word's size is the end
  };
  struct Candidate {
    std::uint32_t rank, at;
    bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
  };
  const auto end = static_cast<std::uint32_t>(word.size());
  std::vector<Token> tokens(end);
  for (std::uint32_t i = 0; i < end; ++i) {
    tokens[i] = {.id = byte_ids_[static_cast<unsigned char>(word[i])], .previous = i - 1, .next = i + 1};
  }
  const auto merge_at = [&](std::uint32_t at) {
    const Token& token = tokens[at];
    return token.id < 0 || token.next == end ? Merge() : find(token.id, tokens[token.next].id);
  };
  std::vector<Candidate> candidates;
  for (std::uint32_t i = 0; i < end; ++i) {
    if (const Merge merge = merge_at(i); merge.rank != kNoRank) candidates.push_back({merge.rank, i});
  }
  std::priority_queue heap(std::greater<Candidate>(), std::move(candidates));
  while (!heap.empty()) {
    const auto [rank, at] = heap.top();
    heap.pop();
    const Merge merge = merge_at(at);
    if (merge.rank != rank) continue;
    Token& left = tokens[at];
    Token& right = tokens[left.next];
    left.id = merge.id;
    left.next = right.next;
    right.id = -1;
    if (left.next != end) tokens[left.next].previous = at;
    if (const Merge next = merge_at(at); next.rank != kNoRank) heap.push({next.rank, at});
    if (at == 0) continue;
    if (const Merge before = merge_at(left.previous); before.rank != kNoRank) heap.push({before.rank, left.previous});
  }
  for (std::uint32_t at = 0; at < end; at = tokens[at].next) {
    out.append(tokens[at].id, {spans[at].begin, spans[tokens[at].next - 1].end});
  }
}

}  // namespace octavo

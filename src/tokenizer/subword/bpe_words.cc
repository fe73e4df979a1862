// How are a word's first tokens found, and merged?
#include "tokenizer/subword/bpe.h"
#include "tokenizer/subword/byte_fallback.h"
#include "tokenizer/unicode/utf8.h"

#include <algorithm>
#include <queue>
#include <utility>

namespace octavo {
namespace {

constexpr std::size_t kFewTokens = 48;  // up to which looking at every pair again beats a heap

// Where bytes [begin, end) come from, 0 <= begin <= end > 0.
ByteRange span_between(const ByteRange* spans, std::uint32_t begin, std::uint32_t end) {
  const ByteRange last = spans[end - 1];
  return begin < end ? ByteRange{spans[begin].begin, last.end} : ByteRange{last.end, last.end};
}

}  // namespace

void Bpe::tokenize_bytes(std::string_view word, const ByteRange* spans, Subwords& out) const {
  std::int32_t few[kFewTokens];
  std::uint32_t few_begins[kFewTokens + 1];
  const bool is_long = word.size() > kFewTokens;
  std::vector<std::int32_t> many(is_long ? word.size() : 0);
  std::vector<std::uint32_t> many_begins(is_long ? word.size() + 1 : 0);
  std::int32_t* ids = is_long ? many.data() : few;
  std::uint32_t* begins = is_long ? many_begins.data() : few_begins;
  for (std::size_t i = 0; i < word.size(); ++i) {
    ids[i] = byte_ids_[static_cast<unsigned char>(word[i])];
    begins[i] = static_cast<std::uint32_t>(i);
  }
  begins[word.size()] = static_cast<std::uint32_t>(word.size());
  if (is_long) return merge_many(ids, begins, word.size(), spans, out);
  merge_few(ids, begins, word.size(), spans, out);
}

// Appends what a character of `size` bytes begins as: its token, with prefix and suffix, or its bytes' tokens; else it
// counts as unknown. As in the tokenizers library, unknown text comes behind bytes' tokens that follow it.
void Bpe::append_character(std::string_view token, std::size_t size, Symbols& symbols, std::uint32_t& unknown) const {
  const auto append = [&](std::int32_t id, std::size_t bytes) {
    symbols.ids.push_back(id);
    symbols.begins.push_back(symbols.begins.back() + static_cast<std::uint32_t>(bytes));
  };
  const auto has_token = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)] >= 0; };
  if (const std::int32_t id = ids_.find(token); id >= 0) {
    if (unknown > 0) append(unknown_, std::exchange(unknown, 0));
    append(id, size);
  } else if (options_.byte_fallback && std::all_of(token.begin(), token.end(), has_token)) {
    for (const char byte : token) append(byte_ids_[static_cast<unsigned char>(byte)], 1);
  } else if (unknown_ >= 0) {
    if (!options_.fuse_unk && unknown > 0) append(unknown_, std::exchange(unknown, 0));
    unknown += static_cast<std::uint32_t>(size);
  }
}

Bpe::Symbols Bpe::read_characters(std::string_view word) const {
  Symbols symbols;
  symbols.ids.reserve(word.size());
  symbols.begins.reserve(word.size() + 1);
  symbols.begins.push_back(0);
  std::uint32_t unknown = 0;
  const bool is_plain = options_.continuing_subword_prefix.empty() && options_.end_of_word_suffix.empty();
  std::string marked;
  for (std::size_t at = 0, end = 0; at < word.size(); at = end) {
    end = at + static_cast<std::size_t>(first_code_point(word.substr(at)).bytes);
    const std::string_view text = word.substr(at, end - at);
    if (!is_plain) {
      marked = at > 0 ? options_.continuing_subword_prefix : "";
      marked += text;
      if (end == word.size()) marked += options_.end_of_word_suffix;
    }
    append_character(is_plain ? text : marked, text.size(), symbols, unknown);
  }
  if (unknown > 0) {
    symbols.ids.push_back(unknown_);
    symbols.begins.push_back(symbols.begins.back() + unknown);
  }
  // Bytes of a prefix may have run over the end.
  for (std::uint32_t& begin : symbols.begins) begin = std::min(begin, static_cast<std::uint32_t>(word.size()));
  return symbols;
}

void Bpe::tokenize_characters(std::string_view word, const ByteRange* spans, Subwords& out) const {
  Symbols symbols = read_characters(word);
  const std::size_t count = symbols.ids.size();
  const auto is_joint = [&](std::size_t i) {
    return !is_cut_ || entries_[slot(pair(symbols.ids[i - 1], symbols.ids[i]))].pair != kEmpty;
  };
  for (std::size_t begin = 0, end = 0; begin < count; begin = end) {
    end = begin + 1;
    while (end < count && is_joint(end)) ++end;
    if (end - begin > kFewTokens) {
      merge_many(&symbols.ids[begin], &symbols.begins[begin], end - begin, spans, out);
    } else {
      std::uint32_t begins[kFewTokens + 1];  // merging moves them, and the next part begins with the last one
      std::copy_n(&symbols.begins[begin], end - begin + 1, begins);
      merge_few(&symbols.ids[begin], begins, end - begin, spans, out);
    }
  }
}

void Bpe::merge_few(std::int32_t* ids, std::uint32_t* begins, std::size_t count, const ByteRange* spans,
                    Subwords& out) const {
  Merge merges[kFewTokens];  // merges[i] joins i and i + 1
  for (std::size_t i = 1; i < count; ++i) merges[i - 1] = find(ids[i - 1], ids[i]);
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
    out.append(ids[i], span_between(spans, begins[i], begins[i + 1]));
  }
}

// Tokens are linked, and a heap holds the merges of neighbours. One whose tokens have changed since is passed over.
void Bpe::merge_many(const std::int32_t* ids, const std::uint32_t* begins, std::size_t count, const ByteRange* spans,
                     Subwords& out) const {
  struct Token {
    std::int32_t id;
    std::uint32_t previous, next;  // by number; the count is the end
  };
  struct Candidate {
    std::uint32_t rank, at;
    bool operator>(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
  };
  const auto end = static_cast<std::uint32_t>(count);
  std::vector<Token> tokens(end);
  for (std::uint32_t i = 0; i < end; ++i) tokens[i] = {.id = ids[i], .previous = i - 1, .next = i + 1};
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
    out.append(tokens[at].id, span_between(spans, begins[at], begins[tokens[at].next]));
  }
}

}  // namespace octavo

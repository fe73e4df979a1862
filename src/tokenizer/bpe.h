// Which tokens do byte-pair merges make of a word?
#pragma once

#include "tokenizer/subwords.h"
#include "tokenizer/token_ids.h"

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// Byte-level BPE: a word begins as one token per byte; of all neighbours that may be merged, those of the earliest
/// merge are, the leftmost first, until none are left. Immutable.
class Bpe {
 public:
  struct Options {
    std::vector<std::string> merges;  ///< "left right": two tokens with a space between them, the earliest first
  };

  /// Token i of the vocabulary has id i. `where` stands in messages: Error when a byte has no token, a merge is no pair
  /// of tokens whose union is one, or a merge or a token occurs twice.
  Bpe(const std::vector<std::string>& vocabulary, const Options& options, const std::string& where);

  /// As they were given.
  Options options() const;

  /// The id of a token of the vocabulary, or -1.
  std::int32_t id(std::string_view token) const { return ids_.find(token); }

  /// Appends the tokens of a word; spans[i] is where its byte i comes from. Takes time in n log n.
  void tokenize(std::string_view word, const ByteRange* spans, Subwords& out) const;

 private:
  static constexpr std::uint64_t kEmpty = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::uint32_t kNoRank = std::numeric_limits<std::uint32_t>::max();

  // What neighbours become: nothing when `rank`, the number of their merge, is kNoRank.
  struct Merge {
    std::uint32_t rank = kNoRank;
    std::int32_t id = -1;
  };

  // A slot of the hash table, of which at most half are in use.
  struct Entry {
    std::uint64_t pair = kEmpty;
    Merge merge;
  };

  static std::uint64_t pair(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  }
  std::size_t slot(std::uint64_t pair) const;
  Merge find(std::int32_t left, std::int32_t right) const { return entries_[slot(pair(left, right))].merge; }

  void read_merge(std::string_view merge, std::uint32_t rank, const std::string& where);
  void tokenize_short(std::string_view word, const ByteRange* spans, Subwords& out) const;
  void tokenize_long(std::string_view word, const ByteRange* spans, Subwords& out) const;

  TokenIds ids_;
  std::array<std::int32_t, 256> byte_ids_;
  std::vector<std::uint64_t> merges_;  // pairs by rank
  std::vector<Entry> entries_;
  int hash_shift_;
};

}  // namespace octavo

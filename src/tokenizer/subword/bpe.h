// Which tokens do byte-pair merges make of a word?
#pragma once

#include "tokenizer/subword/subwords.h"
#include "tokenizer/subword/token_ids.h"

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// BPE: a word begins as one token for each byte or for each character; of all neighbours that may be merged, those of
/// the earliest merge are, the leftmost first, until none are left. Immutable.
class Bpe {
 public:
  /// What a word is made of at first: the bytes of a text, each with its token in GPT-2's alphabet, or characters.
  enum class Alphabet { bytes, characters };

  struct MergedPair {
    std::string left, right;
  };

  struct Options {
    std::vector<MergedPair> merges = {};  ///< the earliest first
    bool ignore_merges = false;           ///< a word that is a token stays whole
    // Of characters alone:
    std::string unk_token = {};                  ///< of a character without a token, which is left out when this is ""
    std::string continuing_subword_prefix = {};  ///< stands before all but the first character
    std::string end_of_word_suffix = {};         ///< stands behind the last one
    bool fuse_unk = false;                       ///< unknown characters side by side are one token
    bool byte_fallback = false;                  ///< a character without a token becomes <0x00> to <0xFF>
  };

  /// Token i of the vocabulary has id i; an empty text is none. `where` stands in messages: Error when a byte has no
  /// token, a merge is no pair of tokens whose union is one, a merge or a token occurs twice, or the unknown one is
  /// missing.
  Bpe(const std::vector<std::string>& vocabulary, Options options, Alphabet alphabet, const std::string& where);

  /// As they were given.
  Options options() const;

  Alphabet alphabet() const { return alphabet_; }

  /// The id of a token of the vocabulary, or -1.
  std::int32_t id(std::string_view token) const { return ids_.find(token); }

  /// The id of a character without a token, -1 where that cannot be.
  std::int32_t unknown_id() const { return unknown_; }

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

  // A slot of the hash table, of which at most half are in use. A pair without a merge says that a merge may reach
  // across it: its first ends the left token of one, its second begins the right one.
  struct Entry {
    std::uint64_t pair = kEmpty;
    Merge merge;
  };

  // Tokens of a part of a word: token i is bytes [begins[i], begins[i + 1]) of it.
  struct Symbols {
    std::vector<std::int32_t> ids;
    std::vector<std::uint32_t> begins;
  };

  static std::uint64_t pair(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  }
  std::size_t slot(std::uint64_t pair) const;
  Merge find(std::int32_t left, std::int32_t right) const { return entries_[slot(pair(left, right))].merge; }

  void read_merge(const MergedPair& merge, std::uint32_t rank, const std::string& where);
  void add_joints();
  Symbols read_characters(std::string_view word) const;
  void append_character(std::string_view token, std::size_t size, Symbols& symbols, std::uint32_t& unknown) const;
  void tokenize_bytes(std::string_view word, const ByteRange* spans, Subwords& out) const;
  void tokenize_characters(std::string_view word, const ByteRange* spans, Subwords& out) const;
  std::int32_t whole_word(std::string_view word) const;

  // Merge tokens [0, count) with their begins, count + 1 of them, and append what is left.
  void merge_few(std::int32_t* ids, std::uint32_t* begins, std::size_t count, const ByteRange* spans,
                 Subwords& out) const;
  void merge_many(const std::int32_t* ids, const std::uint32_t* begins, std::size_t count, const ByteRange* spans,
                  Subwords& out) const;

  TokenIds ids_;
  Alphabet alphabet_;
  Options options_;  // without merges
  std::int32_t unknown_ = -1;
  std::array<std::int32_t, 256> byte_ids_;
  std::vector<std::uint64_t> merges_;  // pairs by rank
  std::vector<Entry> entries_;
  int hash_shift_;
  bool is_cut_ = false;  // whether a word falls apart where no pair of entries_ stands
};

}  // namespace octavo

#include "tokenizer/subword/bpe.h"

#include "tokenizer/subword/byte_fallback.h"
#include "tokenizer/unicode/byte_level.h"
#include "tokenizer/unicode/utf8.h"

#include "octavo/error.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace octavo {
namespace {

std::array<std::int32_t, 256> find_byte_level(const TokenIds& ids, const std::string& where) {
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

std::string_view first_character(std::string_view text) {
  return text.substr(0, static_cast<std::size_t>(first_code_point(text).bytes));
}

std::string_view last_character(std::string_view text) {
  return text.substr(text.size() - static_cast<std::size_t>(last_code_point(text, text.size()).bytes));
}

}  // namespace

Bpe::Bpe(const std::vector<std::string>& vocabulary, Options options, Alphabet alphabet, const std::string& where)
    : ids_(vocabulary, where), alphabet_(alphabet), options_(std::move(options)) {
  const std::vector<MergedPair> merges = std::exchange(options_.merges, {});
  byte_ids_ = alphabet_ == Alphabet::bytes ? find_byte_level(ids_, where) : find_byte_tokens(ids_);
  if (alphabet_ == Alphabet::characters && !options_.unk_token.empty()) {
    unknown_ = ids_.find(options_.unk_token);
    if (unknown_ < 0) {
      throw Error(where + ": unk_token is \"" + options_.unk_token + "\", expected a token of the vocabulary");
    }
  }
  const std::size_t slots =
      std::bit_ceil(2 * (merges.size() + (alphabet_ == Alphabet::characters ? merges.size() : 0)) + 2);
  hash_shift_ = 64 - std::countr_zero(slots);
  entries_.resize(slots);
  merges_.reserve(merges.size());
  for (const MergedPair& merge : merges) read_merge(merge, static_cast<std::uint32_t>(merges_.size()), where);
  if (alphabet_ == Alphabet::characters) add_joints();
}

void Bpe::read_merge(const MergedPair& merge, std::uint32_t rank, const std::string& where) {
  const auto fail = [&](const std::string& expected) {
    throw Error(where + ": merge " + std::to_string(rank) + " is \"" + merge.left + " " + merge.right +
                "\", expected " + expected);
  };
  const std::string& prefix = options_.continuing_subword_prefix;
  const std::int32_t left = ids_.find(merge.left), right = ids_.find(merge.right);
  const std::int32_t merged = ids_.find(merge.left + merge.right.substr(std::min(prefix.size(), merge.right.size())));
  if (left < 0 || right < 0 || merged < 0) fail("both tokens and their union in the vocabulary");
  Entry& entry = entries_[slot(pair(left, right))];
  if (entry.pair != kEmpty) fail("it once, but it is merge " + std::to_string(entry.merge.rank) + " too");
  entry = {.pair = pair(left, right), .merge = {.rank = rank, .id = merged}};
  merges_.push_back(entry.pair);
}

// Finds where merges may reach across, when they are of characters and nothing else: a long word, as a text without a
// pre-tokenizer is one, then falls apart into short ones.
void Bpe::add_joints() {
  if (!options_.continuing_subword_prefix.empty() || !options_.end_of_word_suffix.empty()) return;
  for (const std::uint64_t merge : merges_) {
    for (const std::uint64_t part : {merge >> 32, merge & 0xffffffff}) {
      const std::string_view text = ids_.text(static_cast<std::int32_t>(part));
      const bool has_other = text.find("<0x") != std::string_view::npos ||
                             (unknown_ >= 0 && text.find(options_.unk_token) != std::string_view::npos);
      if (has_other) return;
    }
  }
  is_cut_ = true;
  for (const std::uint64_t merge : merges_) {
    const auto left = static_cast<std::int32_t>(merge >> 32), right = static_cast<std::int32_t>(merge & 0xffffffff);
    const std::int32_t last = ids_.find(last_character(ids_.text(left))),
                       first = ids_.find(first_character(ids_.text(right)));
    if (last < 0 || first < 0) continue;  // no word has such a token
    Entry& entry = entries_[slot(pair(last, first))];
    entry.pair = pair(last, first);
  }
}

Bpe::Options Bpe::options() const {
  Options options = options_;
  options.merges.reserve(merges_.size());
  for (const std::uint64_t merge : merges_) {
    const auto left = static_cast<std::int32_t>(merge >> 32), right = static_cast<std::int32_t>(merge & 0xffffffff);
    options.merges.push_back({std::string(ids_.text(left)), std::string(ids_.text(right))});
  }
  return options;
}

// Where the entry of this pair is, or the empty slot where it belongs.
std::size_t Bpe::slot(std::uint64_t pair) const {
  std::size_t slot = pair * 0x9e3779b97f4a7c15u >> hash_shift_;  // Fibonacci hashing
  while (entries_[slot].pair != pair && entries_[slot].pair != kEmpty) slot = (slot + 1) & (entries_.size() - 1);
  return slot;
}

// The id of the token that the whole word is, or -1.
std::int32_t Bpe::whole_word(std::string_view word) const {
  if (alphabet_ == Alphabet::characters) return ids_.find(word);
  std::string characters;
  for (const char byte : word) characters += ids_.text(byte_ids_[static_cast<unsigned char>(byte)]);
  return ids_.find(characters);
}

void Bpe::tokenize(std::string_view word, const ByteRange* spans, Subwords& out) const {
  if (options_.ignore_merges) {
    const std::int32_t id = whole_word(word);
    if (id >= 0) return out.append(id, {spans[0].begin, spans[word.size() - 1].end});
  }
  if (alphabet_ == Alphabet::bytes) return tokenize_bytes(word, spans, out);
  tokenize_characters(word, spans, out);
}

}  // namespace octavo

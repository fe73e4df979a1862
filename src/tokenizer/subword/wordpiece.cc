#include "tokenizer/subword/wordpiece.h"

#include "octavo/error.h"

#include <algorithm>
#include <bit>

namespace octavo {
namespace {

constexpr std::size_t kMaxUtf8 = 4;
constexpr std::size_t kMaxBytes = (std::size_t{1} << 24) - 1;  // of all tokens: a node's number has 24 bits

std::size_t count_bytes(const std::vector<std::string>& vocabulary, const std::string& where) {
  std::size_t bytes = 0;
  for (const std::string& token : vocabulary) bytes += token.size();
  if (bytes > kMaxBytes) {
    throw Error(where + ": the vocabulary has " + std::to_string(bytes) + " bytes, expected at most " +
                std::to_string(kMaxBytes));
  }
  return bytes;
}

}  // namespace

WordPiece::WordPiece(const std::vector<std::string>& vocabulary, Options options, const std::string& where)
    : options_(std::move(options)) {
  const std::size_t slots = std::bit_ceil(2 * count_bytes(vocabulary, where) + 2);
  hash_shift_ = 32 - std::countr_zero(slots);
  steps_.resize(slots);
  std::uint32_t nodes = 1;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    if (vocabulary[i].empty()) continue;
    std::uint32_t node = 0;
    Step* last = nullptr;
    for (const char byte : vocabulary[i]) {
      last = &steps_[slot(key(node, byte))];
      if (last->key == kEmpty) *last = {.key = key(node, byte), .node = nodes++};
      node = last->node;
    }
    if (last->token != kNoToken) {
      throw Error(where + ": token \"" + vocabulary[i] + "\" has the ids " + std::to_string(last->token) + " and " +
                  std::to_string(i) + ", expected one");
    }
    last->token = static_cast<std::int32_t>(i);
  }
  unknown_ = id(options_.unk_token);
  if (unknown_ == kNoToken) {
    throw Error(where + ": unk_token is \"" + options_.unk_token + "\", expected a token of the vocabulary");
  }
  continuing_ = 0;
  for (const char byte : options_.continuing_subword_prefix) {
    const Step& step = steps_[slot(key(continuing_, byte))];
    continuing_ = step.key == kEmpty ? kEmpty : step.node;
    if (continuing_ == kEmpty) break;
  }
  if (static_cast<std::size_t>(options_.max_input_chars_per_word) <= kWalkedBytes / kMaxUtf8) return;
  std::vector<std::string_view> continuations;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    std::string_view token = vocabulary[i];
    if (!token.starts_with(options_.continuing_subword_prefix)) continue;
    token.remove_prefix(options_.continuing_subword_prefix.size());
    if (token.empty()) continue;
    continuations.push_back(token);
    continuation_ids_.push_back(static_cast<std::int32_t>(i));
  }
  if (!continuations.empty()) continuations_.emplace(continuations);
}

// Where the step with this key is, or the empty slot where it belongs.
std::size_t WordPiece::slot(std::uint32_t key) const {
  std::size_t slot = key * 0x9e3779b1u >> hash_shift_;  // Fibonacci hashing
  while (steps_[slot].key != key && steps_[slot].key != kEmpty) slot = (slot + 1) & (steps_.size() - 1);
  return slot;
}

std::int32_t WordPiece::id(std::string_view token) const {
  std::uint32_t node = 0;
  std::int32_t result = kNoToken;
  for (const char byte : token) {
    const Step& step = steps_[slot(key(node, byte))];
    if (step.key == kEmpty) return kNoToken;
    node = step.node;
    result = step.token;
  }
  return result;
}

bool WordPiece::is_too_long(std::string_view word) const {
  const auto limit = static_cast<std::size_t>(options_.max_input_chars_per_word);
  if (word.size() <= limit) return false;
  const auto starts_character = [](char byte) { return (byte & 0xc0) != 0x80; };
  return static_cast<std::size_t>(std::count_if(word.begin(), word.end(), starts_character)) > limit;
}

void WordPiece::tokenize(std::string_view word, const ByteRange* spans, Subwords& out) const {
  const std::size_t pieces_before = out.ids.size();
  const auto unknown = [&] {
    out.ids.resize(pieces_before);
    out.spans.resize(pieces_before);
    out.append(unknown_, {spans[0].begin, spans[word.size() - 1].end});
  };
  if (is_too_long(word)) return unknown();
  std::vector<PatternSet::Occurrence> continuations;  // the first one last
  const bool is_walked = word.size() <= kWalkedBytes || !continuations_;
  if (!is_walked) continuations = continuations_->find(word);
  for (std::size_t begin = 0; begin < word.size();) {
    while (!continuations.empty() && continuations.back().begin < begin) continuations.pop_back();
    Piece piece;
    if (begin == 0 || is_walked) {
      piece = longest_piece(word, begin);
    } else if (!continuations.empty() && continuations.back().begin == begin) {
      const PatternSet::Occurrence& found = continuations.back();
      piece = {.token = continuation_ids_[static_cast<std::size_t>(found.pattern)], .end = found.end};
    }
    if (piece.token == kNoToken) return unknown();
    out.append(piece.token, {spans[begin].begin, spans[piece.end - 1].end});
    begin = piece.end;
  }
}

WordPiece::Piece WordPiece::longest_piece(std::string_view word, std::size_t begin) const {
  Piece piece;
  std::uint32_t node = begin == 0 ? 0 : continuing_;
  for (std::size_t i = begin; i < word.size() && node != kEmpty; ++i) {
    const Step& step = steps_[slot(key(node, word[i]))];
    if (step.key == kEmpty) break;
    node = step.node;
    if (step.token != kNoToken) piece = {.token = step.token, .end = i + 1};
  }
  return piece;
}

}  // namespace octavo

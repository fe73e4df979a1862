// Text to token ids, as the checkpoint's own tokenizer does it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// Where a token comes from: [begin, end) in bytes of the UTF-8 input; begin == end for special
/// tokens that encode() adds.
struct Span {
  std::int32_t begin = 0, end = 0;
  bool operator==(const Span&) const = default;
};

/// One tokenized text or pair. type_ids and offsets are as long as ids; a caller who makes Tokens by hand may leave both
/// empty (all types 0).
struct Tokens {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids = {};
  std::vector<Span> offsets = {};   ///< of a pair's second text: into the second text
  std::int32_t truncated = 0;       ///< tokens that max_length cut away
};

/// A WordPiece tokenizer: immutable, shared between threads, cheap to copy.
class Tokenizer {
 public:
  /// Reads tokenizer.json, or vocab.txt with tokenizer_config.json, from a checkpoint directory. Every component of
  /// tokenizer.json that is not supported is an Error that names it.
  static Tokenizer from_checkpoint(const std::filesystem::path& directory);

  /// Reads the text of a tokenizer.json; `name` stands in messages.
  static Tokenizer from_json(std::string_view json, std::string_view name = "tokenizer.json");

  /// A tokenizer.json that gives the same tokens; what a model file carries.
  std::string to_json() const;

  /// Ids with the special tokens ([CLS] text [SEP]; pairs: [CLS] text [SEP] pair [SEP], types 0 and 1), at most
  /// max_length of them: longer input is truncated on the right (a pair: the longer text first) and `truncated` counts it.
  /// Invalid UTF-8 is read as U+FFFD, as the Unicode standard recommends (one per maximal subpart). Throws Error when
  /// max_length has no room for the special tokens.
  Tokens encode(std::string_view text, std::optional<int> max_length = {}) const;
  Tokens encode(std::string_view text, std::string_view pair, std::optional<int> max_length = {}) const;

  /// The token's text in the vocabulary ("[CLS]", "##ing"). Throws Error when there is no such id.
  std::string_view token(std::int32_t id) const;

  int vocab_size() const;

  struct Data;

 private:
  explicit Tokenizer(std::shared_ptr<const Data> data);
  std::shared_ptr<const Data> data_;
};

}  // namespace octavo

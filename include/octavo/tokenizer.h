// Text to token ids and back, as the checkpoint's own tokenizer does it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// Where a token comes from: [begin, end) in bytes of the UTF-8 input; begin == end for special
/// tokens that encode() adds.
struct ByteRange {
  std::int32_t begin = 0, end = 0;
  bool operator==(const ByteRange&) const = default;
};

/// One tokenized text or pair. type_ids and offsets are as long as ids; a caller who makes Tokens by hand may leave
/// both empty (all types 0).
struct Tokens {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids = {};
  std::vector<ByteRange> offsets = {};  ///< of a pair's second text: into the second text
  std::int32_t truncated = 0;           ///< tokens that max_length cut away
  std::int32_t prompt = 0;              ///< first tokens that pooling leaves out; fewer than there are
};

/// A part of a text that is longer than a model takes, with special tokens around it.
struct TokenWindow {
  Tokens tokens;
  std::int32_t first = 0;                ///< the first of `tokens` that is one of the text; of a pair, the second text
  std::vector<std::int32_t> words = {};  ///< of each token of the text, the number of the word that it is a part of
};

/// How a long text is cut.
struct WindowOptions {
  int max_length = 0;  ///< most tokens of a window, special ones and those of a pair's first text included
  int overlap = 0;     ///< tokens of the text that a window has in common with the one before
};

/// What of the ids becomes text.
struct DecodeOptions {
  bool skip_special_tokens = true;  ///< leave out [CLS], </s> and the like
};

/// A WordPiece, BPE or Unigram tokenizer with the steps that a tokenizer.json names: immutable, shared between threads,
/// cheap to copy.
class Tokenizer {
 public:
  /// Reads from a checkpoint directory tokenizer.json, or vocab.json with merges.txt, or vocab.txt with
  /// tokenizer_config.json. Every component of tokenizer.json that is not supported is an Error that names it. Where
  /// the files beside it contradict it, the tokenizer is what transformers' AutoTokenizer would use, and warnings() say
  /// so (docs/checkpoints.md). `types` is how many token types the model knows: with fewer than two every token is of
  /// type 0, as it is where transformers' tokenizer gives no types.
  static Tokenizer from_checkpoint(const std::filesystem::path& directory, int types = 2);

  /// Reads the text of a tokenizer.json; `name` stands in messages.
  static Tokenizer from_json(std::string_view json, std::string_view name = "tokenizer.json");

  /// Writes a tokenizer.json that gives the same tokens; what a model file carries.
  std::string to_json() const;

  /// Makes ids with the special tokens (BERT: [CLS] text [SEP]; pairs: [CLS] text [SEP] pair [SEP], types 0 and 1; OPT:
  /// </s> text), at most max_length of them: longer input is truncated on the right (a pair: the longer text first) and
  /// `truncated` counts it.
  /// Invalid UTF-8 is read as U+FFFD, as the Unicode standard recommends (one per maximal subpart). Throws Error when
  /// max_length has no room for the special tokens.
  Tokens encode(std::string_view text, std::optional<int> max_length = {}) const;
  Tokens encode(std::string_view text, std::string_view pair, std::optional<int> max_length = {}) const;

  /// Makes ids without truncation: of a long text several windows, each of which begins max_length less `overlap`
  /// tokens behind the one before, at least one token. Of a pair the second text is cut and the first stands in each. A
  /// text without tokens is one window. Throws Error when there is no room for a token.
  std::vector<TokenWindow> windows(std::string_view text, const WindowOptions& options) const;
  std::vector<TokenWindow> windows(std::string_view text, std::string_view pair, const WindowOptions& options) const;

  /// Makes the text of the ids, well-formed UTF-8, as the decoder of tokenizer.json says. Where it says nothing:
  /// byte-level BPE gives the bytes that the tokens stand for, U+FFFD in place of ill-formed ones; WordPiece gives
  /// words with a space between them, none before . , ? and !; any other a space between all tokens. An id without a
  /// token (models pad their tables) is U+FFFD.
  std::string decode(std::span<const std::int32_t> ids, DecodeOptions options = {}) const;

  /// Gives the token's text in the vocabulary ("[CLS]", "##ing", "\u0120the"); "" of an id below vocab_size() that no
  /// token has. Throws Error when there is no such id.
  std::string_view token(std::int32_t id) const;

  /// Finds the id of a token of the vocabulary, -1 when there is none.
  std::int32_t id(std::string_view token) const;

  /// Gives the id of what the vocabulary has no pieces for, -1 where that cannot be.
  std::int32_t unknown_id() const;

  /// Gives the id of the token that stands for a hidden one, -1 where there is none: mask_token of the checkpoint's
  /// settings, else [MASK] or <mask>.
  std::int32_t mask_id() const;

  /// Tells whether a token is special: put around texts, or added as such. Throws Error when there is no such id.
  bool is_special(std::int32_t id) const;

  /// Tells what tokens within a word begin with: "##"; "" where they cannot be told from others.
  std::string_view continuing_subword_prefix() const;

  /// Counts the ids: the largest one of a token, added ones included, and one.
  int vocab_size() const;

  /// Tells what a checkpoint's files say that octavo does not know, or of which they contradict each other: a sentence
  /// each that names the file and the key.
  const std::vector<std::string>& warnings() const;

  struct Data;

 private:
  friend class StreamDecoder;
  explicit Tokenizer(std::shared_ptr<const Data> data);
  std::shared_ptr<const Data> data_;
};

/// What a step of decoding remembers of the tokens before.
struct DecoderState {
  std::string held = {};  ///< text that waits for what comes
  std::size_t count = 0;
  bool is_text = false;
};

/// decode() token by token, for text that is shown while it is made: what push() and then finish() return is together
/// what decode() returns.
class StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer, DecodeOptions options = {});

  /// Takes a token and gives the text that is complete with it: whole characters. The beginning of one, and what else
  /// the decoder cannot tell yet, is kept until more comes.
  [[nodiscard]] std::string push(std::int32_t id);

  /// Gives what was kept, U+FFFD when a character stayed incomplete. The decoder is then as new.
  [[nodiscard]] std::string finish();

 private:
  Tokenizer tokenizer_;
  DecodeOptions options_;
  std::vector<DecoderState> states_;
};

}  // namespace octavo

// What do tokens become, one after the other, when they are text again? tokenizer.json's decoder: a sequence of steps.
#pragma once

#include "tokenizer/normalizer/normalizer_steps.h"
#include "tokenizer/pre_tokenizer/pre_tokenizer.h"
#include "tokenizer/pre_tokenizer/pre_tokenizer_steps.h"

#include "octavo/tokenizer.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace octavo {

/// Takes the spaces away that English has not: before . , ? and the like.
std::string clean_up_spaces(std::string text);

/// Words with a space between them; a token with the prefix belongs to the word before it.
struct WordPieceDecoder {
  static constexpr const char* kType = "WordPiece";
  std::string prefix = "##";
  bool cleanup = true;
};

/// A suffix becomes a space, that of the last token nothing.
struct BpeDecoder {
  static constexpr const char* kType = "BPEDecoder";
  std::string suffix = "</w>";
};

/// Equal tokens side by side are one, and pads go.
struct CtcDecoder {
  static constexpr const char* kType = "CTC";
  std::string pad_token = "<pad>", word_delimiter_token = "|";
  bool cleanup = true;
};

/// Tokens <0x00> to <0xFF> side by side are the bytes of a text; where it is not well-formed, each is U+FFFD.
struct ByteFallbackDecoder {
  static constexpr const char* kType = "ByteFallback";
};

/// All tokens are one from here on.
struct FuseDecoder {
  static constexpr const char* kType = "Fuse";
};

/// Up to `start` characters `content` go where a token begins, up to `stop` where it ends.
struct StripDecoder {
  static constexpr const char* kType = "Strip";
  char32_t content = U' ';
  std::size_t start = 0, stop = 0;
};

/// Tokens with a space between them: what happens without a decoder.
struct SpaceDecoder {};

using DecoderStep = std::variant<ByteLevel, WordPieceDecoder, Metaspace, BpeDecoder, CtcDecoder, ByteFallbackDecoder,
                                 FuseDecoder, StripDecoder, Replace>;

/// Immutable. Runs token by token; what is remembered lies in the caller's states.
class TokenDecoder {
 public:
  using Step = std::variant<ByteLevel, WordPieceDecoder, Metaspace, BpeDecoder, CtcDecoder, ByteFallbackDecoder,
                            FuseDecoder, StripDecoder, Replace, SpaceDecoder>;
  using State = DecoderState;

  /// No steps: a space between tokens.
  explicit TokenDecoder(const std::vector<DecoderStep>& steps);

  std::vector<State> start() const { return std::vector<State>(steps_.size()); }

  /// Gives the text that is complete with this token. `is_text`: a first ByteLevel must leave it as it is.
  std::string push(std::string token, bool is_text, std::vector<State>& states) const;

  /// Gives what is left of the text.
  std::string finish(std::vector<State>& states) const;

 private:
  void run(std::size_t step, std::string token, std::vector<State>& states, std::string& text) const;

  std::vector<Step> steps_;
  std::vector<bool> is_whole_;  // by step: all that it gets is one token
};

}  // namespace octavo

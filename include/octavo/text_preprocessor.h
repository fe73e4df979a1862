// Texts to tokens as an embedding model wants them: its prompt, its tokenizer, its longest sequence.
#pragma once

#include "octavo/model.h"
#include "octavo/tokenizer.h"

#include <optional>
#include <string>
#include <string_view>

namespace octavo {

/// What is asked for in place of what the checkpoint says.
struct TextOptions {
  std::optional<std::string> prompt = {};  ///< stands before each text as it is; "": nothing does
  std::string prompt_name = {};            ///< of a prompt of the checkpoint; without effect where `prompt` is given
  std::optional<int> max_length = {};      ///< longer texts are cut; by default ModelInfo::max_length
};

/// Immutable, shared between threads.
class TextPreprocessor {
 public:
  /// Throws Error when the model has no tokenizer, no prompt of that name, or takes fewer tokens than max_length.
  explicit TextPreprocessor(const Model& model, const TextOptions& options = {});

  /// Makes the tokens of the prompt and the text together. Where the checkpoint leaves prompts out of pooling
  /// (EmbeddingInfo::include_prompt) Tokens::prompt says how many of them are the prompt's. Throws as
  /// Tokenizer::encode.
  Tokens encode(std::string_view text) const;

  /// Makes the tokens of a pair, the longer text of which is cut first; the prompt stands before the first.
  Tokens encode(std::string_view text, std::string_view pair) const;

  const Tokenizer& tokenizer() const { return tokenizer_; }

  /// Gives what stands before each text; "" when nothing does.
  const std::string& prompt() const { return prompt_; }

  /// Tells how many tokens a text is cut to.
  int max_length() const { return max_length_; }

 private:
  Tokens with_prompt(Tokens tokens) const;

  Tokenizer tokenizer_;
  std::string prompt_;
  int max_length_;
  int left_out_ = 0;  // tokens of the prompt that pooling leaves out
};

}  // namespace octavo

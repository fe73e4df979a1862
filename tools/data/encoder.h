// Texts to tokens that a model accepts, and a count of what did not fit.
#pragma once

#include "cli/log.h"
#include "data/text_input.h"

#include "octavo/model.h"
#include "octavo/text_preprocessor.h"
#include "octavo/tokenizer.h"

#include <cstdint>
#include <optional>
#include <string>

namespace octavo::tools {

class Encoder {
 public:
  /// `max_length` (--max-length) empty: the checkpoint's limit. Throws octavo::Error when the model has no tokenizer,
  /// takes fewer tokens, or has no such prompt.
  Encoder(const Model& model, const std::optional<std::int64_t>& max_length, const TextOptions& options = {});

  Tokens encode(const std::string& text);
  Tokens encode(const TextInput& input);

  const Tokenizer& tokenizer() const { return encoder_.tokenizer(); }

  int max_length() const { return encoder_.max_length(); }

  /// One warning for all inputs that were truncated, if any.
  void report_truncated(const Log& log) const;

 private:
  Tokens counted(Tokens tokens);

  TextPreprocessor encoder_;
  std::int64_t inputs_ = 0, truncated_ = 0;
};

}  // namespace octavo::tools

#include "octavo/text_preprocessor.h"

#include "octavo/error.h"

#include <algorithm>

namespace octavo {
namespace {

std::string prompt_of(const ModelInfo& info, const TextOptions& options) {
  if (options.prompt) return *options.prompt;
  const std::string& name = options.prompt_name.empty() ? info.embedding.default_prompt_name : options.prompt_name;
  if (name.empty()) return "";
  const auto found = info.embedding.prompts.find(name);
  if (found != info.embedding.prompts.end()) return found->second;
  std::string known;
  for (const auto& [key, text] : info.embedding.prompts) known += (known.empty() ? "" : ", ") + key;
  throw Error(info.name + ": has no prompt \"" + name + "\", " + (known.empty() ? "nor any other" : "it has " + known));
}

int limit_of(const ModelInfo& info, const std::optional<int>& max_length) {
  if (!max_length) return info.max_length;
  if (*max_length < 1 || *max_length > info.max_positions) {
    throw Error(info.name + ": max_length is " + std::to_string(*max_length) + ", expected 1 to " +
                std::to_string(info.max_positions));
  }
  return *max_length;
}

/// As sentence-transformers counts them: those of the prompt alone, without a special token at their end.
int prompt_tokens(const Tokenizer& tokenizer, const std::string& prompt, int max_length) {
  const Tokens tokens = tokenizer.encode(prompt, max_length);
  const bool ends_special = !tokens.ids.empty() && tokens.offsets.back().begin == tokens.offsets.back().end;
  return static_cast<int>(tokens.ids.size()) - (ends_special ? 1 : 0);
}

}  // namespace

TextPreprocessor::TextPreprocessor(const Model& model, const TextOptions& options)
    : tokenizer_(model.tokenizer()),
      prompt_(prompt_of(model.info(), options)),
      max_length_(limit_of(model.info(), options.max_length)) {
  if (!prompt_.empty() && !model.info().embedding.include_prompt)
    left_out_ = prompt_tokens(tokenizer_, prompt_, max_length_);
}

Tokens TextPreprocessor::with_prompt(Tokens tokens) const {
  if (!tokens.ids.empty()) tokens.prompt = std::min(left_out_, static_cast<int>(tokens.ids.size()) - 1);
  return tokens;
}

Tokens TextPreprocessor::encode(std::string_view text) const {
  return with_prompt(tokenizer_.encode(prompt_ + std::string(text), max_length_));
}

Tokens TextPreprocessor::encode(std::string_view text, std::string_view pair) const {
  return with_prompt(tokenizer_.encode(prompt_ + std::string(text), pair, max_length_));
}

}  // namespace octavo

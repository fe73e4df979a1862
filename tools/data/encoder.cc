// A count of what did not fit is the only thing added to the library's encoder.
#include "data/encoder.h"

#include "octavo/error.h"

namespace octavo::tools {

namespace {

TextOptions options_of(const ModelInfo& info, const std::optional<std::int64_t>& max_length, TextOptions options) {
  if (!max_length) return options;
  if (*max_length > info.max_positions) {
    throw Error("--max-length is " + std::to_string(*max_length) + ", but " + info.name + " takes at most " +
                std::to_string(info.max_positions) + " tokens.");
  }
  options.max_length = static_cast<int>(*max_length);
  return options;
}

}  // namespace

Encoder::Encoder(const Model& model, const std::optional<std::int64_t>& max_length, const TextOptions& options)
    : encoder_(model, options_of(model.info(), max_length, options)) {}

Tokens Encoder::encode(const std::string& text) { return counted(encoder_.encode(text)); }

Tokens Encoder::encode(const TextInput& input) {
  return counted(input.pair ? encoder_.encode(input.text, *input.pair) : encoder_.encode(input.text));
}

Tokens Encoder::counted(Tokens tokens) {
  ++inputs_;
  if (tokens.truncated > 0) ++truncated_;
  return tokens;
}

void Encoder::report_truncated(const Log& log) const {
  if (truncated_ == 0) return;
  log.warn(std::to_string(truncated_) + " of " + std::to_string(inputs_) + " inputs were longer than " +
           std::to_string(encoder_.max_length()) + " tokens and were truncated");
}

}  // namespace octavo::tools

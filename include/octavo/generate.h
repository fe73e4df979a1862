// Text from a decoder: token after token behind a prompt.
#pragma once

#include "octavo/engine.h"
#include "octavo/sampling.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// How a text is continued, and when it ends.
struct GenerateOptions {
  int max_new_tokens = 128;             ///< at least 1
  int context = 0;                      ///< most tokens of prompt and text together; 0: as many as the model takes
  SamplingOptions sampling = {};        ///< with beams the repetition penalty alone, of their log-probabilities
  int beams = 1;                        ///< above 1: beam search, whose text comes at the end
  std::vector<std::string> stops = {};  ///< strings that end the text and are no part of it
};

/// Why a text ended.
enum class FinishReason {
  length,  ///< max_new_tokens, or the context is full
  stop,    ///< a stop string
  eos,     ///< one of the model's end-of-text tokens, which is no part of the text
};

/// Names a reason: "length", "stop", "eos".
std::string_view name_of(FinishReason reason);

/// A continuation.
struct Generation {
  std::string text;                  ///< whole characters: U+FFFD where the last one was cut off
  std::vector<std::int32_t> tokens;  ///< those of a stop string included
  FinishReason finish = FinishReason::length;
  double prompt_seconds = 0.0;  ///< wall time until the first token
  double decode_seconds = 0.0;  ///< wall time of the others
};

/// Called with each piece of the text as soon as it is certain.
using TextSink = std::function<void(std::string_view)>;

/// Continues `prompt`, which begins with the beginning-of-text token as Tokenizer::encode() makes it; that token alone
/// is a prompt, too. Throws Error when the model is no decoder, the prompt is empty or leaves no room in the context,
/// or an option is out of range.
Generation generate(const Engine& engine, const Tokenizer& tokenizer, const Tokens& prompt, Workspace& workspace,
                    const GenerateOptions& options = {}, const TextSink& sink = {});

}  // namespace octavo

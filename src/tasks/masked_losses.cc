// How well a masked language model predicts the tokens that are asked for.
#include "engine/loss.h"
#include "tasks/masked_logits.h"

#include "octavo/error.h"
#include "octavo/masking.h"

#include <algorithm>
#include <string>

namespace octavo {
namespace {

/// The batch as the engine takes it, and what is asked of its rows.
struct Questions {
  TokenBatch batch;
  std::vector<std::int32_t> rows, labels;
};

Questions questions_of(std::span<const MaskedTokens> batch, const ModelInfo& info) {
  Questions result;
  std::size_t before = 0;
  for (const MaskedTokens& masked : batch) {
    const std::size_t length = masked.tokens.ids.size();
    if (masked.labels.size() != length) {
      throw Error("a sequence of " + std::to_string(length) + " tokens has " + std::to_string(masked.labels.size()) +
                  " labels, expected equally many");
    }
    for (std::size_t place = 0; place < length; ++place) {
      const std::int32_t label = masked.labels[place];
      if (label == kNoLabel) continue;
      if (label < 0 || label >= info.vocab_size) {
        throw Error("a label is " + std::to_string(label) + ", expected " + std::to_string(kNoLabel) + " or 0 to " +
                    std::to_string(info.vocab_size - 1) + ", a token of " + info.name);
      }
      result.rows.push_back(static_cast<std::int32_t>(before + place));
      result.labels.push_back(label);
    }
    result.batch.sequences.push_back(masked.tokens);
    before += length;
  }
  return result;
}

}  // namespace

std::vector<TokenLoss> masked_losses(const Engine& engine, std::span<const MaskedTokens> batch, Workspace& workspace) {
  const ValueId value = masked_logits(engine);
  const Questions questions = questions_of(batch, engine.model().info());
  std::vector<TokenLoss> result(questions.rows.size());
  if (result.empty()) return result;
  const RaggedBatch ragged = make_ragged(questions.batch, engine.model().info());
  data_of(engine).visit_chosen(value, ragged, questions.rows, workspace,
                               [&](std::size_t index, std::span<const float> logits) {
                                 const std::int32_t label = questions.labels[index];
                                 const auto likeliest = std::ranges::max_element(logits) - logits.begin();
                                 result[index] = {.loss = loss_of(logits, label), .is_likeliest = likeliest == label};
                               });
  return result;
}

}  // namespace octavo

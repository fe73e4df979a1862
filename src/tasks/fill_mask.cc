// What may stand in masked places of a text, by the rules of transformers' fill-mask pipeline.
#include "engine/engine_data.h"
#include "graph/text_task.h"
#include "tasks/masked_logits.h"
#include "tasks/score_functions.h"
#include "tasks/task_texts.h"

#include "octavo/error.h"
#include "octavo/masking.h"
#include "octavo/text_tasks.h"

#include <algorithm>

namespace octavo {

ValueId masked_logits(const Engine& engine) {
  require_task(engine.model(), TextTask::masked_language_model);
  const bool alone = data_of(engine.model()).graph.find_output(kLogits) != nullptr;
  return data_of(engine).output(alone ? kLogits : kPredictionLogits);
}

MaskFiller::MaskFiller(const Model& model)
    : tokenizer_(model_for(TextTask::masked_language_model, model).tokenizer()),
      mask_(mask_token_of(model)),
      vocab_size_(model.info().vocab_size) {}

std::vector<std::int32_t> MaskFiller::masks(const Tokens& tokens) const {
  std::vector<std::int32_t> result;
  for (std::size_t i = 0; i < tokens.ids.size(); ++i) {
    if (tokens.ids[i] == mask_) result.push_back(static_cast<std::int32_t>(i));
  }
  return result;
}

std::vector<std::int32_t> MaskFiller::targets(std::span<const std::string> words) const {
  std::vector<std::int32_t> result;
  for (const std::string& word : words) {
    std::int32_t id = tokenizer_.id(word);
    if (id < 0) {
      const std::size_t special = tokenizer_.encode("").ids.size();
      const TokenWindow window = tokenizer_.windows(word, {.max_length = static_cast<int>(special) + 1})[0];
      if (window.words.empty()) throw Error("the target \"" + word + "\" has no tokens");
      id = window.tokens.ids[static_cast<std::size_t>(window.first)];
    }
    if (id >= vocab_size_)
      throw Error("the target \"" + word + "\" is token " + std::to_string(id) + ", which the model does not have");
    if (std::ranges::find(result, id) == result.end()) result.push_back(id);
  }
  return result;
}

Tensor MaskFiller::logits(const Engine& engine, const TokenBatch& batch, Workspace& workspace) const {
  const Engine::Data& data = data_of(engine);
  const RaggedBatch ragged = make_ragged(batch, engine.model().info());
  std::vector<std::int32_t> rows;
  std::int32_t before = 0;
  for (const Tokens& tokens : batch.sequences) {
    for (const std::int32_t mask : masks(tokens)) rows.push_back(before + mask);
    before += static_cast<std::int32_t>(tokens.ids.size());
  }
  return data.chosen(masked_logits(engine), ragged, rows, workspace);
}

std::vector<std::vector<TokenScore>> MaskFiller::decode(const Tensor& logits, int count,
                                                        std::span<const std::int32_t> targets) const {
  std::vector<std::vector<TokenScore>> result;
  const auto columns = static_cast<std::size_t>(logits.columns());
  for (std::size_t first = 0; columns > 0 && first < logits.as<float>().size(); first += columns) {
    const std::vector<float> scores = scores_of(logits.as<float>().subspan(first, columns), ScoreFunction::softmax);
    std::vector<TokenScore> row;
    if (targets.empty()) {
      for (std::size_t id = 0; id < columns; ++id) row.push_back({static_cast<std::int32_t>(id), scores[id]});
    } else {
      for (const std::int32_t id : targets) row.push_back({id, scores.at(static_cast<std::size_t>(id))});
    }
    const std::size_t kept = std::min(row.size(), static_cast<std::size_t>(std::max(count, 0)));
    std::ranges::partial_sort(row, row.begin() + static_cast<std::ptrdiff_t>(kept),
                              [](const TokenScore& a, const TokenScore& b) {
                                return a.score > b.score || (a.score == b.score && a.id < b.id);
                              });
    row.resize(kept);
    result.push_back(std::move(row));
  }
  return result;
}

}  // namespace octavo

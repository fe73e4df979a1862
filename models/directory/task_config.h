// How a classifier's logits become scores: what config.json says to transformers and to sentence-transformers.
#pragma once

#include "io/json_object.h"

#include "octavo/model.h"

#include <optional>
#include <string>
#include <vector>

namespace octavo {

struct TaskConfig {
  std::optional<ScoreFunction> score_function = {};  ///< by problem_type
  std::optional<ScoreFunction> pair_function = {};   ///< by the activation function of a cross-encoder
};

/// Reads problem_type, and of cross-encoders sentence_transformers.activation_fn or
/// sbert_ce_default_activation_function. Throws Error for another problem type or function; what sentence-transformers
/// does not trust either is a warning.
TaskConfig read_task_config(const JsonObject& config, std::vector<std::string>& warnings);

/// Adds what was read, and where nothing was the defaults for so many classes.
void add_task_config(const TaskConfig& config, ModelInfo& info);

}  // namespace octavo

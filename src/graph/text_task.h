// What are a text model's logits for?
#pragma once

#include "graph/graph.h"
#include "io/enum_names.h"

namespace octavo {

inline constexpr Name<ScoreFunction> kScoreFunctions[] = {
    {ScoreFunction::softmax, "softmax"}, {ScoreFunction::sigmoid, "sigmoid"}, {ScoreFunction::none, "none"}};

/// The name of a masked language model's output beside that of a second head.
inline constexpr std::string_view kPredictionLogits = "prediction_logits";

/// By the outputs of a graph of texts and the names of the modules that make them.
TextTask text_task(const Graph& graph, const ModelInfo& info);

}  // namespace octavo

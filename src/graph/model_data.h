// What a Model holds: graph, tensors, facts; for a quantized one also the integer constants of each node.
#pragma once

#include "base/access.h"
#include "graph/embedding_modules.h"
#include "graph/graph.h"
#include "graph/quantized.h"

#include "octavo/model.h"
#include "octavo/tensor.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace octavo {

/// Tensors by name: the checkpoint's names for f32 models, "<value name>.<part>" for quantized ones.
using TensorMap = std::map<std::string, Tensor, std::less<>>;

struct Model::Data {
  ModelInfo info;
  Graph graph;
  TensorMap tensors;                      ///< f32, fp16 or bf16 as stored; s8, s16, s32 when quantized
  std::optional<Tokenizer> tokenizer;     ///< the checkpoint's, or none
  std::vector<std::string> labels;        ///< names of the classes, or none
  std::vector<EmbeddingModule> modules;   ///< what follows pooling; their tensors are f32
  std::optional<QuantizedGraph> integer;  ///< constants of a quantized model
  std::vector<std::string> warnings;      ///< what Model::warnings() gives
  std::string provenance;                 ///< calibration data, method, closeness: a JSON object, or ""
};

/// Elements of all tensors; what several names share counts once.
std::int64_t count_elements(const TensorMap& tensors);

/// The tensor of that name. Throws Error naming it when it is absent.
const Tensor& tensor(const TensorMap& tensors, std::string_view name);

}  // namespace octavo

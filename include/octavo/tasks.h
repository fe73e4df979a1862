// Tasks on top of an engine.
#pragma once

#include "octavo/engine.h"

#include <optional>
#include <vector>

namespace octavo {

struct EmbedOptions {
  std::optional<Pooling> pooling = {};  ///< mean or cls; default: what the checkpoint says
  bool normalize = true;                ///< divide by the L2 norm
};

/// Sentence embeddings: f32 [sequences, hidden_size]. Throws Error as Engine::run does.
Tensor embed(const Engine& engine, const TokenBatch& batch, Workspace& workspace, const EmbedOptions& options = {});

/// The same of images: features, of the class token or as the mean of the patches.
Tensor embed(const Engine& engine, const ImageBatch& batch, Workspace& workspace, const EmbedOptions& options = {});

/// A class and how sure the model is of it.
struct ClassScore {
  int id = 0;
  float score = 0.0f;  ///< softmax over all classes
};

/// The `count` likeliest classes of each image, best first; of equal ones the lower id. Throws Error as Engine::logits
/// does.
std::vector<std::vector<ClassScore>> classify(const Engine& engine, const ImageBatch& batch, Workspace& workspace,
                                              int count = 5);

/// The same from logits f32 [rows, classes].
std::vector<std::vector<ClassScore>> best_classes(const Tensor& logits, int count);

}  // namespace octavo

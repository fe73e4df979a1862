// Tasks on top of an engine.
#pragma once

#include "octavo/engine.h"
#include "octavo/text_preprocessor.h"

#include <optional>
#include <span>
#include <vector>

namespace octavo {

/// What is asked for in place of what the checkpoint says (ModelInfo::embedding).
struct EmbedOptions {
  std::vector<Pooling> pooling = {};     ///< empty: as the checkpoint says
  std::optional<bool> normalize = {};    ///< divide each embedding by its L2 norm, last of all
  std::optional<int> truncate_dim = {};  ///< keep so many numbers of each embedding
};

/// Numbers in an embedding. Throws Error when options and model do not fit together.
int embedding_size(const Model& model, const EmbedOptions& options = {});

/// Sentence embeddings, by pooling and all that the checkpoint has behind it: f32 [sequences, embedding_size()]. Throws
/// Error as Engine::pool and embedding_size do. TextPreprocessor makes the tokens.
Tensor embed(const Engine& engine, const TokenBatch& batch, Workspace& workspace, const EmbedOptions& options = {});

/// The same of images: features, of the class token or as the mean of the patches.
Tensor embed(const Engine& engine, const ImageBatch& batch, Workspace& workspace, const EmbedOptions& options = {});

/// How close two embeddings of equal size are. The cosine with zeros is 0, of zeros with zeros 1.
double similarity(std::span<const float> a, std::span<const float> b, Similarity kind = Similarity::cosine);

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

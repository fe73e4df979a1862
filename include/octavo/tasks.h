// Tasks on top of an engine.
#pragma once

#include "octavo/engine.h"
#include "octavo/text_preprocessor.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace octavo {

/// What is asked for in place of what the checkpoint says (ModelInfo::embedding).
struct EmbedOptions {
  std::vector<Pooling> pooling = {};     ///< empty: as the checkpoint says
  bool pooler = false;                   ///< take the output pooler_output instead of pooling
  std::optional<bool> normalize = {};    ///< divide each embedding by its L2 norm, last of all
  std::optional<int> truncate_dim = {};  ///< keep so many numbers of each embedding
};

/// Counts the numbers of an embedding. Throws Error when options and model do not fit together.
int embedding_size(const Model& model, const EmbedOptions& options = {});

/// Computes sentence embeddings, by pooling and all that the checkpoint has behind it: f32 [sequences,
/// embedding_size()]. TextPreprocessor makes the tokens. Throws Error as Engine::pool() and embedding_size() do.
Tensor embed(const Engine& engine, const TokenBatch& batch, Workspace& workspace, const EmbedOptions& options = {});

/// Computes features of images, of the class token or as the mean of the patches: f32 [images, embedding_size()].
/// Throws Error as Engine::pool() and embedding_size() do.
Tensor embed(const Engine& engine, const ImageBatch& batch, Workspace& workspace, const EmbedOptions& options = {});

/// A number of a sparse embedding; those that are 0 are left out.
struct SparseValue {
  std::int32_t id = 0;  ///< of a token of the vocabulary
  float value = 0.0f;
};

/// Computes sparse embeddings (SPLADE) of what a masked language model says of all tokens of a text, special ones
/// included: of each sequence the values above 0, by rising id. Nothing for `as`: as the checkpoint says
/// (EmbeddingInfo::sparse), else max and relu. Throws Error when the model does not predict masked tokens; else as
/// Engine::run().
std::vector<std::vector<SparseValue>> embed_sparse(const Engine& engine, const TokenBatch& batch, Workspace& workspace,
                                                   const std::optional<SparseInfo>& as = {});

/// Tells how close two embeddings are, more being closer. The cosine with zeros is 0, of zeros with zeros 1. Throws
/// Error when they have not equally many numbers.
double similarity(std::span<const float> a, std::span<const float> b, Similarity kind = Similarity::cosine);

/// Gives a class's name: the checkpoint's, else "LABEL_3", as transformers calls it.
std::string label_of(const Model& model, int id);

/// A class and how sure the model is of it.
struct ClassScore {
  int id = 0;
  float score = 0.0f;  ///< by ModelInfo::score_function; of pictures the softmax, or of one class its sigmoid
};

/// Finds the `count` likeliest classes of each image, best first; of equal ones the lower id. Throws Error as
/// Engine::logits() does.
std::vector<std::vector<ClassScore>> classify(const Engine& engine, const ImageBatch& batch, Workspace& workspace,
                                              int count = 5);

/// Finds the `count` likeliest classes of each row of logits f32 [rows, classes], best first; of equal ones the lower
/// id.
std::vector<std::vector<ClassScore>> best_classes(const Tensor& logits, int count,
                                                  ScoreFunction function = ScoreFunction::softmax);

}  // namespace octavo

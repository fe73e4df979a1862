// How close a quantized model is to float32: the cosine between what both answer.
#pragma once

#include "octavo/engine.h"

#include <cstdint>
#include <variant>
#include <vector>

namespace octavo {

/// Mean and lowest cosine over the rows of pairs of matrices.
class Closeness {
 public:
  /// Adds row i of `a` against row i of `b`: f32, of the same shape, else an Error.
  void add(const Tensor& a, const Tensor& b);

  std::int64_t count() const { return count_; }
  double mean() const { return count_ == 0 ? 1.0 : sum_ / static_cast<double>(count_); }
  double lowest() const { return lowest_; }

 private:
  std::int64_t count_ = 0;
  double sum_ = 0;
  double lowest_ = 1;
};

/// Tells whether answer() gives logits, which it does of decoders and of models that tell classes of images apart. Of
/// other models it gives embeddings, also where they have a head for texts or of one class: logits of one or two
/// classes point one way or the other, so that their cosine says little.
bool answers_logits(const ModelInfo& info);

/// Gives what a model says of a batch, f32 with a row for each sample: logits, of a decoder those after the last
/// tokens, or embeddings. Throws Error as Engine::logits and embed() do.
Tensor answer(const Engine& engine, const TokenBatch& batch, Workspace& workspace);
/// The same of pictures.
Tensor answer(const Engine& engine, const ImageBatch& batch, Workspace& workspace);

/// What a float32 model answers to some samples, to compare quantized ones with.
class Comparison {
 public:
  /// Keeps a batch with the reference's answer. Throws Error as Engine::run does.
  void add(const Engine& reference, const TokenBatch& batch, Workspace& workspace);
  void add(const Engine& reference, const ImageBatch& batch, Workspace& workspace);

  /// Of what the engine says to what the reference said.
  Closeness closeness(const Engine& engine, Workspace& workspace) const;

 private:
  std::vector<std::variant<TokenBatch, ImageBatch>> batches_;
  std::vector<Tensor> expected_;
};

}  // namespace octavo

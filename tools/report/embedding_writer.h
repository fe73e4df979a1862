// The forms in which embeddings are written.
#pragma once

#include "cli/output.h"

#include "octavo/engine.h"

#include <memory>
#include <string>
#include <vector>

namespace octavo::tools {

/// One vector per input, or one per token.
enum class Rows { per_input, per_token };

/// Receives batches in the order of the inputs: the tokens of each input, and the vectors [inputs or tokens,
/// columns], f32 or what quantize_embeddings() makes of them.
class EmbeddingWriter {
 public:
  virtual ~EmbeddingWriter() = default;
  virtual void write(const std::vector<std::size_t>& tokens, const Tensor& vectors) = 0;

  /// After the last batch; does not commit the output.
  virtual void finish() {}
};

/// A line of numbers per vector; with Rows::per_token a blank line between inputs.
std::unique_ptr<EmbeddingWriter> text_writer(Output& output, Rows rows);

/// {"index":0,"tokens":9,"embedding":[...]} per input, with `key` in place of "embedding"; with Rows::per_token it is a
/// list of vectors.
std::unique_ptr<EmbeddingWriter> json_writer(Output& output, Rows rows, const std::string& key = "embedding");

/// A .npy matrix of all vectors, which are of this type.
std::unique_ptr<EmbeddingWriter> npy_writer(Output& output, std::int64_t columns, DType dtype = DType::f32);

enum class MatrixFormat { text, json, npy };

struct SimilarityForm {
  std::int64_t columns = 0;  ///< of an embedding
  Similarity kind = Similarity::cosine;
  MatrixFormat format = MatrixFormat::text;
};

/// How close every input is to every other one, written at the end. Keeps all vectors.
std::unique_ptr<EmbeddingWriter> similarity_writer(Output& output, const SimilarityForm& form);

}  // namespace octavo::tools

// Texts to embeddings, with everything that this takes in one object.
#pragma once

#include "octavo/session.h"
#include "octavo/tasks.h"
#include "octavo/text_preprocessor.h"

#include <filesystem>
#include <string>
#include <vector>

namespace octavo {

/// A model of texts with its tokenizer, prompts and threads. Like a Session: one call at a time, and a copy for each
/// concurrent caller.
class TextEncoder {
 public:
  /// Opens a .octavo file or a checkpoint directory. Throws Error as Session does, and when the model takes images or
  /// has no tokenizer.
  explicit TextEncoder(const std::filesystem::path& model, const SessionOptions& options = {});

  /// Takes a model that is open already. Throws Error when it takes images or has no tokenizer.
  explicit TextEncoder(Model model, const SessionOptions& options = {});

  /// Embeds each text: f32 [texts, numbers of an embedding], in the order of the texts. What comes of a text does not
  /// depend on the others. `texts_as` says how texts are read, `options` what becomes of their vectors; by default both
  /// are as the checkpoint says. A text that is longer than the limit is cut. Throws Error as TextPreprocessor and
  /// embed() do.
  Tensor encode(const std::vector<std::string>& texts, const TextOptions& texts_as = {},
                const EmbedOptions& options = {});

  /// Makes each text's sparse embedding, in the order of the texts. Throws Error as TextPreprocessor and embed_sparse()
  /// do.
  std::vector<std::vector<SparseValue>> encode_sparse(const std::vector<std::string>& texts,
                                                      const TextOptions& texts_as = {},
                                                      const std::optional<SparseInfo>& as = {});

  /// Compares each row of `a` with each row of `b` the way the checkpoint says (EmbeddingInfo::similarity; more is
  /// closer): f32 [rows of a, rows of b]. Throws Error when the rows have not equally many numbers.
  Tensor similarity(const Tensor& a, const Tensor& b) const;

  /// Gives the model, with its facts, labels and warnings.
  const Model& model() const { return session_.model(); }

 private:
  Session session_;
};

}  // namespace octavo

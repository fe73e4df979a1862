// A sentence-transformers directory: what follows the transformer, what stands before a text, and how long one may be.
#pragma once

#include "graph/model_data.h"

#include "octavo/model.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace octavo {

/// What such a directory has beside the transformer's own files.
struct SentenceTransformer {
  std::string transformer = {};  ///< the transformer's folder within the directory; "": the directory itself
  EmbeddingInfo embedding = {};
  std::vector<EmbeddingModule> modules = {};
  TensorMap tensors = {};                  ///< of the modules, in f32
  std::optional<int> token_columns = {};   ///< of a token's vector, as the pooling file says
  std::optional<int> max_seq_length = {};  ///< tokens
  bool do_lower_case = false;              ///< texts are lower-cased before anything else
  std::vector<std::string> warnings = {};
};

/// Reads modules.json and the folders that it names (without it 1_Pooling, if there is one),
/// config_sentence_transformers.json and sentence_bert_config.json; all may be missing. Throws Error naming the file
/// and the key or tensor for a module that octavo does not have and for a value that it does not honour.
SentenceTransformer read_sentence_transformer(const std::filesystem::path& directory);

/// Makes it a part of a model of texts that has its tokenizer. Throws Error when the sizes of the two do not fit.
void add_sentence_transformer(SentenceTransformer sentence, const std::filesystem::path& directory, Model::Data& data);

/// config_sentence_transformers.json: prompts, similarity, truncation. False when the directory's modules are not those
/// of an embedding, so that they are left alone.
bool read_sentence_config(const std::filesystem::path& directory, SentenceTransformer& sentence);

/// sentence_bert_config.json, or one of its older names, in the transformer's folder. `embeds`: what
/// read_sentence_config() gave.
void read_transformer_config(const std::filesystem::path& folder, bool embeds, SentenceTransformer& sentence);

/// Tokens that a text is cut to: max_seq_length, else the smaller of tokenizer_config.json's model_max_length and the
/// positions that the model has.
int read_max_length(const std::filesystem::path& folder, int positions, SentenceTransformer& sentence);

/// The same tokenizer with a normalizer that begins by lower-casing the text.
Tokenizer lower_cased(const Tokenizer& tokenizer);

}  // namespace octavo

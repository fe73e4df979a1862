// BERT's embeddings and layers, under the names of tensors and of config.json that RoBERTa and ELECTRA share with it.
#pragma once

#include "models/parts/attention_method.h"
#include "models/parts/modules.h"
#include "models/parts/transformer.h"

#include <string>

namespace octavo {

struct BertConfig {
  int layers = 12, hidden_size = 768, heads = 12, intermediate_size = 3072;
  int vocab_size = 30522, max_positions = 512, type_vocab_size = 2;
  double epsilon = 1e-12;
  Activation activation = Activation::gelu;
  bool tied_words = true;
  std::string architecture =
      {};  ///< of the class that saved it: "BertForSequenceClassification"; "" when it does not say
};

/// Reads config.json, with `missing` for the keys that it lacks. Throws Error for what no encoder of this kind has.
BertConfig read_bert_config(const JsonObject& config, const BertConfig& missing);

/// Names of the tensors of embeddings; no type: "".
struct EmbeddingTables {
  std::string word, position, type;
};

/// Appends what a BERT begins with. Throws Error as CheckpointTensors does.
class BertBody {
 public:
  BertBody(const BertConfig& config, const AttentionMethod& method, CheckpointTensors& tensors, Modules& modules);

  /// Word, position and type tables as BERT has them, `size` columns wide.
  EmbeddingTables tables(int size);

  /// The sum of these tables' rows, and its LayerNorm, one of `of_size`.
  static ValueId embeddings(GraphBuilder& g, const EmbeddingTables& tables, Modules& of_size);

  /// All layers, from the stream's first value to its last.
  ValueId layers(GraphBuilder& g, ValueId x);

 private:
  const BertConfig& config_;
  const AttentionMethod& method_;
  CheckpointTensors& tensors_;
  Modules& modules_;
};

/// Facts that config.json says.
ModelInfo bert_info(const BertConfig& config, const std::string& family);

}  // namespace octavo

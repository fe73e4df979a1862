// BERT's layer with gated feed-forward networks, under names of a family's own. Positions are not added to words: they
// turn queries and keys, or lower the scores of distant keys.
#pragma once

#include "models/families.h"
#include "models/parts/rotary.h"
#include "models/parts/transformer.h"

#include <optional>
#include <string>

namespace octavo {

/// Sizes and settings of config.json.
struct GluBertConfig {
  int layers, vocab_size, max_positions, type_vocab_size;
  double epsilon;
  std::optional<RotaryAngles> angles;  // of rotary positions; none: ALiBi
  LayerConfig layer;
  Activation head_activation;
  bool tied_words;
  std::string architecture;
};

/// The modules of a family; a layer's names follow its prefix.
struct GluBertNames {
  std::string family, prefix;
  std::string norm;       ///< of the embeddings
  std::string layers;     ///< layer i is `layers`i.
  std::string head_norm;  ///< of the masked language model's transform
  LayerNames layer;
};

/// Reads a checkpoint with its heads, BERT's or RoBERTa's vocabulary.
Model::Data read_glu_bert(const GluBertConfig& config, const GluBertNames& names, Checkpoint checkpoint);

}  // namespace octavo

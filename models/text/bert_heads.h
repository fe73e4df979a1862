// The heads of BERT, which other encoders have too.
#pragma once

#include "models/parts/heads.h"
#include "models/parts/modules.h"

#include <string>

namespace octavo {

struct BertHeads {
  std::string architecture;  ///< of config.json, or ""
  Activation activation = Activation::gelu;
  int vocab_size = 0;
  std::string norm = "LayerNorm";  ///< of the masked language model's transform
};

/// Appends every head whose tensors the checkpoint holds.
void add_bert_heads(GraphBuilder& g, Heads& heads, Modules& modules, const BertHeads& settings);

}  // namespace octavo

// What RoBERTa's encoders have in common with MPNet's: where positions begin, and the heads.
#pragma once

#include "models/parts/heads.h"

#include <string>

namespace octavo {

struct RobertaHeads {
  int vocab_size = 0;
  std::string architecture;  ///< of the class that saved the checkpoint
};

/// Appends every head whose tensors the checkpoint holds: pooler, classes of the first token (classifier.dense, tanh,
/// classifier.out_proj), of each token or of choices (classifier), qa_outputs, lm_head. Throws Error as
/// CheckpointTensors does.
void add_roberta_heads(GraphBuilder& g, Heads& heads, Modules& modules, const RobertaHeads& settings);

/// A table of positions whose first rows nobody reads.
struct RobertaPositions {
  int rows = 0, columns = 0;
  int padding_token = 1;  ///< its row is the padding token's; those of tokens follow
  std::string type = {};  ///< f32 [1, columns] that every token adds, "" for none
};

/// Takes the rows that can be in use, the padding token's first, and adds the type to them. Gives the name of the
/// tensor that they make. Throws Error when none is left for tokens.
std::string take_positions(CheckpointTensors& tensors, const RobertaPositions& positions);

}  // namespace octavo

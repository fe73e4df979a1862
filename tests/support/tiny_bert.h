// A small random BERT checkpoint, written to a temporary directory: what tests break, convert and run quickly.
#pragma once

#include "tests/support/tiny_checkpoint.h"

#include "octavo/calibration.h"
#include "octavo/engine.h"

#include <cmath>
#include <random>
#include <string>

namespace octavo::test {

struct TinyBertOptions {
  int layers = 2, hidden_size = 48, heads = 3, head_size = 20, intermediate_size = 80, vocab_size = 50, types = 2,
      positions = 80;
  bool gate = true, pooler = false;
  double gamma = 0.0, zeta = 1.0;
  bool softmax1 = false, sink = false;
  std::string prefix = "";
  std::string activation = "gelu";
  std::string gate_type = "conditional_per_token", gate_kind = "linear", gate_activation = "sigmoid";
  int gate_hidden = 5;  ///< units of an mlp gate
  CheckpointOptions checkpoint = {};
};

struct TinyBert : TinyCheckpoint {
  explicit TinyBert(const TinyBertOptions& options = {});

  /// The tensors of one layer's gate.
  void gate(const TinyBertOptions& o, const std::string& alpha);

  void dense(const std::string& name, std::int64_t columns, std::int64_t inputs);
};

Model tiny_model(const TinyBertOptions& options = {});

/// `count` random sequences of 1 .. `longest` tokens.
TokenBatch random_batch(int count, int longest, int vocab_size, unsigned seed = 7);

Model quantized_tiny_model(const TinyBertOptions& options = {}, const CalibrationOptions& calibration = {});

}  // namespace octavo::test

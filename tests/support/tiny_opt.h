// A small random OPT checkpoint in every variant of the family.
#pragma once

#include "tests/support/tiny_bert.h"

#include <string>
#include <vector>

namespace octavo::test {

struct TinyOptOptions {
  int layers = 2, hidden_size = 48, heads = 3, intermediate_size = 80, vocab_size = 70, word_size = 48, positions = 40;
  bool norm_before = true, remove_final_norm = false, tied = true, bias = true, norm_weights = true, gate = true,
       sink = false;
  std::string gate_type = "conditional_per_token";
  double gamma = 0.0;
  std::string activation = "relu", prefix = "model.";
};

struct TinyOpt : TinyCheckpoint {
  explicit TinyOpt(const TinyOptOptions& options = {});

 private:
  void layer(const std::string& layer);
  void dense(const std::string& name, std::int64_t columns, std::int64_t inputs);
  void affine(const std::string& name);

  const TinyOptOptions o;
};

/// Every way in which checkpoints of the family differ.
std::vector<TinyOptOptions> opt_variants();

Model quantized_tiny_opt(const TinyOptOptions& options = {}, const CalibrationOptions& calibration = {});

}  // namespace octavo::test

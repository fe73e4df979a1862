// Makes small random BERT checkpoints.
#include "tests/support/tiny_bert.h"

#include <algorithm>
#include <random>
#include <utility>

namespace octavo::test {

TinyBert::TinyBert(const TinyBertOptions& o) : TinyCheckpoint(1) {
  config = {{"model_type", "bert"},
            {"hidden_size", o.hidden_size},
            {"num_hidden_layers", o.layers},
            {"num_attention_heads", o.heads},
            {"intermediate_size", o.intermediate_size},
            {"vocab_size", o.vocab_size},
            {"type_vocab_size", o.types},
            {"max_position_embeddings", o.positions},
            {"layer_norm_eps", 1e-12},
            {"hidden_act", o.activation},
            {"attention_method",
             {{"softmax", {{"gamma", o.gamma}, {"zeta", o.zeta}, {"softmax1", o.softmax1}, {"sink", o.sink}}}}}};
  const bool unconditional = o.gate_type == "unconditional_per_head";
  if (o.gate)
    config["attention_method"]["gate"] = {{"type", o.gate_type},
                                          {"kind", o.gate_kind},
                                          {"activation", o.gate_activation},
                                          {"scale", unconditional                     ? 1.0
                                                    : o.gate_activation == "softplus" ? 0.7
                                                                                      : 2.0}};
  const std::int64_t d = o.hidden_size, width = o.heads * o.head_size, f = o.intermediate_size;
  add(o.prefix + "embeddings.word_embeddings.weight", {o.vocab_size, d}, 0.5f);
  add(o.prefix + "embeddings.position_embeddings.weight", {o.positions, d}, 0.2f);
  if (o.types > 0) add(o.prefix + "embeddings.token_type_embeddings.weight", {o.types, d}, 0.2f);
  norm(o.prefix + "embeddings.LayerNorm", d);
  for (int i = 0; i < o.layers; ++i) {
    const std::string layer = o.prefix + "encoder.layer." + std::to_string(i) + ".", self = layer + "attention.self.";
    dense(self + "query", width * (o.gate_kind == "query" ? 2 : 1), d);
    for (const char* part : {"key", "value"}) dense(self + part, width, d);
    if (o.gate) gate(o, self + "alpha");
    if (o.sink) add(self + "sink", {o.heads}, 1.5f);
    dense(layer + "attention.output.dense", d, width);
    norm(layer + "attention.output.LayerNorm", d);
    dense(layer + "intermediate.dense", f, d);
    dense(layer + "output.dense", d, f);
    norm(layer + "output.LayerNorm", d);
  }
  if (o.pooler) dense(o.prefix + "pooler.dense", d, d);
}

void TinyBert::gate(const TinyBertOptions& o, const std::string& alpha) {
  const std::int64_t d = o.hidden_size, slice = d / o.heads;
  if (o.gate_type == "unconditional_per_head") return add(alpha, {o.heads}, 1.5f);
  if (o.gate_kind == "query") return;
  if (o.gate_kind == "all_heads") return dense(alpha, o.heads, d);
  if (o.gate_kind == "dense") return dense(alpha, o.heads * o.head_size, d);
  for (int h = 0; h < o.heads; ++h) {
    const std::string own = alpha + "." + std::to_string(h);
    if (o.gate_kind == "mlp") {
      dense(own + ".0", o.gate_hidden, slice);
      dense(own + ".2", 1, o.gate_hidden);
    } else {
      add(own + ".weight", {1, slice}, 1.0f);
      add(own + ".bias", {1}, 1.0f);
    }
  }
}

void TinyBert::dense(const std::string& name, std::int64_t columns, std::int64_t inputs) {
  matrix(name, columns, inputs, 1.5f);
  add(name + ".bias", {columns}, 0.2f);
}

Model tiny_model(const TinyBertOptions& options) { return TinyBert(options).model(options.checkpoint); }

TokenBatch random_batch(int count, int longest, int vocab_size, unsigned seed) {
  std::mt19937 random(seed);
  TokenBatch batch;
  for (int i = 0; i < count; ++i) {
    Tokens tokens;
    const int length = 1 + static_cast<int>(random() % static_cast<unsigned>(longest));
    for (int t = 0; t < length; ++t)
      tokens.ids.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(vocab_size)));
    batch.sequences.push_back(std::move(tokens));
  }
  return batch;
}

Model quantized_tiny_model(const TinyBertOptions& options, const CalibrationOptions& calibration) {
  Calibrator calibrator(tiny_model(options), calibration);
  Workspace workspace({.threads = 1});
  for (unsigned seed = 1; seed <= 4; ++seed) {
    calibrator.observe(random_batch(16, std::min(40, options.positions), options.vocab_size, seed), workspace);
  }
  return calibrator.quantize().model;
}

}  // namespace octavo::test

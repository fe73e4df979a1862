// Makes small random OPT checkpoints.
#include "tests/support/tiny_opt.h"

namespace octavo::test {

TinyOpt::TinyOpt(const TinyOptOptions& options) : TinyCheckpoint(11), o(options) {
  config = {{"model_type", "opt"},
            {"hidden_size", o.hidden_size},
            {"num_hidden_layers", o.layers},
            {"num_attention_heads", o.heads},
            {"ffn_dim", o.intermediate_size},
            {"vocab_size", o.vocab_size},
            {"word_embed_proj_dim", o.word_size},
            {"max_position_embeddings", o.positions},
            {"activation_function", o.activation},
            {"do_layer_norm_before", o.norm_before},
            {"_remove_final_layer_norm", o.remove_final_norm},
            {"tie_word_embeddings", o.tied},
            {"enable_bias", o.bias},
            {"layer_norm_elementwise_affine", o.norm_weights},
            {"attention_method", {{"softmax", {{"gamma", o.gamma}, {"zeta", 1.0}, {"sink", o.sink}}}}}};
  if (o.gate)
    config["attention_method"]["gate"] = {{"type", o.gate_type},
                                          {"kind", o.gate_type == "conditional_per_element" ? "dense" : "linear"},
                                          {"scale", o.gate_type == "unconditional_per_head" ? 1.0 : 1.5}};
  const std::string decoder = o.prefix + "decoder.";
  const std::int64_t d = o.hidden_size;
  add(decoder + "embed_tokens.weight", {o.vocab_size, o.word_size}, 0.5f);
  add(decoder + "embed_positions.weight", {o.positions + 2, d}, 0.3f);
  if (o.word_size != o.hidden_size) {
    matrix(decoder + "project_in", d, o.word_size, 1.0f);
    matrix(decoder + "project_out", o.word_size, d, 1.0f);
  }
  for (int i = 0; i < o.layers; ++i) layer(decoder + "layers." + std::to_string(i) + ".");
  if (o.norm_before && !o.remove_final_norm) affine(decoder + "final_layer_norm");
  if (!o.tied) matrix("lm_head", o.vocab_size, o.word_size, 1.0f);
}

void TinyOpt::layer(const std::string& layer) {
  const std::int64_t d = o.hidden_size;
  for (const char* part : {"q_proj", "k_proj", "v_proj", "out_proj"}) dense(layer + "self_attn." + part, d, d);
  const std::string alpha = layer + "self_attn.alpha";
  if (o.gate && o.gate_type == "unconditional_per_head") add(alpha, {o.heads}, 1.0f);
  const bool elements = o.gate && o.gate_type == "conditional_per_element";
  if (elements) dense(alpha, d, d);
  if (o.sink) add(layer + "self_attn.sink", {o.heads}, 1.5f);
  for (int h = 0; o.gate && !elements && o.gate_type != "unconditional_per_head" && h < o.heads; ++h) {
    add(alpha + "." + std::to_string(h) + ".weight", {1, d / o.heads}, 0.5f);
    add(alpha + "." + std::to_string(h) + ".bias", {1}, 0.5f);
  }
  affine(layer + "self_attn_layer_norm");
  dense(layer + "fc1", o.intermediate_size, d);
  dense(layer + "fc2", d, o.intermediate_size);
  affine(layer + "final_layer_norm");
}

void TinyOpt::dense(const std::string& name, std::int64_t columns, std::int64_t inputs) {
  matrix(name, columns, inputs, 1.0f);
  if (o.bias) add(name + ".bias", {columns}, 0.2f);
}

void TinyOpt::affine(const std::string& name) {
  if (o.norm_weights) norm(name, o.hidden_size);
}

std::vector<TinyOptOptions> opt_variants() {
  return {{},
          {.gate = false},
          {.norm_before = false, .gate = false},
          {.word_size = 20, .norm_before = false},
          {.word_size = 20},
          {.remove_final_norm = true},
          {.word_size = 20, .remove_final_norm = true, .gamma = -0.02},
          {.tied = false, .bias = false, .norm_weights = false},
          {.gate_type = "unconditional_per_head", .activation = "gelu", .prefix = ""},
          {.sink = true, .gate_type = "conditional_per_element"}};
}

Model quantized_tiny_opt(const TinyOptOptions& options, const CalibrationOptions& calibration) {
  Calibrator calibrator(TinyOpt(options).model(), calibration);
  Workspace workspace({.threads = 1});
  for (unsigned seed = 1; seed <= 4; ++seed)
    calibrator.observe(random_batch(16, options.positions, options.vocab_size, seed), workspace);
  return calibrator.quantize().model;
}

}  // namespace octavo::test

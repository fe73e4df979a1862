// OPT: decoder of text, pre- or post-LayerNorm. Reads like modeling_opt.py, one line per fused op.
#include "models/directory/generation_config.h"
#include "models/families.h"
#include "models/parts/attention_method.h"
#include "models/parts/checkpoint.h"
#include "models/parts/config_keys.h"
#include "models/parts/transformer.h"

namespace octavo {
namespace {

constexpr int kPositionOffset = 2;  // rows of the position table that no token uses
constexpr double kEpsilon = 1e-5;   // of every LayerNorm: torch.nn.LayerNorm's own

struct OptConfig {
  int layers, hidden_size, heads, intermediate_size, vocab_size, word_size, max_positions;
  Activation activation;
  bool norm_before;   ///< pre-LayerNorm; OPT-350m normalises after each sum instead
  bool final_norm;    ///< a LayerNorm after the last layer
  bool norm_weights;  ///< LayerNorms have gains and biases
  bool bias;          ///< linear layers have biases
  bool tied;          ///< the head's weights are the embeddings
};

/// Where a key is missing, as OPTConfig of transformers 5 has it.
OptConfig read_config(const JsonObject& config) {
  refuse_unsupported_keys(config);
  const int hidden = config.integer_or("hidden_size", 1, 8192, 768);
  const int heads = config.integer_or("num_attention_heads", 1, 1024, 12);
  const bool norm_before = config.flag_or("do_layer_norm_before", true);
  const int vocabulary = config.integer_or("vocab_size", 1, 1 << 24, 50272);
  return {.layers = config.integer_or("num_hidden_layers", 1, 1000, 12),
          .hidden_size = hidden,
          .heads = heads,
          .intermediate_size = config.integer_or("ffn_dim", 1, kMaxColumns, 3072),
          .vocab_size = vocabulary,
          .word_size = config.integer_or("word_embed_proj_dim", 1, 8192, hidden),
          .max_positions = config.integer_or("max_position_embeddings", 1, 65536, 2048),
          .activation = read_activation(config, "activation_function", Activation::relu),
          .norm_before = norm_before,
          .final_norm = norm_before && !config.flag_or("_remove_final_layer_norm", false),
          .norm_weights = config.flag_or("layer_norm_elementwise_affine", true),
          .bias = config.flag_or("enable_bias", true),
          .tied = config.flag_or("tie_word_embeddings", true)};
}

/// The tensors of one checkpoint, taken module by module.
class Opt {
 public:
  Opt(const OptConfig& config, const AttentionMethod& method, CheckpointTensors& tensors)
      : config_(config),
        method_(method),
        tensors_(tensors),
        modules_(tensors, {.hidden_size = config.hidden_size,
                           .epsilon = kEpsilon,
                           .biases = config.bias ? Biases::all : Biases::none,
                           .norm_weights = config.norm_weights}) {}

  Graph graph() {
    GraphBuilder g;
    ValueId x = embeddings(g);
    for (int i = 0; i < config_.layers; ++i) x = layer(g, x, "decoder.layers." + std::to_string(i) + ".");
    if (config_.final_norm) x = g.layer_norm("decoder.final_layer_norm", x, modules_.norm("decoder.final_layer_norm"));
    g.output(kHiddenState, x);
    head(g, x);
    return g.finish();
  }

 private:
  bool projects() const { return config_.word_size != config_.hidden_size; }

  ValueId embeddings(GraphBuilder& g) {
    const int size = config_.hidden_size;
    const std::string positions = "decoder.embed_positions.weight";
    return g.embed_tokens(
        "decoder.embeddings", size,
        {.word = tensors_.take("decoder.embed_tokens.weight", {config_.vocab_size, config_.word_size}),
         .position = tensors_.take_rows(positions, {config_.max_positions + kPositionOffset, size}, kPositionOffset,
                                        config_.max_positions, "decoder.embed_positions.used.weight"),
         .type = "",
         .projection = projects() ? tensors_.take("decoder.project_in.weight", {size, config_.word_size}) : ""});
  }

  ValueId layer(GraphBuilder& g, ValueId x, const std::string& layer) {
    const std::string self = layer + "self_attn";
    const LayerNames names{.query = self + ".q_proj",
                           .key = self + ".k_proj",
                           .value = self + ".v_proj",
                           .attention = self,
                           .attention_output = self + ".out_proj",
                           .attention_norm = layer + "self_attn_layer_norm",
                           .hidden = layer + "fc1",
                           .output = layer + "fc2",
                           .output_norm = layer + "final_layer_norm"};
    const LayerConfig config{.hidden_size = config_.hidden_size,
                             .heads = config_.heads,
                             .head_size = head_size_of(tensors_, self + ".q_proj.weight", config_.heads, method_),
                             .intermediate_size = config_.intermediate_size,
                             .activation = config_.activation,
                             .mask = AttentionMask::causal,
                             .norm_before = config_.norm_before};
    return transformer_layer(g, x, names, config, modules_, method_);
  }

  /// Logits of the tokens that are asked for, over the vocabulary.
  void head(GraphBuilder& g, ValueId x) {
    x = g.select_rows("lm_head.rows", x, {.selection = Selection::chosen});
    if (projects()) {
      const std::string name = "decoder.project_out";
      x = g.linear(name, x,
                   {.weights = {.name = name,
                                .weight = tensors_.take(name + ".weight", {config_.word_size, config_.hidden_size}),
                                .bias = "",
                                .columns = config_.word_size},
                    .reads = Form::s16,
                    .makes = Form::s16});
    }
    const std::string weight = config_.tied ? "decoder.embed_tokens.weight" : "lm_head.weight";
    x = g.linear("lm_head", x,
                 {.weights = {.name = "lm_head",
                              .weight = tensors_.take(weight, {config_.vocab_size, config_.word_size}),
                              .bias = "",
                              .columns = config_.vocab_size},
                  .reads = Form::s16,
                  .makes = Form::s32});
    g.output(kLogits, x);
  }

  const OptConfig& config_;
  const AttentionMethod& method_;
  CheckpointTensors& tensors_;
  Modules modules_;
};

Model::Data read(Checkpoint checkpoint) {
  const JsonObject& config = checkpoint.config;
  const OptConfig opt = read_config(config);
  const AttentionMethod method = read_attention_method(config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), "model.");
  const DecoderInfo decoder = read_end_tokens(config, opt.vocab_size, {});
  Model::Data data;
  data.graph = Opt(opt, method, tensors).graph();
  data.tensors =
      std::move(tensors).finish(opt.tied ? std::vector<std::string_view>{"lm_head."} : std::vector<std::string_view>{});
  data.info = {.family = "opt",
               .layers = opt.layers,
               .hidden_size = opt.hidden_size,
               .attention_heads = opt.heads,
               .intermediate_size = opt.intermediate_size,
               .vocab_size = opt.vocab_size,
               .max_positions = opt.max_positions,
               .softmax = {},
               .decoder = decoder};
  describe_method(data.graph, method, data.info);
  warn_of_unread_keys(config, {}, data.warnings);
  return data;
}

}  // namespace

const Family kOpt = {.model_types = "opt",
                     .reads = [](const JsonObject& config) { return model_type(config) == "opt"; },
                     .read = read,
                     .layers_key = "num_hidden_layers"};

}  // namespace octavo

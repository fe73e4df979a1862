// MPNet: BERT's layer under names of its own, with a bias of the scores by the distance of tokens, and RoBERTa's heads.
#include "models/families.h"
#include "models/parts/attention_method.h"
#include "models/parts/checkpoint.h"
#include "models/parts/config_keys.h"
#include "models/parts/transformer.h"
#include "models/text/roberta_heads.h"

#include <cmath>
#include <cstdlib>

namespace octavo {
namespace {

constexpr int kPaddingToken = 1;   // modeling_mpnet.py writes it down
constexpr int kBuckets = 32;       // so do the buckets, whatever the table's rows
constexpr int kMaxDistance = 128;  // of the formula of buckets
constexpr int kReach = 91;         // from which on all distances are in the last bucket

struct MpnetConfig {
  int layers, vocab_size, max_positions, buckets;
  double epsilon;
  LayerConfig layer;
  bool tied_words;
  std::string architecture;
};

/// Where a key is missing, as MPNetConfig of transformers 5 has it.
MpnetConfig read_config(const JsonObject& config) {
  refuse_unsupported_keys(config);
  const int size = config.integer_or("hidden_size", 1, 8192, 768),
            heads = config.integer_or("num_attention_heads", 1, 1024, 12);
  return {.layers = config.integer_or("num_hidden_layers", 1, 1000, 12),
          .vocab_size = config.integer_or("vocab_size", 1, 1 << 24, 30527),
          .max_positions = config.integer_or("max_position_embeddings", 1, 65536, 512),
          .buckets = config.integer_or("relative_attention_num_buckets", kBuckets, 1 << 16, kBuckets),
          .epsilon = config.number_or("layer_norm_eps", 0.0, 1.0, 1e-12),
          .layer = {.hidden_size = size,
                    .heads = heads,
                    .head_size = read_head_size(config, "num_attention_heads", size, heads),
                    .intermediate_size = config.integer_or("intermediate_size", 1, kMaxColumns, 3072),
                    .activation = read_activation(config, "hidden_act", Activation::gelu)},
          .tied_words = config.flag_or("tie_word_embeddings", true),
          .architecture = architecture(config)};
}

/// The row of the table for a key so far behind its query, as modeling_mpnet.py computes it: in float32.
int bucket_of(int distance) {
  constexpr int kHalf = kBuckets / 2, kExact = kHalf / 2;
  const int away = std::abs(distance), side = distance > 0 ? kHalf : 0;
  if (away < kExact) return side + away;
  const float share = std::log(static_cast<float>(away) / kExact) /
                      static_cast<float>(std::log(static_cast<double>(kMaxDistance) / kExact));
  return side + std::min(kExact + static_cast<int>(share * (kHalf - kExact)), kHalf - 1);
}

class Mpnet {
 public:
  Mpnet(const MpnetConfig& config, const AttentionMethod& method, CheckpointTensors& tensors)
      : config_(config),
        size_(config.layer.hidden_size),
        method_(method),
        tensors_(tensors),
        modules_(tensors, {.hidden_size = size_, .epsilon = config.epsilon, .tied_words = config.tied_words}) {}

  Graph graph() {
    GraphBuilder g;
    ValueId x = g.embed_tokens(
        "embeddings", size_,
        {.word = tensors_.take("embeddings.word_embeddings.weight", {config_.vocab_size, size_}),
         .position = take_positions(tensors_,
                                    {.rows = config_.max_positions, .columns = size_, .padding_token = kPaddingToken}),
         .type = ""});
    x = g.layer_norm("embeddings.LayerNorm", x, modules_.norm("embeddings.LayerNorm"));
    LayerConfig layer = config_.layer;
    layer.bias = ScoreBias{.table = bias_by_distance(), .reach = kReach};
    for (int i = 0; i < config_.layers; ++i) x = transformer_layer(g, x, names(i), layer, modules_, method_);
    g.output(kHiddenState, x);
    Heads heads(g, x, modules_);
    add_roberta_heads(g, heads, modules_, {.vocab_size = config_.vocab_size, .architecture = config_.architecture});
    classes_ = heads.count();
    return g.finish();
  }

  int classes() const { return classes_; }

 private:
  static LayerNames names(int layer) {
    const std::string own = "encoder.layer." + std::to_string(layer) + ".", attention = own + "attention.attn";
    return {.query = attention + ".q",
            .key = attention + ".k",
            .value = attention + ".v",
            .attention = attention,
            .attention_output = attention + ".o",
            .attention_norm = own + "attention.LayerNorm",
            .hidden = own + "intermediate.dense",
            .output = own + "output.dense",
            .output_norm = own + "output.LayerNorm"};
  }

  /// [heads, distances] from the checkpoint's [buckets, heads].
  std::string bias_by_distance() {
    const int heads = config_.layer.heads, distances = 2 * kReach + 1;
    const std::string weight = "encoder.relative_attention_bias.weight";
    const Tensor table = tensors_.floats(tensors_.take(weight, {config_.buckets, heads}));
    Tensor result(DType::f32, {heads, distances});
    const std::span<float> values = result.writable<float>();
    for (int head = 0; head < heads; ++head) {
      for (int i = 0; i < distances; ++i) {
        values[static_cast<std::size_t>(head * distances + i)] =
            table.as<float>()[static_cast<std::size_t>(bucket_of(i - kReach) * heads + head)];
      }
    }
    return tensors_.replace({weight}, "encoder.relative_attention_bias.by_distance", std::move(result));
  }

  const MpnetConfig& config_;
  const int size_;
  const AttentionMethod& method_;
  CheckpointTensors& tensors_;
  Modules modules_;
  int classes_ = 0;
};

Model::Data read(Checkpoint checkpoint) {
  const MpnetConfig config = read_config(checkpoint.config);
  const AttentionMethod method = read_attention_method(checkpoint.config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), "mpnet.");
  Model::Data data;
  Mpnet reader(config, method, tensors);
  data.graph = reader.graph();
  tensors.warn_of_unused({"lm_head.", "classifier."}, data.warnings);
  data.tensors = std::move(tensors).finish({"embeddings.position_ids", "lm_head.", "classifier."});
  data.info = {.family = "mpnet",
               .layers = config.layers,
               .hidden_size = config.layer.hidden_size,
               .attention_heads = config.layer.heads,
               .intermediate_size = config.layer.intermediate_size,
               .vocab_size = config.vocab_size,
               .max_positions = config.max_positions - kPaddingToken - 1,
               .padding_token = kPaddingToken,
               .softmax = {},
               .classes = reader.classes()};
  describe_method(data.graph, method, data.info);
  warn_of_unread_keys(checkpoint.config, {"bos_token_id", "eos_token_id"}, data.warnings);
  return data;
}

}  // namespace

const Family kMpnet = {.model_types = "mpnet",
                       .reads = [](const JsonObject& config) { return model_type(config) == "mpnet"; },
                       .read = read,
                       .layers_key = "num_hidden_layers"};

}  // namespace octavo

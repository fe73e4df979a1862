// BERT: post-LayerNorm encoder. Reads like modeling_bert.py, one line per fused op.
#include "models/attention_method.h"
#include "models/config_keys.h"
#include "models/families.h"

#include "octavo/error.h"

namespace octavo {
namespace {

struct BertConfig {
  int layers, hidden_size, heads, intermediate_size, vocab_size, max_positions, type_vocab_size;
  double epsilon;
  Activation activation;
};

Activation activation(const JsonObject& config) {
  const std::string name = config.text_or("hidden_act", "gelu");
  if (name == "gelu" || name == "gelu_python") return Activation::gelu;
  if (name == "relu") return Activation::relu;
  config.fail("hidden_act", "gelu or relu");
}

/// Where a key is missing, as BertConfig of transformers 5 has it.
BertConfig read_config(const JsonObject& config) {
  refuse_unsupported_keys(config);
  if (config.text_or("position_embedding_type", "absolute") != "absolute") {
    config.fail("position_embedding_type", "absolute");
  }
  if (config.flag_or("is_decoder", false)) config.fail("is_decoder", "false");
  return {.layers = config.integer_or("num_hidden_layers", 1, 1000, 12),
          .hidden_size = config.integer_or("hidden_size", 1, 8192, 768),
          .heads = config.integer_or("num_attention_heads", 1, 1024, 12),
          .intermediate_size = config.integer_or("intermediate_size", 1, 32768, 3072),
          .vocab_size = config.integer_or("vocab_size", 1, 1 << 24, 30522),
          .max_positions = config.integer_or("max_position_embeddings", 1, 65536, 512),
          .type_vocab_size = config.integer_or("type_vocab_size", 0, 1 << 16, 2),
          .epsilon = config.number_or("layer_norm_eps", 0.0, 1.0, 1e-12),
          .activation = activation(config)};
}

/// The tensors of one checkpoint, taken module by module.
class Bert {
 public:
  Bert(const BertConfig& config, const AttentionMethod& method, CheckpointTensors& tensors)
      : config_(config), method_(method), tensors_(tensors), head_size_(head_size()) {}

  Graph graph() {
    GraphBuilder g;
    ValueId x = embeddings(g);
    for (int i = 0; i < config_.layers; ++i) x = layer(g, x, "encoder.layer." + std::to_string(i) + ".");
    return g.finish();
  }

 private:
  /// Width of a head: config.json does not carry it, the query's rows do; it need not be hidden_size / heads.
  int head_size() const {
    const std::string name = "encoder.layer.0.attention.self.query.weight";
    const Tensor::Shape& shape = tensors_.shape(name);
    if (shape.size() != 2 || shape[0] <= 0 || shape[0] % config_.heads != 0 || shape[0] / config_.heads > 256 ||
        shape[0] / config_.heads % 4 != 0) {
      throw Error("tensor " + name + " does not divide into num_attention_heads = " + std::to_string(config_.heads) +
                  " heads whose size is a multiple of 4, at most 256");
    }
    return static_cast<int>(shape[0] / config_.heads);
  }

  LinearBlock dense(const std::string& name, int columns, int inputs) {
    return {.name = name,
            .weight = tensors_.take(name + ".weight", {columns, inputs}),
            .bias = tensors_.take(name + ".bias", {columns}),
            .columns = columns};
  }

  LayerNormOp norm(const std::string& name) {
    return {.gain = tensors_.take_either(name + ".weight", name + ".gamma", {config_.hidden_size}),
            .bias = tensors_.take_either(name + ".bias", name + ".beta", {config_.hidden_size}),
            .epsilon = config_.epsilon};
  }

  ValueId embeddings(GraphBuilder& g) {
    const int size = config_.hidden_size;
    EmbedTokens op{.word = tensors_.take("embeddings.word_embeddings.weight", {config_.vocab_size, size}),
                   .position = tensors_.take("embeddings.position_embeddings.weight", {config_.max_positions, size}),
                   .type = ""};
    if (config_.type_vocab_size > 0) {
      op.type = tensors_.take("embeddings.token_type_embeddings.weight", {config_.type_vocab_size, size});
    }
    const ValueId sum = g.embed_tokens("embeddings", size, op);
    return g.layer_norm("embeddings.LayerNorm", sum, norm("embeddings.LayerNorm"));
  }

  ValueId layer(GraphBuilder& g, ValueId x, const std::string& layer) {
    const int size = config_.hidden_size, width = config_.heads * head_size_;
    const std::string self = layer + "attention.self";
    LayerGate gate = take_gate(tensors_, self + ".", method_, config_.heads, size);
    const ValueId qkv = g.qkv(self + ".qkv", x,
                              {.query = dense(self + ".query", width, size),
                               .key = dense(self + ".key", width, size),
                               .value = dense(self + ".value", width, size),
                               .heads = config_.heads,
                               .head_size = head_size_,
                               .gate_kind = gate.settings ? gate.settings->kind : GateKind::linear,
                               .gate_mean = gate.settings && gate.settings->type == GateType::conditional_per_head,
                               .gate = std::move(gate.blocks),
                               .gate_output = std::move(gate.output)});
    const ValueId context = g.attention(
        self, qkv,
        {.heads = config_.heads, .head_size = head_size_, .softmax = method_.softmax, .gate = gate.settings});
    x = g.linear_add(layer + "attention.output.dense", context, x,
                     {dense(layer + "attention.output.dense", size, width)});
    x = g.layer_norm(layer + "attention.output.LayerNorm", x, norm(layer + "attention.output.LayerNorm"));
    const ValueId hidden =
        g.linear(layer + "intermediate.dense", x,
                 {dense(layer + "intermediate.dense", config_.intermediate_size, size), config_.activation});
    x = g.linear_add(layer + "output.dense", hidden, x,
                     {dense(layer + "output.dense", size, config_.intermediate_size)});
    return g.layer_norm(layer + "output.LayerNorm", x, norm(layer + "output.LayerNorm"));
  }

  const BertConfig& config_;
  const AttentionMethod& method_;
  CheckpointTensors& tensors_;
  const int head_size_;
};

}  // namespace

Model::Data bert_from_checkpoint(const JsonObject& config, TensorMap all, const CheckpointOptions& options) {
  const BertConfig bert = read_config(config);
  const AttentionMethod method = read_attention_method(config, options);
  CheckpointTensors tensors(std::move(all), "bert.");
  Model::Data data;
  data.graph = Bert(bert, method, tensors).graph();
  tensors.warn_of_unused({"pooler.", "cls.", "classifier.", "qa_outputs."}, data.warnings);
  data.tensors =
      std::move(tensors).finish({"pooler.", "embeddings.position_ids", "cls.", "classifier.", "qa_outputs."});
  data.info = {.family = "bert",
               .layers = bert.layers,
               .hidden_size = bert.hidden_size,
               .attention_heads = bert.heads,
               .intermediate_size = bert.intermediate_size,
               .vocab_size = bert.vocab_size,
               .type_vocab_size = bert.type_vocab_size,
               .max_positions = bert.max_positions,
               .softmax = {}};
  describe_method(data.graph, method, data.info);
  // Those before bos_token_id are of checkpoints converted from TensorFlow; BertModel never looked at them.
  warn_of_unread_keys(config,
                      {"directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
                       "pooler_size_per_head", "pooler_type", "bos_token_id", "eos_token_id", "tie_word_embeddings"},
                      data.warnings);
  return data;
}

}  // namespace octavo

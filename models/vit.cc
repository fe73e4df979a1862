// ViT and DeiT: pre-LayerNorm encoder of image patches. One line per fused op; timm's and Hugging Face's names.
#include "models/attention_method.h"
#include "models/checkpoint.h"
#include "models/config_keys.h"
#include "models/families.h"
#include "models/image_config.h"
#include "models/timm_config.h"
#include "models/transformer.h"

#include "octavo/error.h"

#include <optional>

namespace octavo {
namespace {

/// What the two libraries call the same things.
struct Names {
  std::string patches, patch_norm;
  std::string class_token, distillation_token, registers, positions;
  std::string layer;              ///< "blocks.", followed by the layer's index
  std::string norm1, norm2, qkv;  ///< within a layer; qkv is one tensor of three blocks of rows
  std::string query, key, value;  ///< or three tensors
  std::string attention, attention_output, hidden, output;
  std::string norm_pre, norm, pooled_norm;
  std::string head, class_head, distillation_head;
};

const Names kTimm = {.patches = "patch_embed.proj",
                     .patch_norm = "patch_embed.norm",
                     .class_token = "cls_token",
                     .distillation_token = "dist_token",
                     .registers = "reg_token",
                     .positions = "pos_embed",
                     .layer = "blocks.",
                     .norm1 = "norm1",
                     .norm2 = "norm2",
                     .qkv = "attn.qkv",
                     .query = "",
                     .key = "",
                     .value = "",
                     .attention = "attn",
                     .attention_output = "attn.proj",
                     .hidden = "mlp.fc1",
                     .output = "mlp.fc2",
                     .norm_pre = "norm_pre",
                     .norm = "norm",
                     .pooled_norm = "fc_norm",
                     .head = "head",
                     .class_head = "head",
                     .distillation_head = "head_dist"};

const Names kHuggingFace = {.patches = "embeddings.patch_embeddings.projection",
                            .patch_norm = "embeddings.patch_embeddings.norm",
                            .class_token = "embeddings.cls_token",
                            .distillation_token = "embeddings.distillation_token",
                            .registers = "embeddings.register_tokens",
                            .positions = "embeddings.position_embeddings",
                            .layer = "encoder.layer.",
                            .norm1 = "layernorm_before",
                            .norm2 = "layernorm_after",
                            .qkv = "",
                            .query = "attention.attention.query",
                            .key = "attention.attention.key",
                            .value = "attention.attention.value",
                            .attention = "attention.attention",
                            .attention_output = "attention.output.dense",
                            .hidden = "intermediate.dense",
                            .output = "output.dense",
                            .norm_pre = "embeddings.norm_pre",
                            .norm = "layernorm",
                            .pooled_norm = "fc_norm",
                            .head = "classifier",
                            .class_head = "cls_classifier",
                            .distillation_head = "distillation_classifier"};

struct VitConfig {
  int layers, hidden_size, heads, head_size, intermediate_size;
  double epsilon;
  Activation activation;
  bool mean_pooling;
  ImageSettings image;
};

/// The tensors of one checkpoint, taken module by module.
class Vit {
 public:
  Vit(const VitConfig& config, const Names& names, const AttentionMethod& method, CheckpointTensors& tensors)
      : config_(config),
        names_(names),
        method_(method),
        tensors_(tensors),
        modules_(tensors, {.hidden_size = config.hidden_size, .epsilon = config.epsilon, .biases = Biases::as_found}) {}

  Graph graph() {
    GraphBuilder g;
    ValueId x = embeddings(g);
    for (int i = 0; i < config_.layers; ++i) x = layer(g, x, names_.layer + std::to_string(i) + ".");
    const std::string head_norm = config_.mean_pooling ? names_.pooled_norm : names_.norm;
    head(g, x, head_norm);
    if (!config_.mean_pooling) x = g.layer_norm(names_.norm, x, modules_.norm(names_.norm));
    g.output(kHiddenState, x);
    return g.finish();
  }

  int classes() const { return classes_; }
  int prefix_rows() const { return prefix_rows_; }

 private:
  int patch_size() const {
    const std::string name = names_.patches + ".weight";
    const Tensor::Shape& shape = tensors_.shape(name);
    if (shape.size() != 4 || shape[1] != 3 || shape[2] != shape[3] || shape[2] < 1 || shape[2] > 64) {
      throw Error("tensor " + name +
                  " is not [hidden size, 3, patch size, patch size] with patches of at most 64 pixels");
    }
    return static_cast<int>(shape[2]);
  }

  /// Class, distillation and register tokens, in this order, as far as there are any.
  std::vector<PrefixRows> prefix() {
    std::vector<PrefixRows> rows;
    for (const std::string* name : {&names_.class_token, &names_.distillation_token, &names_.registers}) {
      if (!tensors_.has(*name)) continue;
      const Tensor::Shape& shape = tensors_.shape(*name);
      const std::int64_t count = shape.size() == 3 ? shape[1] : 0;
      if (count < 1 || count > 64 || (name != &names_.registers && count != 1)) {
        throw Error("tensor " + *name + " does not hold the expected number of tokens");
      }
      rows.push_back({.token = tensors_.take(*name, {1, count, config_.hidden_size}),
                      .rows = static_cast<int>(count),
                      .position = -1});
    }
    return rows;
  }

  ValueId embeddings(GraphBuilder& g) {
    const int size = config_.hidden_size, patch = patch_size();
    const ImageSettings& image = config_.image;
    if (image.width % patch != 0 || image.height % patch != 0) {
      throw Error("images of " + std::to_string(image.width) + " x " + std::to_string(image.height) +
                  " pixels do not divide into patches of " + std::to_string(patch));
    }
    EmbedPatches op{.projection = {.name = names_.patches,
                                   .weight = tensors_.take(names_.patches + ".weight", {size, 3, patch, patch}),
                                   .bias = "",
                                   .columns = size},
                    .patch_size = patch,
                    .grid_width = image.width / patch,
                    .grid_height = image.height / patch,
                    .prefix = prefix(),
                    .position = names_.positions,
                    .first_position = 0,
                    .norm = {},
                    .mean = image.mean,
                    .deviation = image.deviation};
    if (tensors_.has(names_.patches + ".bias")) op.projection.bias = tensors_.take(names_.patches + ".bias", {size});
    prefix_rows_ = op.prefix_rows();
    if (!config_.mean_pooling && !tensors_.has(names_.class_token)) {
      throw Error("the checkpoint has neither a class token " + names_.class_token + " nor " + names_.pooled_norm +
                  ".weight for mean pooling");
    }
    // Positions of the patches alone, or of the tokens before them as well.
    const Tensor::Shape& positions = tensors_.shape(names_.positions);
    const bool all = positions != Tensor::Shape{1, op.patches(), size};
    if (all) {
      for (PrefixRows& rows : op.prefix) {
        rows.position = op.first_position;
        op.first_position += rows.rows;
      }
    }
    op.position = tensors_.take(names_.positions, {1, op.first_position + op.patches(), size});
    if (tensors_.has(names_.patch_norm + ".weight")) op.norm = modules_.norm(names_.patch_norm);
    const ValueId x = g.embed_patches("embeddings", size, std::move(op));
    return tensors_.has(names_.norm_pre + ".weight") ? g.layer_norm(names_.norm_pre, x, modules_.norm(names_.norm_pre))
                                                     : x;
  }

  ValueId layer(GraphBuilder& g, ValueId x, const std::string& layer) {
    const LayerNames names{.query = layer + names_.query,
                           .key = layer + names_.key,
                           .value = layer + names_.value,
                           .qkv = names_.qkv.empty() ? "" : layer + names_.qkv,
                           .attention = layer + names_.attention,
                           .attention_output = layer + names_.attention_output,
                           .attention_norm = layer + names_.norm1,
                           .hidden = layer + names_.hidden,
                           .output = layer + names_.output,
                           .output_norm = layer + names_.norm2};
    const LayerConfig config{.hidden_size = config_.hidden_size,
                             .heads = config_.heads,
                             .head_size = config_.head_size,
                             .intermediate_size = config_.intermediate_size,
                             .activation = config_.activation,
                             .norm_before = true};
    return transformer_layer(g, x, names, config, modules_, method_);
  }

  /// The classifier, if the checkpoint has one. Two of them, of the class and the distillation token, become one: the
  /// mean of their logits is a product over both tokens side by side.
  void head(GraphBuilder& g, ValueId x, const std::string& norm_name) {
    const bool two = tensors_.has(names_.distillation_head + ".weight");
    const std::string name = two ? names_.class_head : names_.head;
    if (!tensors_.has(name + ".weight")) return;
    LinearBlock weights = modules_.classifier(name);
    classes_ = weights.columns;
    if (two) {
      const LinearBlock second = modules_.dense(names_.distillation_head, classes_, config_.hidden_size);
      weights.name = "logits";
      weights.weight = tensors_.add("logits.weight", mean_of_products(weights.weight, second.weight));
      weights.bias = tensors_.add("logits.bias", mean(weights.bias, second.bias));
    }
    const bool mean_pooling = config_.mean_pooling;
    const int tokens = two && !mean_pooling ? 2 : 1;  // side by side in a row
    x = g.select_rows("logits.rows", x,
                      {.selection = mean_pooling ? Selection::mean : Selection::first,
                       .count = mean_pooling ? prefix_rows_ : tokens});
    x = g.layer_norm("logits.input", x, modules_.norm(norm_name), tokens);
    g.output(kLogits, g.linear("logits", x, {.weights = std::move(weights), .makes = Form::s32}));
  }

  /// [columns, 2 * inputs]: half of each weight side by side.
  Tensor mean_of_products(const std::string& first, const std::string& second) const {
    const Tensor a = tensors_.floats(first), b = tensors_.floats(second);
    Tensor result(DType::f32, {a.rows(), 2 * a.columns()});
    const auto columns = static_cast<std::size_t>(a.columns());
    for (std::size_t i = 0; i < a.as<float>().size(); ++i) {
      const std::size_t row = i / columns * 2 * columns, column = i % columns;
      result.writable<float>()[row + column] = a.as<float>()[i] / 2;
      result.writable<float>()[row + columns + column] = b.as<float>()[i] / 2;
    }
    return result;
  }

  Tensor mean(const std::string& first, const std::string& second) const {
    const Tensor a = tensors_.floats(first), b = tensors_.floats(second);
    Tensor result(DType::f32, a.shape());
    for (std::size_t i = 0; i < a.as<float>().size(); ++i) {
      result.writable<float>()[i] = (a.as<float>()[i] + b.as<float>()[i]) / 2;
    }
    return result;
  }

  const VitConfig& config_;
  const Names& names_;
  const AttentionMethod& method_;
  CheckpointTensors& tensors_;
  Modules modules_;
  int classes_ = 0, prefix_rows_ = 0;
};

int count_layers(const CheckpointTensors& tensors, const Names& names) {
  int layers = 0;
  while (layers < 1000 && tensors.has(names.layer + std::to_string(layers) + "." + names.norm1 + ".weight")) ++layers;
  if (layers == 0) throw Error("the checkpoint has no tensor " + names.layer + "0." + names.norm1 + ".weight");
  return layers;
}

VitConfig read_timm_config(const JsonObject& config, const CheckpointTensors& tensors,
                           std::vector<std::string>& warnings) {
  const ImageSettings image = read_timm_images(config, warnings);
  const bool mean_pooling = timm_mean_pooling(config, tensors, warnings);
  const TimmArchitecture architecture = read_timm_architecture(config, tensors, warnings);
  const int heads = architecture.heads, hidden = tensors.first_dimension(kTimm.patches + ".weight", 8192);
  if (config.integer_or("num_features", 1, 8192, hidden) != hidden) {
    config.fail("num_features", std::to_string(hidden) + ", as many as tensor " + kTimm.patches + ".weight has rows");
  }
  const int width = tensors.first_dimension(kTimm.layer + "0." + kTimm.qkv + ".weight", 3 * 8192);
  if (width % (12 * heads) != 0 || width / (3 * heads) > 256) {
    throw Error("tensor " + kTimm.layer + "0." + kTimm.qkv + ".weight does not divide into " + std::to_string(heads) +
                " heads whose size is a multiple of 4, at most 256");
  }
  return {.layers = count_layers(tensors, kTimm),
          .hidden_size = hidden,
          .heads = heads,
          .head_size = width / (3 * heads),
          .intermediate_size = tensors.first_dimension(kTimm.layer + "0." + kTimm.hidden + ".weight", kMaxColumns),
          .epsilon = architecture.epsilon,
          .activation = architecture.activation,
          .mean_pooling = mean_pooling,
          .image = image};
}

/// What the tensors show, or what would make other scores of the logits.
void check_hugging_face_config(const JsonObject& config, const CheckpointTensors& tensors) {
  if (config.integer_or("num_channels", 1, 1000, 3) != 3) config.fail("num_channels", "3");
  const std::string patches = kHuggingFace.patches + ".weight";
  if (config.has("patch_size") && tensors.has(patches) && tensors.shape(patches).size() == 4 &&
      square_edge(config, "patch_size") != tensors.shape(patches)[2])
    config.fail("patch_size", "that of tensor " + patches);
  if (!config.flag_or("qkv_bias", true) && tensors.has(kHuggingFace.layer + "0." + kHuggingFace.query + ".bias"))
    config.fail("qkv_bias", "true, since the checkpoint has biases");
  if (config.text_or("problem_type", "single_label_classification") != "single_label_classification")
    config.fail("problem_type", "single_label_classification: scores are a softmax over all classes");
}

VitConfig read_hugging_face_config(const JsonObject& config, const std::optional<JsonObject>& processor,
                                   const CheckpointTensors& tensors, std::vector<std::string>& warnings) {
  refuse_unsupported_keys(config);
  check_hugging_face_config(config, tensors);
  const int hidden = config.integer_or("hidden_size", 1, 8192, 768);
  const int heads = config.integer_or("num_attention_heads", 1, 1024, 12);
  if (hidden % (4 * heads) != 0 || hidden / heads > 256) {
    config.fail("num_attention_heads", "a number of heads whose size is a multiple of 4, at most 256");
  }
  const bool mean_pooling = tensors.has(kHuggingFace.pooled_norm + ".weight");
  const VitConfig result{.layers = config.integer_or("num_hidden_layers", 1, 1000, 12),
                         .hidden_size = hidden,
                         .heads = heads,
                         .head_size = hidden / heads,
                         .intermediate_size = config.integer_or("intermediate_size", 1, kMaxColumns, 3072),
                         .epsilon = config.number_or("layer_norm_eps", 0.0, 1.0, 1e-12),
                         .activation = read_activation(config, "hidden_act", Activation::gelu),
                         .mean_pooling = mean_pooling,
                         .image = read_hugging_face_images(config, processor, warnings)};
  warn_of_unread_keys(config, {"encoder_stride", "pooler_output_size", "pooler_act", "label_names"}, warnings);
  return result;
}

bool is_timm(const JsonObject& config) { return config.has("architecture") && model_type(config).empty(); }

bool reads(const JsonObject& config) {
  const std::string type = model_type(config), architecture = is_timm(config) ? config.text("architecture") : "";
  return type == "vit" || type == "deit" || architecture.starts_with("vit_") || architecture.starts_with("deit_");
}

Model::Data read(Checkpoint checkpoint) {
  const JsonObject& config = checkpoint.config;
  const bool timm = is_timm(config);
  const AttentionMethod method = read_attention_method(config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), timm ? "" : config.text("model_type") + ".");
  Model::Data data;
  const VitConfig vit = timm ? read_timm_config(config, tensors, data.warnings)
                             : read_hugging_face_config(config, checkpoint.image_processor, tensors, data.warnings);
  Vit builder(vit, timm ? kTimm : kHuggingFace, method, tensors);
  data.graph = builder.graph();
  data.tensors = std::move(tensors).finish({"pooler.", "embeddings.mask_token", "fc_norm."});
  const int patches = std::get<EmbedPatches>(data.graph.nodes.front().op).patches();
  data.info = {.family = "vit",
               .layers = vit.layers,
               .hidden_size = vit.hidden_size,
               .attention_heads = vit.heads,
               .intermediate_size = vit.intermediate_size,
               .max_positions = builder.prefix_rows() + patches,
               .embedding = {.pooling = {vit.mean_pooling ? Pooling::mean : Pooling::cls}},
               .softmax = {},
               .classes = builder.classes(),
               .prefix_tokens = builder.prefix_rows(),
               .image = vit.image};
  describe_method(data.graph, method, data.info);
  return data;
}

}  // namespace

const Family kVit = {
    .model_types = "vit, deit, or timm's \"architecture\" vit_... or deit_...", .reads = reads, .read = read};

}  // namespace octavo

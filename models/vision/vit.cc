// ViT and DeiT, timm's and Hugging Face's, with their heads. timm's directories come as timm writes them or as
// transformers' timm_wrapper does.
#include "models/directory/image_config.h"
#include "models/families.h"
#include "models/parts/attention_method.h"
#include "models/parts/checkpoint.h"
#include "models/parts/config_keys.h"
#include "models/parts/heads.h"
#include "models/vision/timm_config.h"
#include "models/vision/vit_body.h"

#include "octavo/error.h"

#include <optional>
#include <utility>

namespace octavo {
namespace {

/// What the two libraries call what stands behind the layers.
struct HeadNames {
  std::string norm, pooled_norm;
  std::string head, class_head, distillation_head;
  std::string pooler = {};
};

const VitNames kTimm = {.patches = "patch_embed.proj",
                        .patch_norm = "patch_embed.norm",
                        .class_token = "cls_token",
                        .distillation_token = "dist_token",
                        .registers = "reg_token",
                        .positions = "pos_embed",
                        .norm_pre = "norm_pre",
                        .layer = "blocks.",
                        .norm1 = "norm1",
                        .norm2 = "norm2",
                        .qkv = "attn.qkv",
                        .attention = "attn",
                        .attention_output = "attn.proj",
                        .hidden = "mlp.fc1",
                        .output = "mlp.fc2",
                        .attention_scale = "ls1.gamma",
                        .output_scale = "ls2.gamma"};

const HeadNames kTimmHead = {
    .norm = "norm", .pooled_norm = "fc_norm", .head = "head", .class_head = "head", .distillation_head = "head_dist"};

const VitNames kHuggingFace = [] {
  VitNames names = transformers_names();
  names.patch_norm = "embeddings.patch_embeddings.norm";
  names.distillation_token = "embeddings.distillation_token";
  names.registers = "embeddings.register_tokens";
  names.norm_pre = "embeddings.norm_pre";
  return names;
}();

const HeadNames kHuggingFaceHead = {.norm = "layernorm",
                                    .pooled_norm = "fc_norm",
                                    .head = "classifier",
                                    .class_head = "cls_classifier",
                                    .distillation_head = "distillation_classifier",
                                    .pooler = "pooler.dense"};

class Vit {
 public:
  /// `pooler` is its activation; nothing where there is none.
  Vit(VitBody& body, CheckpointTensors& tensors, const HeadNames& names, bool mean_pooling,
      std::optional<Activation> pooler)
      : body_(body),
        modules_(body.modules()),
        tensors_(tensors),
        names_(names),
        mean_pooling_(mean_pooling),
        pooler_(pooler) {}

  Graph graph() {
    GraphBuilder g;
    ValueId x = body_.layers(g, body_.embeddings(g));
    head(g, x, mean_pooling_ ? names_.pooled_norm : names_.norm);
    if (!mean_pooling_) x = g.layer_norm(names_.norm, x, modules_.norm(names_.norm));
    g.output(kHiddenState, x);
    if (pooler_) {
      const int columns = tensors_.first_dimension(names_.pooler + ".weight", kMaxColumns);
      g.output("pooler_output", Heads(g, x, modules_).first_token(names_.pooler, *pooler_, columns));
    }
    return g.finish();
  }

  int classes() const { return classes_; }

 private:
  /// The classifier, if the checkpoint has one. Two of them, of the class and the distillation token, become one: the
  /// mean of their logits is a product over both tokens side by side.
  void head(GraphBuilder& g, ValueId x, const std::string& norm_name) {
    const bool two = tensors_.has(names_.distillation_head + ".weight");
    const std::string name = two ? names_.class_head : names_.head;
    if (!tensors_.has(name + ".weight")) return;
    LinearBlock weights = modules_.classifier(name);
    classes_ = weights.columns;
    if (two) {
      const LinearBlock second = modules_.dense(names_.distillation_head, classes_, modules_.hidden_size());
      weights.name = "logits";
      weights.weight = tensors_.add("logits.weight", mean_of_products(weights.weight, second.weight));
      weights.bias = tensors_.add("logits.bias", mean(weights.bias, second.bias));
    }
    const bool mean_pooling = mean_pooling_;
    const int tokens = two && !mean_pooling ? 2 : 1;  // side by side in a row
    x = g.select_rows("logits.rows", x,
                      {.selection = mean_pooling ? Selection::mean : Selection::first,
                       .count = mean_pooling ? body_.prefix_rows() : tokens});
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

  VitBody& body_;
  Modules& modules_;
  CheckpointTensors& tensors_;
  const HeadNames& names_;
  const bool mean_pooling_;
  const std::optional<Activation> pooler_;
  int classes_ = 0;
};

VitConfig read_timm_config(const JsonObject& config, const CheckpointTensors& tensors,
                           std::vector<std::string>& warnings) {
  const ImageSettings image = read_timm_images(config, warnings);
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
  VitConfig result = {.layers = count_layers(tensors, kTimm),
                      .layer = {.hidden_size = hidden,
                                .heads = heads,
                                .head_size = width / (3 * heads),
                                .intermediate_size =
                                    tensors.first_dimension(kTimm.layer + "0." + kTimm.hidden + ".weight", kMaxColumns),
                                .activation = architecture.activation,
                                .norm_before = true},
                      .epsilon = architecture.epsilon,
                      .image = image,
                      .needed = architecture.needed};
  if (architecture.biases) need_layer_biases(kTimm, result);
  return result;
}

VitConfig read_hugging_face_config(const JsonObject& config, const std::optional<JsonObject>& processor,
                                   const CheckpointTensors& tensors, std::vector<std::string>& warnings) {
  refuse_unsupported_keys(config);
  check_vit_config(config, tensors, kHuggingFace.patches);
  require_softmax(config);
  VitConfig result = read_vit_config(
      config, {.layers = 12, .layer = {.hidden_size = 768, .heads = 12, .intermediate_size = 3072}, .epsilon = 1e-12});
  result.needed = {kHuggingFace.patches + ".bias"};
  if (model_type(config) == "deit") result.needed.push_back(kHuggingFace.distillation_token);
  need_layer_biases(kHuggingFace, result);
  read_qkv_bias(config, tensors, kHuggingFace, result);
  need_whole(kHuggingFaceHead.pooler, tensors, result);
  need_classifier(config, tensors, {kHuggingFaceHead.head}, result);
  need_classifier(config, tensors, {kHuggingFaceHead.class_head, kHuggingFaceHead.distillation_head}, result,
                  "ForImageClassificationWithTeacher");
  result.image = read_hugging_face_images(
      config, processor, {.processor = model_type(config) == "deit" ? "DeiTImageProcessor" : "ViTImageProcessor"},
      warnings);
  warn_of_unread_keys(config, {"encoder_stride", "pooler_output_size", "pooler_act", "label_names"}, warnings);
  return result;
}

/// pooler_act, which may also be what other activations are not.
Activation read_pooler_activation(const JsonObject& config) {
  const bool is_tanh = config.text_or("pooler_act", "tanh") == "tanh";
  return is_tanh ? Activation::tanh : read_activation(config, "pooler_act", Activation::tanh);
}

/// timm's directories, which may have gone through transformers.
bool is_timm(const JsonObject& config) {
  const std::string type = model_type(config);
  return config.has("architecture") && (type.empty() || type == "timm_wrapper");
}

bool reads(const JsonObject& config) {
  const std::string type = model_type(config), architecture = is_timm(config) ? config.text("architecture") : "";
  if (type == "timm_wrapper" && !architecture.starts_with("vit_") && !architecture.starts_with("deit"))
    config.fail("architecture", "vit_..., deit_... or deit3_...");
  return type == "vit" || type == "deit" || architecture.starts_with("vit_") || architecture.starts_with("deit_") ||
         architecture.starts_with("deit3_");
}

Model::Data read(Checkpoint checkpoint) {
  const JsonObject& config = checkpoint.config;
  const bool timm = is_timm(config);
  const AttentionMethod method = read_attention_method(config, checkpoint.options);
  const std::string type = model_type(config);
  CheckpointTensors tensors(std::move(checkpoint.tensors), !timm ? type + "." : type.empty() ? "" : "timm_model.");
  Model::Data data;
  const bool mean_pooling =
      timm ? timm_mean_pooling(config, tensors, data.warnings) : tensors.has(kHuggingFaceHead.pooled_norm + ".weight");
  const VitConfig vit = timm ? read_timm_config(config, tensors, data.warnings)
                             : read_hugging_face_config(config, checkpoint.image_processor, tensors, data.warnings);
  if (timm && !type.empty()) {
    refuse_unsupported_keys(config);
    require_softmax(config);
  }
  const VitNames& names = timm ? kTimm : kHuggingFace;
  const HeadNames& head = timm ? kTimmHead : kHuggingFaceHead;
  if (!mean_pooling && !tensors.has(names.class_token)) {
    throw Error("the checkpoint has neither a class token " + names.class_token + " nor " + head.pooled_norm +
                ".weight for mean pooling");
  }
  VitBody body(vit, names, method, tensors);
  std::optional<Activation> pooler;
  if (!timm && !mean_pooling && body.has(head.pooler)) pooler = read_pooler_activation(config);
  Vit builder(body, tensors, head, mean_pooling, pooler);
  data.graph = builder.graph();
  data.tensors = std::move(tensors).finish({"pooler.", "embeddings.mask_token", "fc_norm."});
  data.info = body.info("vit");
  data.info.embedding.pooling = {mean_pooling ? Pooling::mean : Pooling::cls};
  data.info.classes = builder.classes();
  describe_method(data.graph, method, data.info);
  return data;
}

}  // namespace

const Family kVit = {
    .model_types = "vit, deit, timm_wrapper, or timm's \"architecture\" vit_..., deit_... or deit3_...",
    .reads = reads,
    .read = read};

}  // namespace octavo

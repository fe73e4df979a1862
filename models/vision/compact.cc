// Compact Transformers: CCT, CVT and ViT-Lite (Hassani et al. 2021, Escaping the Big Data Paradigm with Compact
// Transformers), under the names of their authors' code.
#include "models/directory/image_config.h"
#include "models/families.h"
#include "models/parts/attention_method.h"
#include "models/parts/checkpoint.h"
#include "models/parts/config_keys.h"
#include "models/parts/heads.h"
#include "models/vision/vit_body.h"

#include "octavo/error.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>
#include <utility>

namespace octavo {
namespace {

constexpr const char* kPooler = "pooler_output";
constexpr const char* kAttentionPool = "classifier.attention_pool";
constexpr double kEpsilon = 1e-5;  // of every LayerNorm: torch.nn.LayerNorm's own
constexpr int kMostConvolutions = 4;

const VitNames kNames = {.patches = "tokenizer.conv_layers.0.0",
                         .class_token = "classifier.class_emb",
                         .positions = "classifier.positional_emb",
                         .layer = "classifier.blocks.",
                         .norm1 = "pre_norm",
                         .norm2 = "",
                         .sum_norm = "norm1",
                         .qkv = "self_attn.qkv",
                         .attention = "self_attn",
                         .attention_output = "self_attn.proj",
                         .hidden = "linear1",
                         .output = "linear2"};

/// What the name of an architecture says: "cct_7_3x1_32" is 7 layers, a kernel of 3, 1 convolution, pictures of 32.
struct CompactName {
  bool convolves = false;    ///< CCT: windows that overlap, ReLU, the largest of each window; else patches
  bool class_token = false;  ///< ViT-Lite
  int layers = 0, kernel = 0, convolutions = 1, size = 0;
};

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text.size() > 4 || error != std::errc{} || value < 0 || end != text.data() + text.size())
    return {};
  return value;
}

/// Nothing for a name of other models.
std::optional<CompactName> parse(const std::string& architecture) {
  std::istringstream words(architecture);
  std::string kind, layers, kernel, size;
  for (std::string* word : {&kind, &layers, &kernel, &size}) std::getline(words, *word, '_');
  CompactName result{.convolves = kind == "cct", .class_token = kind == "vit"};
  const std::size_t times = kernel.find('x');
  const auto edge = number(kernel.substr(0, times)), count = number(layers), pixels = number(size);
  const auto convolutions =
      result.convolves && times != std::string::npos ? number(kernel.substr(times + 1)) : std::optional<int>(1);
  const bool known =
      (kind == "cct" || kind == "cvt" || kind == "vit") && result.convolves == (times != std::string::npos);
  if (!known || !edge || !count || !pixels || !convolutions) return {};
  result.layers = *count;
  result.kernel = *edge;
  result.convolutions = *convolutions;
  result.size = *pixels;
  return result;
}

void refuse_words(const JsonObject& config) {
  std::istringstream words(config.text("architecture"));
  std::string word;
  for (int i = 0; std::getline(words, word, '_'); ++i) {
    // Positions that are stored either way, and what it was trained on.
    const bool known = i < 4 || word == "sine" || word == "c100" || word == "fl";
    if (!known) config.fail("architecture", "a CCT, CVT or ViT-Lite: octavo does not know what \"" + word + "\" means");
  }
}

/// As the authors' functions have them by the number of layers.
int heads_of(const JsonObject& config, const JsonObject& arguments, int layers) {
  if (arguments.has("num_heads")) return static_cast<int>(arguments.integer("num_heads", 1, 1024));
  constexpr std::pair<int, int> kHeads[] = {{2, 2}, {4, 2}, {6, 4}, {7, 4}, {8, 4}, {14, 6}};
  for (const auto& [count, heads] : kHeads) {
    if (count == layers) return heads;
  }
  config.fail("architecture", "2, 4, 6, 7, 8 or 14 layers, or model_args.num_heads");
}

/// Throws Error unless a number is what the name or the tensors show.
void expect(const JsonObject& object, std::string_view key, std::int64_t shown) {
  if (object.has(key) && object.integer(key, 0, 1 << 24) != shown)
    object.fail(key, std::to_string(shown) + ", as the architecture's name and the tensors have it");
}

/// A convolution's kernel, from its tensor.
int kernel_of(const CheckpointTensors& tensors, const std::string& module, int channels) {
  const Tensor::Shape& shape = tensors.shape(module + ".weight");
  if (shape.size() != 4 || shape[0] < 1 || shape[0] > 8192 || shape[1] != channels || shape[2] != shape[3] ||
      shape[2] < 1 || shape[2] > 32)
    throw Error("tensor " + module + ".weight is not [columns, " + std::to_string(channels) +
                ", kernel, kernel] with a kernel of at most 32");
  return static_cast<int>(shape[2]);
}

std::string convolution_name(int i) { return "tokenizer.conv_layers." + std::to_string(i) + ".0"; }

class Compact {
 public:
  Compact(const JsonObject& config, CheckpointTensors& tensors, std::vector<std::string>& warnings)
      : config_(config),
        arguments_(config.section("model_args")),
        tensors_(tensors),
        name_(*parse(config.text("architecture"))) {
    refuse_words(config);
    image_ = read_timm_images(config, warnings);
    if (image_.width != name_.size || image_.height != name_.size)
      config.fail("architecture", "one for pictures of " + std::to_string(image_.width) + " x " +
                                      std::to_string(image_.height) + ", as input_size has them");
    vit_ = read_sizes();
    check_arguments();
  }

  const VitConfig& vit() const { return vit_; }
  int tokens() const { return tokens_; }
  int classes() const { return classes_; }

  Graph graph(VitBody& body) {
    GraphBuilder g;
    ValueId x = name_.convolves ? convolutions(g) : body.embeddings(g);
    x = body.layers(g, x);
    x = g.layer_norm("classifier.norm", x, body.modules().norm("classifier.norm"));
    g.output(kHiddenState, x);
    Heads heads(g, x, body.modules());
    const ValueId pooled = name_.class_token ? heads.pooled("classifier.rows", Selection::first) : pool(g, x, body);
    if (!name_.class_token) g.output(kPooler, pooled);
    if (heads.has("classifier.fc")) heads.classes(pooled, "classifier.fc");
    classes_ = heads.count();
    return g.finish();
  }

 private:
  VitConfig read_sizes() {
    int channels = 3;
    for (int i = 0; i < std::min(name_.convolutions, kMostConvolutions); ++i) {
      const std::string module = convolution_name(i);
      if (kernel_of(tensors_, module, channels) != name_.kernel)
        config_.fail("architecture", "a kernel as tensor " + module + ".weight has it");
      channels = tensors_.first_dimension(module + ".weight", 8192);
    }
    if (name_.convolutions < 1 || name_.convolutions > kMostConvolutions)
      config_.fail("architecture", "1 to " + std::to_string(kMostConvolutions) + " convolutions");
    const int layers = count_layers(tensors_, kNames);
    if (layers != name_.layers)
      config_.fail("architecture", "one of " + std::to_string(layers) + " layers, as the tensors have them");
    const int heads = heads_of(config_, arguments_, layers);
    if (channels % (4 * heads) != 0 || channels / heads > 256)
      throw Error("tensor " + kNames.patches + ".weight does not divide into " + std::to_string(heads) +
                  " heads whose size is a multiple of 4, at most 256");
    VitConfig result = {
        .layers = layers,
        .layer = {.hidden_size = channels,
                  .heads = heads,
                  .head_size = channels / heads,
                  .intermediate_size = tensors_.first_dimension(kNames.layer + "0.linear1.weight", kMaxColumns),
                  .norm_before = true},
        .epsilon = kEpsilon,
        .positions = tensors_.has(kNames.positions) ? VitPositions::stored : VitPositions::absent,
        .image = image_};
    need_layer_biases(kNames, result);
    if (name_.class_token) result.needed.push_back(kNames.class_token);
    need_whole("classifier.fc", tensors_, result);
    return result;
  }

  /// What the authors' constructors take, as far as it can be compared; any other is refused.
  void check_arguments() {
    const LayerConfig& layer = vit_.layer;
    for (const char* key : {"num_layers", "depth"}) expect(arguments_, key, vit_.layers);
    for (const char* key : {"embedding_dim", "embed_dim"}) expect(arguments_, key, layer.hidden_size);
    expect(arguments_, "kernel_size", name_.kernel);
    expect(arguments_, "n_conv_layers", name_.convolutions);
    expect(arguments_, "n_input_channels", 3);
    const int classes =
        tensors_.has("classifier.fc.weight") ? tensors_.first_dimension("classifier.fc.weight", kMaxColumns) : 0;
    for (const JsonObject* object : {&config_, static_cast<const JsonObject*>(&arguments_)})
      expect(*object, "num_classes", classes);
    expect(config_, "num_features", layer.hidden_size);
    if (arguments_.has("mlp_ratio") &&
        static_cast<int>(layer.hidden_size * arguments_.number("mlp_ratio", 0.01, 100)) != layer.intermediate_size)
      arguments_.fail("mlp_ratio", "that of tensor classifier.blocks.0.linear1.weight");
    const std::string positions = arguments_.text_or("positional_embedding", "");
    if (!positions.empty() && (positions == "none") != (vit_.positions == VitPositions::absent))
      arguments_.fail("positional_embedding",
                      "what the tensors show: classifier.positional_emb is there, or it is none");
    if (!arguments_.flag_or("seq_pool", !name_.class_token) != name_.class_token)
      arguments_.fail("seq_pool", "true of a CCT or CVT, false of a ViT-Lite");
    for (const char* key : {"stride", "padding", "pooling_kernel_size", "pooling_stride", "pooling_padding"}) {
      if (!name_.convolves && arguments_.has(key)) arguments_.fail(key, "none: patches lie side by side");
    }
    layer_ = {.weights = {},
              .kernel = name_.kernel,
              .stride = arguments_.integer_or("stride", 1, 32, std::max(1, name_.kernel / 2 - 1)),
              .padding = arguments_.integer_or("padding", 0, 31, std::max(1, name_.kernel / 2)),
              .window = arguments_.integer_or("pooling_kernel_size", 1, 32, 3),
              .window_stride = arguments_.integer_or("pooling_stride", 1, 32, 2),
              .window_padding = arguments_.integer_or("pooling_padding", 0, 16, 1)};
    for (const std::string& key : arguments_.unread()) {
      const bool of_training =
          key == "dropout" || key == "attention_dropout" || key == "stochastic_depth" || key == "img_size";
      if (!of_training) arguments_.fail(key, "no such argument");
    }
  }

  ValueId convolutions(GraphBuilder& g) {
    EmbedConvolutions op{.width = image_.width,
                         .height = image_.height,
                         .layers = {},
                         .position = "",
                         .mean = image_.mean,
                         .deviation = image_.deviation};
    for (int i = 0; i < name_.convolutions; ++i) {
      const std::string module = convolution_name(i);
      const int columns = tensors_.first_dimension(module + ".weight", 8192);
      Convolution layer = layer_;
      const std::int64_t channels = op.layers.empty() ? 3 : op.layers.back().weights.columns, kernel = name_.kernel;
      layer.weights = {.name = module,
                       .weight = tensors_.take(module + ".weight", {columns, channels, kernel, kernel}),
                       .bias = tensors_.has(module + ".bias") ? tensors_.take(module + ".bias", {columns}) : "",
                       .columns = columns};
      op.layers.push_back(std::move(layer));
    }
    const ValueId x = g.embed_convolutions("embeddings", with_positions(std::move(op)));
    return x;
  }

  EmbedConvolutions with_positions(EmbedConvolutions op) {
    tokens_ = op.tokens();
    if (vit_.positions == VitPositions::stored && tokens_ > 0)
      op.position = tensors_.take(kNames.positions, {1, tokens_, vit_.layer.hidden_size});
    return op;
  }

  /// Sequence pooling: the mean of all tokens by the softmax of a score each.
  static ValueId pool(GraphBuilder& g, ValueId x, VitBody& body) {
    const int size = body.modules().hidden_size();
    const ValueId scores =
        g.linear(kAttentionPool, x,
                 {.weights = body.modules().dense(kAttentionPool, 1, size), .reads = Form::s16, .makes = Form::s16});
    return g.weighted_rows(kPooler, x, scores);
  }

  const JsonObject& config_;
  const JsonObject arguments_;
  CheckpointTensors& tensors_;
  const CompactName name_;
  ImageSettings image_ = {};
  VitConfig vit_ = {};
  Convolution layer_ = {};  // but for its weights
  int tokens_ = 0, classes_ = 0;
};

Model::Data read(Checkpoint checkpoint) {
  const JsonObject& config = checkpoint.config;
  const AttentionMethod method = read_attention_method(config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), "");
  Model::Data data;
  Compact compact(config, tensors, data.warnings);
  VitBody body(compact.vit(), kNames, method, tensors);
  data.graph = compact.graph(body);
  data.tensors = std::move(tensors).finish({});
  data.info = body.info("cct");
  if (compact.tokens() > 0) data.info.max_positions = compact.tokens();
  const bool pools = data.graph.find_output(kPooler) != nullptr;
  data.info.embedding = {.pooling = {pools ? Pooling::mean : Pooling::cls}, .output = pools ? kPooler : ""};
  data.info.classes = compact.classes();
  describe_method(data.graph, method, data.info);
  if (config.has("pretrained_cfg"))
    warn_of_unread_keys(config, {"label_descriptions", "label_names", "labels"}, data.warnings);
  return data;
}

bool reads(const JsonObject& config) {
  return model_type(config).empty() && config.has("architecture") && parse(config.text("architecture"));
}

}  // namespace

const Family kCompact = {
    .model_types = "\"architecture\" cct_..., cvt_... or vit_LAYERS_PATCH_SIZE", .reads = reads, .read = read};

}  // namespace octavo

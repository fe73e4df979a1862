#include "models/vision/timm_config.h"

#include "models/directory/image_config.h"
#include "models/parts/config_keys.h"

#include <algorithm>
#include <cctype>
#include <cmath>

namespace octavo {
namespace {

constexpr std::string_view kHarmless[] = {"num_features",
                                          "num_classes",
                                          "label_descriptions",
                                          "label_names",
                                          "labels",
                                          "torch_dtype",
                                          "dtype",
                                          "transformers_version",
                                          "_name_or_path",
                                          "architectures",
                                          "do_pooling",
                                          "initializer_range",
                                          "id2label",
                                          "label2id"};

// Arguments that matter to training, to other sizes of pictures, or to how the model is made.
constexpr std::string_view kWithoutEffect[] = {
    "drop_rate",       "pos_drop_rate",     "patch_drop_rate", "proj_drop_rate",   "attn_drop_rate",
    "drop_path_rate",  "weight_init",       "fix_init",        "dynamic_img_size", "dynamic_img_pad",
    "strict_img_size", "pretrained_strict", "out_indices",     "img_size",         "global_pool"};

/// The words of an architecture's name without its tag: "vit", "base", "patch16", "clip", "224".
std::vector<std::string> words_of(const std::string& architecture) {
  std::vector<std::string> words(1);
  for (const char c : architecture.substr(0, architecture.find('.'))) {
    if (c == '_')
      words.emplace_back();
    else
      words.back() += c;
  }
  return words;
}

bool has_word(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// timm's number of heads by the word for the size; 0 when there is none.
int heads_of(const std::vector<std::string>& words) {
  constexpr std::pair<std::string_view, int> sizes[] = {
      {"tiny", 3},   {"xsmall", 4}, {"small", 6},  {"medium", 8},    {"betwixt", 10}, {"base", 12},
      {"large", 16}, {"huge", 16},  {"giant", 16}, {"gigantic", 16}, {"so150m", 14},  {"so400m", 16}};
  const bool plain_gap = has_word(words, "gap") && !has_word(words, "reg4");
  for (const auto& [size, heads] : sizes) {
    if (!has_word(words, size)) continue;
    if (size == "base" && plain_gap) return 16;
    return size == "base" && has_word(words, "plus") ? 14 : heads;
  }
  return 0;
}

/// Words that stand for nothing but what the tensors show, or for where the weights came from.
bool is_plain(const std::string& word) {
  constexpr std::string_view known[] = {"vit",    "deit", "deit3", "clip", "quickgelu", "gap",  "plus",   "distilled",
                                        "dinov2", "miil", "sam",   "dino", "in21k",     "reg4", "laion2b"};
  const std::string_view digits = std::string_view(word).substr(word.starts_with("patch") ? 5 : 0);
  if (!digits.empty() && std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c); }))
    return true;
  return std::find(std::begin(known), std::end(known), word) != std::end(known) || heads_of({word}) > 0;
}

void expect_flag(const JsonObject& arguments, std::string_view key, bool shown) {
  if (arguments.has(key) && arguments.flag(key) != shown)
    arguments.fail(key, std::string(shown ? "true" : "false") + ", as the checkpoint's tensors show");
}

void expect_number(const JsonObject& arguments, std::string_view key, std::int64_t shown) {
  if (arguments.has(key) && arguments.integer(key, 0, 1 << 24) != shown)
    arguments.fail(key, std::to_string(shown) + ", as the checkpoint's tensors show");
}

/// A number that leaves a tensor where it is not 0.
void expect_flag_of_number(const JsonObject& arguments, std::string_view key, bool shown) {
  if ((arguments.number(key, -1e3, 1e3) != 0) != shown)
    arguments.fail(key, std::string(shown ? "a number" : "none") + ", as the checkpoint's tensors show");
}

void refuse_flag(const JsonObject& arguments, std::string_view key) {
  if (arguments.has(key) && arguments.flag(key)) arguments.fail(key, "false");
}

void refuse(const JsonObject& arguments, std::string_view key) {
  if (arguments.has(key)) arguments.fail(key, "none: octavo has no such part");
}

std::int64_t dimension(const CheckpointTensors& tensors, const std::string& name, std::size_t axis) {
  if (!tensors.has(name)) return 0;
  const Tensor::Shape& shape = tensors.shape(name);
  return axis < shape.size() ? shape[axis] : 0;
}

int depth_of(const CheckpointTensors& tensors) {
  int depth = 0;
  while (depth < 1000 && tensors.has("blocks." + std::to_string(depth) + ".norm1.weight")) ++depth;
  return depth;
}

/// Arguments that the tensors show: a checkpoint that says otherwise could not be loaded by timm.
void compare_with_tensors(const JsonObject& arguments, const CheckpointTensors& tensors) {
  const std::int64_t width = dimension(tensors, "patch_embed.proj.weight", 0);
  expect_flag(arguments, "class_token", tensors.has("cls_token"));
  expect_flag(arguments, "pre_norm", tensors.has("norm_pre.weight"));
  expect_flag(arguments, "qkv_bias", tensors.has("blocks.0.attn.qkv.bias"));
  expect_flag(arguments, "proj_bias", tensors.has("blocks.0.attn.proj.bias"));
  expect_flag(arguments, "fc_norm", tensors.has("fc_norm.weight"));
  if (!arguments.flag_or("final_norm", true)) arguments.fail("final_norm", "true");
  if (arguments.has("init_values")) expect_flag_of_number(arguments, "init_values", tensors.has("blocks.0.ls1.gamma"));
  expect_number(arguments, "reg_tokens", dimension(tensors, "reg_token", 1));
  expect_number(arguments, "embed_dim", width);
  expect_number(arguments, "depth", depth_of(tensors));
  expect_number(arguments, "num_classes", dimension(tensors, "head.weight", 0));
  expect_number(arguments, "in_chans", 3);
  if (arguments.has("patch_size") &&
      square_edge(arguments, "patch_size") != dimension(tensors, "patch_embed.proj.weight", 2))
    arguments.fail("patch_size", "that of tensor patch_embed.proj.weight");
  const std::int64_t hidden = dimension(tensors, "blocks.0.mlp.fc1.weight", 0);
  if (arguments.has("mlp_ratio") &&
      static_cast<std::int64_t>(static_cast<double>(width) * arguments.number("mlp_ratio", 0.01, 100)) != hidden)
    arguments.fail("mlp_ratio",
                   "that of tensor blocks.0.mlp.fc1.weight, which has " + std::to_string(hidden) + " rows");
}

/// no_embed_class says whether positions are those of the patches alone.
void compare_positions(const JsonObject& arguments, const CheckpointTensors& tensors) {
  if (!arguments.has("no_embed_class")) return;
  const std::int64_t edge = dimension(tensors, "patch_embed.proj.weight", 2), rows = dimension(tensors, "pos_embed", 1);
  const std::int64_t prefix = (tensors.has("cls_token") ? 1 : 0) + dimension(tensors, "reg_token", 1);
  // With a square grid of patches the number of rows tells; without tokens before the patches it does not matter.
  const auto side = static_cast<std::int64_t>(std::lround(std::sqrt(static_cast<double>(rows))));
  if (prefix > 0 && edge > 0) expect_flag(arguments, "no_embed_class", side * side == rows);
}

void read_arguments(const JsonObject& arguments, const CheckpointTensors& tensors) {
  compare_with_tensors(arguments, tensors);
  compare_positions(arguments, tensors);
  for (const char* key : {"qk_norm", "scale_attn_norm", "scale_mlp_norm", "pool_include_prefix", "use_naflex"})
    refuse_flag(arguments, key);
  for (const char* key : {"embed_layer", "block_fn", "mlp_layer", "attn_layer"}) refuse(arguments, key);
  if (arguments.text_or("pos_embed", "learn") != "learn") arguments.fail("pos_embed", "learn");
  // timm has no argument by another name either.
  for (const std::string& key : arguments.unread()) {
    if (std::find(std::begin(kWithoutEffect), std::end(kWithoutEffect), key) == std::end(kWithoutEffect))
      arguments.fail(key, "no such argument");
  }
}

/// Tensors that a name of an architecture or others stand for.
std::vector<std::string> needed_tensors(const std::vector<std::string>& words, const CheckpointTensors& tensors) {
  std::vector<std::string> needed;
  if (!tensors.has("norm_pre.weight")) needed.emplace_back("patch_embed.proj.bias");
  if (has_word(words, "reg4")) needed.emplace_back("reg_token");
  const bool two = has_word(words, "distilled"), head = tensors.has("head.weight");
  if (two) needed.emplace_back("dist_token");
  if (head) needed.emplace_back("head.bias");
  if (head && two) needed.insert(needed.end(), {"head_dist.weight", "head_dist.bias"});
  return needed;
}

/// norm_layer and embed_norm_layer: "layernorm", which timm makes with an epsilon of 1e-6.
bool is_layer_norm(const JsonObject& arguments, std::string_view key) {
  if (!arguments.has(key)) return false;
  std::string name;
  for (const char c : arguments.text(key)) {
    if (c != '_') name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (name != "layernorm") arguments.fail(key, "layernorm");
  return true;
}

}  // namespace

TimmArchitecture read_timm_architecture(const JsonObject& config, const CheckpointTensors& tensors,
                                        std::vector<std::string>& warnings) {
  const JsonObject arguments = config.section("model_args");
  const std::vector<std::string> words = words_of(config.text("architecture"));
  TimmArchitecture result{.heads = heads_of(words), .epsilon = has_word(words, "clip") ? 1e-5 : 1e-6};
  for (const std::string& word : words) {
    if (!is_plain(word))
      config.fail("architecture", "a plain ViT or DeiT: octavo does not know what \"" + word + "\" means");
  }
  if (has_word(words, "dinov2") && has_word(words, "giant"))
    config.fail("architecture", "another size: octavo has no SwiGLU");
  if (arguments.has("num_heads")) result.heads = static_cast<int>(arguments.integer("num_heads", 1, 1024));
  if (result.heads == 0)
    config.fail("architecture", "a name with a size (tiny, small, base, large, huge), or model_args.num_heads");
  if (arguments.has("act_layer"))
    result.activation = read_activation(arguments, "act_layer", Activation::gelu);
  else if (has_word(words, "quickgelu"))
    result.activation = Activation::quick_gelu;
  if (is_layer_norm(arguments, "norm_layer")) result.epsilon = 1e-6;
  if (is_layer_norm(arguments, "embed_norm_layer") && result.epsilon != 1e-6)
    arguments.fail("embed_norm_layer", "none: its epsilon is not that of the other norms");
  read_arguments(arguments, tensors);
  result.biases = arguments.flag_or("proj_bias", true);
  result.needed = needed_tensors(words, tensors);
  // transformers writes num_classes of a model without a head as well, 2 by default.
  const bool has_head = tensors.has("head.weight") || model_type(config) != "timm_wrapper" ||
                        architecture(config).ends_with("ForImageClassification");
  if (has_head) expect_number(config, "num_classes", dimension(tensors, "head.weight", 0));
  if (config.has("pretrained_cfg")) warn_of_unknown_keys(config, kHarmless, warnings);
  return result;
}

bool timm_mean_pooling(const JsonObject& config, const CheckpointTensors& tensors, std::vector<std::string>& warnings) {
  const JsonObject arguments = config.section("model_args");
  const bool mean = tensors.has("fc_norm.weight");
  const JsonObject& decides = arguments.has("global_pool") ? arguments : config;
  const bool gap = has_word(words_of(config.text("architecture")), "gap");
  const std::string pool = decides.text_or("global_pool", mean || gap ? "avg" : "token");
  if (pool != (mean ? "avg" : "token")) {
    decides.fail("global_pool",
                 mean ? "avg, since the checkpoint has fc_norm"
                      : "token, since the checkpoint has no fc_norm: a mean of what a norm gave is not supported");
  }
  if (config.text_or("global_pool", pool) != pool)
    warnings.push_back(config.where() + ": global_pool contradicts model_args.global_pool, " + pool +
                       ", which is taken");
  return mean;
}

}  // namespace octavo

// timm's pretrained_cfg, and the names of classes.
#include "models/directory/image_config.h"

#include "graph/image_names.h"
#include "models/parts/config_keys.h"

#include <cmath>

namespace octavo {
namespace {

constexpr std::array<double, 3> kImageNetMean = {0.485, 0.456, 0.406}, kImageNetDeviation = {0.229, 0.224, 0.225};

// Of pretrained_cfg: where weights came from, and what matters to training or to other sizes.
constexpr std::string_view kHarmless[] = {
    "url", "file", "hf_hub_id", "hf_hub_filename", "source", "architecture", "tag", "custom_load", "license",
    "description", "origin_url", "paper_name", "paper_ids", "notes", "first_conv", "classifier", "pool_size",
    "test_pool_size", "num_classes", "label_names", "label_descriptions", "labels", "num_features", "min_input_size",
    "test_input_size", "test_crop_pct", "fixed_input_size",
    // Of the file, where it is flat.
    "model_args", "global_pool", "attention_method", "torch_dtype", "dtype", "transformers_version", "_name_or_path"};

/// One number for all channels, or three.
std::array<double, 3> channels_or(const JsonObject& object, std::string_view key,
                                  const std::array<double, 3>& otherwise, double smallest) {
  if (!object.has(key)) return otherwise;
  const std::vector<double> numbers = object.numbers(key, smallest, 1e3);
  if (numbers.size() == 1) return {numbers[0], numbers[0], numbers[0]};
  if (numbers.size() != 3) object.fail(key, "three numbers");
  return {numbers[0], numbers[1], numbers[2]};
}

void read_timm_size(const JsonObject& config, const JsonObject& settings, ImageSettings& result) {
  if (settings.has("input_size")) {
    const std::vector<int> size = settings.integers("input_size", 1, kLargestEdge);
    if (size.size() != 3 || size[0] != 3) settings.fail("input_size", "[3, height, width]");
    result.height = size[1];
    result.width = size[2];
  }
  const JsonObject arguments = config.section("model_args");
  if (!arguments.has("img_size")) return;
  const int edge = square_edge(arguments, "img_size");
  if (settings.flag_or("fixed_input_size", false)) {  // timm repairs input_size
    result.width = result.height = edge;
  } else if (edge != result.width || edge != result.height) {
    arguments.fail("img_size", "the size of pretrained_cfg.input_size, " + std::to_string(result.height) + " x " +
                                   std::to_string(result.width) + ": position embeddings are not resized");
  }
}

/// Where names of classes stand under one of these keys: a list, or an object from "0", "1", ... to them.
std::vector<std::string> names_of(const JsonObject& object, std::string_view key, int classes) {
  if (object.is_array(key)) return object.texts(key);
  std::vector<std::string> names;
  const JsonObject numbered = object.section(key);
  for (int i = 0; i < classes && numbered.has(std::to_string(i)); ++i)
    names.push_back(numbered.text(std::to_string(i)));
  return names;
}

}  // namespace

int square_edge(const JsonObject& object, std::string_view key) {
  if (object.is_number(key)) return static_cast<int>(object.integer(key, 1, kLargestEdge));
  const std::vector<int> edges = object.integers(key, 1, kLargestEdge);
  if (edges.size() != 2 || edges[0] != edges[1]) object.fail(key, "one number, or two that are alike");
  return edges[0];
}

ImageSettings read_timm_images(const JsonObject& config, std::vector<std::string>& warnings) {
  const JsonObject settings = config.has("pretrained_cfg") ? config.section("pretrained_cfg") : config;
  ImageSettings result{.mean = channels_or(settings, "mean", kImageNetMean, -1e3),
                       .deviation = channels_or(settings, "std", kImageNetDeviation, 1e-3)};
  read_timm_size(config, settings, result);
  if (settings.has("interpolation")) result.interpolation = read_name(settings, "interpolation", kInterpolations);
  const double crop = settings.number_or("crop_pct", 0.1, 2.0, 0.875);
  result.resize_width = static_cast<int>(std::floor(result.width / crop));
  result.resize_height = static_cast<int>(std::floor(result.height / crop));
  const std::string mode = settings.text_or("crop_mode", "center");
  if (mode != "center" && mode != "squash") settings.fail("crop_mode", "center or squash");
  result.resize = mode == "center" ? Resize::shortest_edge : Resize::both_edges;
  if (result.resize == Resize::shortest_edge && result.width != result.height)
    settings.fail("input_size", "a square with crop_mode center");
  // timm takes so many rows off the head of a checkpoint.
  if (settings.integer_or("label_offset", 0, 1 << 20, 0) != 0) settings.fail("label_offset", "0");
  warn_of_unknown_keys(settings, kHarmless, warnings);
  return result;
}

std::vector<std::string> labels_of_config(const JsonObject& config, int classes) {
  std::vector<std::string> labels;
  for (const char* key : {"id2label", "label_names", "labels"}) {
    if (labels.empty() && config.has(key)) labels = names_of(config, key, classes);
  }
  if (static_cast<int>(labels.size()) != classes) labels.clear();
  return labels;
}

}  // namespace octavo

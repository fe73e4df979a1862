// The image processors of Hugging Face: preprocessor_config.json, or a section of processor_config.json.
#include "models/directory/image_config.h"
#include "models/parts/config_keys.h"

#include <algorithm>
#include <array>

namespace octavo {
namespace {

/// A size: {"height", "width"}, or {"shortest_edge"}.
struct Size {
  int height = 0, width = 0;
  bool shortest_edge = false;
};

/// What a class of transformers does where the file is silent. All of them resize, rescale and normalise.
struct ProcessorClass {
  std::string_view name;
  Interpolation interpolation;
  std::array<double, 3> mean, deviation;
  Size size;
  bool centre_crop;
  bool number_is_square;  ///< a size that is a number is that of both edges, not of the shorter one
};

constexpr std::array<double, 3> kHalf = {0.5, 0.5, 0.5};
constexpr std::array<double, 3> kClipMean = {0.48145466, 0.4578275, 0.40821073},
                                kClipDeviation = {0.26862954, 0.26130258, 0.27577711};
constexpr Size kSquare224 = {.height = 224, .width = 224};

constexpr ProcessorClass kClasses[] = {
    {"ViTImageProcessor", Interpolation::bilinear, kHalf, kHalf, kSquare224, false, true},
    {"DeiTImageProcessor", Interpolation::bicubic, kHalf, kHalf, {.height = 256, .width = 256}, true, true},
    {"CLIPImageProcessor",
     Interpolation::bicubic,
     kClipMean,
     kClipDeviation,
     {.height = 224, .width = 224, .shortest_edge = true},
     true,
     false},
    {"BitImageProcessor",
     Interpolation::bicubic,
     kClipMean,
     kClipDeviation,
     {.height = 224, .width = 224, .shortest_edge = true},
     true,
     false},
    {"SiglipImageProcessor", Interpolation::bicubic, kHalf, kHalf, kSquare224, false, false},
    {"BeitImageProcessor", Interpolation::bicubic, kHalf, kHalf, kSquare224, false, true}};

// Names of classes and of backends, and what pictures in other layouts or batches would need.
constexpr std::string_view kHarmless[] = {"do_convert_rgb",
                                          "processor_class",
                                          "feature_extractor_type",
                                          "return_tensors",
                                          "data_format",
                                          "input_data_format",
                                          "device",
                                          "disable_grouping",
                                          "image_seq_length",
                                          "_valid_processor_keys",
                                          "crop_size",
                                          "do_reduce_labels",
                                          "reduce_labels",
                                          "size",
                                          "resample",
                                          "rescale_factor",
                                          "image_mean",
                                          "image_std",
                                          "pad_size"};

void take_off(std::string& text, std::string_view ending) {
  if (text.ends_with(ending)) text.resize(text.size() - ending.size());
}

const ProcessorClass& class_of(const JsonObject& processor, std::string_view otherwise) {
  if (processor.has("auto_map")) processor.fail("auto_map", "none: code that comes with a checkpoint is not run");
  const char* key = processor.has("image_processor_type") ? "image_processor_type" : "feature_extractor_type";
  std::string name = processor.text_or(key, "");
  for (const char* backend : {"Fast", "Pil"}) take_off(name, backend);
  if (name.ends_with("FeatureExtractor")) {
    take_off(name, "FeatureExtractor");
    name += "ImageProcessor";
  }
  if (name.empty()) name = otherwise;
  const auto* found = std::find_if(std::begin(kClasses), std::end(kClasses),
                                   [&name](const ProcessorClass& known) { return known.name == name; });
  if (found == std::end(kClasses))
    processor.fail(key,
                   "ViTImageProcessor, DeiTImageProcessor, CLIPImageProcessor, BitImageProcessor, SiglipImageProcessor "
                   "or BeitImageProcessor");
  return *found;
}

int edge(const JsonObject& object, std::string_view key) {
  return static_cast<int>(object.integer(key, 1, kLargestEdge));
}

Size read_size(const JsonObject& object, std::string_view key, const Size& otherwise, bool number_is_square) {
  if (!object.has(key)) return otherwise;
  if (object.is_number(key)) {
    const int both = edge(object, key);
    return {.height = both, .width = both, .shortest_edge = !number_is_square};
  }
  if (object.is_array(key)) {
    const std::vector<int> edges = object.integers(key, 1, kLargestEdge);
    if (edges.size() != 2) object.fail(key, "[height, width]");
    return {.height = edges[0], .width = edges[1]};
  }
  const JsonObject size = object.section(key);
  if (size.has("shortest_edge")) {
    size.allow_only({"shortest_edge"});
    const int shortest = edge(size, "shortest_edge");
    return {.height = shortest, .width = shortest, .shortest_edge = true};
  }
  size.allow_only({"height", "width"});
  return {.height = edge(size, "height"), .width = edge(size, "width")};
}

void read_resize(const JsonObject& processor, const ProcessorClass& defaults, ImageSettings& result) {
  constexpr Interpolation pillow[] = {Interpolation::nearest, Interpolation::lanczos, Interpolation::bilinear,
                                      Interpolation::bicubic, Interpolation::box,     Interpolation::hamming};
  result.interpolation = defaults.interpolation;
  if (!processor.flag_or("do_resize", true)) {
    result.resize = Resize::none;
    return;
  }
  if (processor.has("resample"))
    result.interpolation = pillow[static_cast<std::size_t>(processor.integer("resample", 0, 5))];
  const Size size =
      read_size(processor, "size", defaults.size, processor.flag_or("default_to_square", defaults.number_is_square));
  result.resize = size.shortest_edge ? Resize::shortest_edge : Resize::both_edges;
  result.resize_width = size.width;
  result.resize_height = size.height;
}

/// What the model sees must be of `model` pixels along an edge, or where that is 0 of the processor's; where it depends
/// on the picture, prepare_image() looks.
void read_crop(int model, const JsonObject& processor, const ProcessorClass& defaults, ImageSettings& result) {
  const bool crop = processor.flag_or("do_center_crop", defaults.centre_crop);
  Size seen{.height = result.resize_height, .width = result.resize_width};
  if (crop && !defaults.centre_crop && !processor.has("crop_size"))
    processor.fail("crop_size", "a size, since do_center_crop is true");
  if (crop) seen = read_size(processor, "crop_size", kSquare224, true);
  if (crop && seen.shortest_edge) processor.fail("crop_size", "a height and a width");
  result.crop = crop ? Crop::centre_down : Crop::none;
  const bool depends_on_picture = !crop && result.resize != Resize::both_edges;
  if (model == 0 && depends_on_picture) processor.fail("do_center_crop", "true, or a size of both edges");
  result.width = model == 0 ? seen.width : model;
  result.height = model == 0 ? seen.height : model;
  if (model == 0) return;
  if (!depends_on_picture && (seen.height != model || seen.width != model)) {
    processor.fail(crop ? "crop_size" : "size", "pictures of config.json's image_size " + std::to_string(model));
  }
}

/// One number for all channels, or three.
std::array<double, 3> channels_or(const JsonObject& object, std::string_view key,
                                  const std::array<double, 3>& otherwise) {
  if (!object.has(key)) return otherwise;
  if (object.is_number(key)) {
    const double all = object.number(key, -1e5, 1e5);
    return {all, all, all};
  }
  const std::vector<double> numbers = object.numbers(key, -1e5, 1e5);
  if (numbers.size() != 3) object.fail(key, "a number, or three");
  return {numbers[0], numbers[1], numbers[2]};
}

/// (level * factor - mean) / deviation, as one mean and deviation of level / 255.
void read_normalisation(const JsonObject& processor, const ProcessorClass& defaults, ImageSettings& result) {
  double factor = 1.0;
  if (processor.flag_or("do_rescale", true)) factor = processor.number_or("rescale_factor", 1e-6, 1e3, 1.0 / 255);
  // 1 / 255 as it is written is 1: the constants then stay as they are.
  double scale = factor * 255;
  if (std::abs(scale - 1.0) < 1e-6) scale = 1.0;
  const bool normalise = processor.flag_or("do_normalize", true);
  const auto mean = normalise ? channels_or(processor, "image_mean", defaults.mean) : std::array<double, 3>{0, 0, 0};
  const auto deviation =
      normalise ? channels_or(processor, "image_std", defaults.deviation) : std::array<double, 3>{1, 1, 1};
  for (std::size_t i = 0; i < 3; ++i) {
    result.mean[i] = mean[i] / scale;
    result.deviation[i] = deviation[i] / scale;
    if (std::abs(result.mean[i]) > 1e3) processor.fail("image_mean", "at most 1000 times the largest level");
    if (result.deviation[i] < 1e-5 || result.deviation[i] > 1e3)
      processor.fail("image_std", "numbers from 0.00001 to 1000 times the largest level");
  }
}

/// Other steps would change pixels.
void refuse_other_steps(const JsonObject& processor) {
  if (processor.flag_or("do_pad", false)) processor.fail("do_pad", "false");
  for (const std::string& key : processor.unread()) {
    const bool harmless = std::find(std::begin(kHarmless), std::end(kHarmless), key) != std::end(kHarmless);
    if (key.starts_with("do_") && !harmless && processor.flag(key))
      processor.fail(key, "false: octavo has no such step");
  }
}

}  // namespace

std::optional<JsonObject> read_image_processor(const std::filesystem::path& directory) {
  const std::filesystem::path both = directory / "processor_config.json", own = directory / "preprocessor_config.json";
  if (std::filesystem::exists(both)) {
    const JsonObject processor = JsonObject::read(both, "processor_config.json");
    if (processor.has("image_processor")) return processor.section("image_processor");
  }
  if (std::filesystem::exists(own)) return JsonObject::read(own, "preprocessor_config.json");
  return {};
}

ImageSettings read_hugging_face_images(const JsonObject& config, const std::optional<JsonObject>& processor,
                                       const ImageDefaults& defaults_of_family, std::vector<std::string>& warnings) {
  const JsonObject settings = processor ? *processor : JsonObject::parse("{}", "preprocessor_config.json");
  const ProcessorClass& defaults = class_of(settings, defaults_of_family.processor);
  const int image_size = config.has("image_size") ? square_edge(config, "image_size") : 224;
  ImageSettings result;
  read_resize(settings, defaults, result);
  read_crop(defaults_of_family.size_of_model ? image_size : 0, settings, defaults, result);
  read_normalisation(settings, defaults, result);
  refuse_other_steps(settings);
  if (!processor) {
    warnings.push_back("preprocessor_config.json: is missing; pictures are prepared with the defaults of " +
                       std::string(defaults.name));
  }
  warn_of_unknown_keys(settings, kHarmless, warnings);
  return result;
}

}  // namespace octavo

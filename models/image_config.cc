#include "models/image_config.h"

#include <cmath>
#include <optional>

namespace octavo {
namespace {

constexpr int kLargestEdge = 4096;

int edge(const JsonObject& object, std::string_view key) {
  return static_cast<int>(object.integer(key, 1, kLargestEdge));
}

/// Three numbers of an array, if it is there.
std::array<double, 3> triple_or(const JsonObject& object, std::string_view key, const std::array<double, 3>& otherwise,
                                double smallest, double largest) {
  if (!object.has(key)) return otherwise;
  const std::vector<double> numbers = object.numbers(key, smallest, largest);
  if (numbers.size() != 3) object.fail(key, "three numbers");
  return {numbers[0], numbers[1], numbers[2]};
}

constexpr std::array<double, 3> kImageNetMean = {0.485, 0.456, 0.406}, kImageNetDeviation = {0.229, 0.224, 0.225};
constexpr std::array<double, 3> kHalf = {0.5, 0.5, 0.5};

Interpolation timm_interpolation(const JsonObject& config) {
  const std::string name = config.text_or("interpolation", "bicubic");
  if (name == "bicubic") return Interpolation::bicubic;
  if (name == "bilinear") return Interpolation::bilinear;
  config.fail("interpolation", "bicubic or bilinear");
}

/// A size of preprocessor_config.json: a number, {"height", "width"} or {"shortest_edge"}.
struct Size {
  int width = 0, height = 0;
  bool shortest_edge = false;
};

std::optional<Size> read_size(const JsonObject& object, std::string_view key) {
  if (!object.has(key)) return {};
  if (object.is_number(key)) {
    const int both = edge(object, key);
    return Size{.width = both, .height = both};
  }
  const JsonObject size = object.section(key);
  if (size.has("shortest_edge")) {
    const int shortest = edge(size, "shortest_edge");
    return Size{.width = shortest, .height = shortest, .shortest_edge = true};
  }
  return Size{.width = edge(size, "width"), .height = edge(size, "height")};
}

}  // namespace

ImageSettings read_timm_images(const JsonObject& config) {
  // Old files hold the keys of pretrained_cfg at the top.
  const JsonObject settings = config.has("pretrained_cfg") ? config.section("pretrained_cfg") : config;
  ImageSettings result{.mean = triple_or(settings, "mean", kImageNetMean, -1e3, 1e3),
                       .deviation = triple_or(settings, "std", kImageNetDeviation, 1e-3, 1e3)};
  if (settings.has("input_size")) {
    const std::vector<int> size = settings.integers("input_size", 1, kLargestEdge);
    if (size.size() != 3 || size[0] != 3) settings.fail("input_size", "[3, height, width]");
    result.height = size[1];
    result.width = size[2];
  }
  result.interpolation = timm_interpolation(settings);
  const double crop = settings.number_or("crop_pct", 0.1, 1.0, 0.875);
  result.resize_width = static_cast<int>(std::floor(result.width / crop));
  result.resize_height = static_cast<int>(std::floor(result.height / crop));
  const std::string mode = settings.text_or("crop_mode", "center");
  if (mode != "center" && mode != "squash") settings.fail("crop_mode", "center or squash");
  result.resize = mode == "center" ? Resize::shortest_edge : Resize::both_edges;
  if (result.resize == Resize::shortest_edge && result.width != result.height)
    settings.fail("input_size", "a square with crop_mode center");
  return result;
}

ImageSettings read_hugging_face_images(const JsonObject& config, const JsonObject& preprocessor) {
  const int size = config.integer_or("image_size", 1, kLargestEdge, 224);
  ImageSettings result{.width = size,
                       .height = size,
                       .resize_width = size,
                       .resize_height = size,
                       .interpolation = Interpolation::bilinear,
                       .mean = triple_or(preprocessor, "image_mean", kHalf, -1e3, 1e3),
                       .deviation = triple_or(preprocessor, "image_std", kHalf, 1e-3, 1e3)};
  const int resample = preprocessor.integer_or("resample", 0, 5, 2);  // Pillow's numbers
  if (resample != 2 && resample != 3) preprocessor.fail("resample", "2 (bilinear) or 3 (bicubic)");
  if (resample == 3) result.interpolation = Interpolation::bicubic;
  for (const char* step : {"do_resize", "do_rescale", "do_normalize"}) {
    if (!preprocessor.flag_or(step, true)) preprocessor.fail(step, "true");
  }
  if (std::abs(preprocessor.number_or("rescale_factor", 0.0, 1.0, 1.0 / 255) * 255 - 1.0) > 1e-6) {
    preprocessor.fail("rescale_factor", "1 / 255");
  }
  if (const auto resized = read_size(preprocessor, "size")) {
    result.resize_width = resized->width;
    result.resize_height = resized->height;
    result.resize = resized->shortest_edge ? Resize::shortest_edge : Resize::both_edges;
  }
  const bool crop = preprocessor.flag_or("do_center_crop", false);
  const std::optional<Size> cropped = crop ? read_size(preprocessor, "crop_size") : std::nullopt;
  const int width = cropped ? cropped->width : result.resize_width,
            height = cropped ? cropped->height : result.resize_height;
  if (width != size || height != size || (result.resize == Resize::shortest_edge && !crop)) {
    preprocessor.fail(crop ? "crop_size" : "size", "pictures of image_size " + std::to_string(size));
  }
  return result;
}

std::vector<std::string> labels_of_config(const JsonObject& config, int classes) {
  std::vector<std::string> labels;
  if (config.has("id2label")) {
    const JsonObject names = config.section("id2label");
    for (int i = 0; i < classes && names.has(std::to_string(i)); ++i) labels.push_back(names.text(std::to_string(i)));
  } else if (config.has("label_names")) {
    labels = config.texts("label_names");
  }
  if (static_cast<int>(labels.size()) != classes) labels.clear();
  return labels;
}

}  // namespace octavo

#include "model_file/info_json.h"

#include "graph/graph.h"
#include "graph/image_names.h"
#include "graph/text_task.h"
#include "model_file/attention_json.h"
#include "model_file/embedding_json.h"

#include <array>
#include <utility>

namespace octavo {
namespace {

using nlohmann::json;

json softmax_to_json(ClippedSoftmax softmax) {
  json result = json::object();
  Fields fields(result);
  describe(fields, softmax);
  return result;
}

ClippedSoftmax softmax_from_json(const JsonObject& json) {
  ClippedSoftmax softmax;
  Fields fields(json);
  describe(fields, softmax);
  return softmax;
}

json image_to_json(const ImageSettings& image) {
  return {{"size", {image.width, image.height}},
          {"resize", {image.resize_width, image.resize_height}},
          {"resize_mode", name_in(kResizes, image.resize)},
          {"crop", name_in(kCrops, image.crop)},
          {"interpolation", name_in(kInterpolations, image.interpolation)},
          {"mean", image.mean},
          {"std", image.deviation}};
}

int read_int(const JsonObject& object, std::string_view key, int smallest, int largest) {
  return static_cast<int>(object.integer(key, smallest, largest));
}

std::pair<int, int> read_size(const JsonObject& object, std::string_view key) {
  const std::vector<int> size = object.integers(key, 1, 65536);
  if (size.size() != 2) object.fail(key, "[width, height]");
  return {size[0], size[1]};
}

std::array<double, 3> read_triple(const JsonObject& object, std::string_view key) {
  const std::vector<double> numbers = object.numbers(key, -1e3, 1e3);
  if (numbers.size() != 3) object.fail(key, "three numbers");
  return {numbers[0], numbers[1], numbers[2]};
}

ImageSettings image_from_json(const JsonObject& image) {
  const auto [width, height] = read_size(image, "size");
  const auto [resize_width, resize_height] = read_size(image, "resize");
  // Files of before had keep_aspect for resize_mode, and no crop.
  const Resize resize = image.has("resize_mode")    ? read_name(image, "resize_mode", kResizes)
                        : image.flag("keep_aspect") ? Resize::shortest_edge
                                                    : Resize::both_edges;
  return {.width = width,
          .height = height,
          .resize_width = resize_width,
          .resize_height = resize_height,
          .resize = resize,
          .crop = image.has("crop") ? read_name(image, "crop", kCrops) : Crop::centre_rounded,
          .interpolation = read_name(image, "interpolation", kInterpolations),
          .mean = read_triple(image, "mean"),
          .deviation = read_triple(image, "std")};
}

DecoderInfo decoder_from_json(const JsonObject& decoder, int vocabulary) {
  return {.bos_token = read_int(decoder, "bos_token", 0, vocabulary - 1),
          .eos_tokens = decoder.integer_or_list("eos_token", 0, vocabulary - 1)};
}

}  // namespace

json info_to_json(const ModelInfo& info) {
  json result = {{"name", info.name},
                 {"family", info.family},
                 {"layers", info.layers},
                 {"hidden_size", info.hidden_size},
                 {"attention_heads", info.attention_heads},
                 {"intermediate_size", info.intermediate_size},
                 {"vocab_size", info.vocab_size},
                 {"type_vocab_size", info.type_vocab_size},
                 {"max_positions", info.max_positions},
                 {"softmax", softmax_to_json(info.softmax)},
                 {"gate", {{"kind", info.gate}, {"scale", info.gate_scale}}},
                 {"parameters", info.parameters}};
  add_embedding(info.embedding, result);
  if (info.max_length != info.max_positions) result["max_length"] = info.max_length;
  if (info.padding_token >= 0) result["padding_token"] = info.padding_token;
  if (!info.removed_sublayers.empty()) result["removed_sublayers"] = info.removed_sublayers;
  if (info.classes > 0) result["classes"] = info.classes;
  if (info.task == TextTask::sequence_classification) {
    result["score_function"] = name_of(info.score_function);
    result["pair_function"] = name_of(info.pair_function);
  }
  if (info.decoder) {
    const std::vector<std::int32_t>& ends = info.decoder->eos_tokens;  // one is a number, as it always was
    result["decoder"] = {{"bos_token", info.decoder->bos_token},
                         {"eos_token", ends.size() == 1 ? json(ends[0]) : json(ends)}};
  }
  if (info.image) {
    result["image"] = image_to_json(*info.image);
    result["prefix_tokens"] = info.prefix_tokens;
  }
  return result;
}

ModelInfo info_from_json(const JsonObject& json) {
  const JsonObject gate = json.section("gate");
  ModelInfo info = {.name = json.text("name"),
                    .family = json.text("family"),
                    .layers = read_int(json, "layers", 1, 1000),
                    .hidden_size = read_int(json, "hidden_size", 1, 8192),
                    .attention_heads = read_int(json, "attention_heads", 1, 1024),
                    .intermediate_size = read_int(json, "intermediate_size", 1, kMaxColumns),
                    .vocab_size = read_int(json, "vocab_size", json.has("image") ? 0 : 1, 1 << 24),
                    .type_vocab_size = read_int(json, "type_vocab_size", 0, 1 << 16),
                    .max_positions = read_int(json, "max_positions", 1, 65536),
                    .padding_token = json.integer_or("padding_token", -1, (1 << 24) - 1, -1),
                    .embedding = embedding_from_json(json),
                    .softmax = softmax_from_json(json.section("softmax")),
                    .gate = gate.text("kind"),
                    .gate_scale = gate.number("scale", 1e-3, 1e3),
                    .parameters = json.integer("parameters", 0, std::int64_t{1} << 50),
                    .classes = json.integer_or("classes", 0, kMaxColumns, 0),
                    .prefix_tokens = json.integer_or("prefix_tokens", 0, 1024, 0),
                    .image = json.has("image") ? std::optional(image_from_json(json.section("image"))) : std::nullopt};
  if (info.classes == 1) info.score_function = ScoreFunction::sigmoid;
  if (json.has("score_function")) info.score_function = read_name(json, "score_function", kScoreFunctions);
  if (json.has("pair_function")) info.pair_function = read_name(json, "pair_function", kScoreFunctions);
  info.max_length = json.integer_or("max_length", 1, info.max_positions, info.max_positions);
  if (json.has("removed_sublayers")) info.removed_sublayers = json.texts("removed_sublayers");
  if (json.has("decoder")) info.decoder = decoder_from_json(json.section("decoder"), info.vocab_size);
  return info;
}

}  // namespace octavo

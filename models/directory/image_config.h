// What a checkpoint says about its pictures and classes: timm's pretrained_cfg, Hugging Face's image processor.
#pragma once

#include "io/json_object.h"

#include "octavo/image.h"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace octavo {

/// timm: pretrained_cfg of config.json, or all of config.json in the flat files of before; timm's defaults where it is
/// silent. A setting that octavo does not do as timm is an Error; keys that octavo does not know are warnings.
ImageSettings read_timm_images(const JsonObject& config, std::vector<std::string>& warnings);

/// The image processor of a Hugging Face directory: the section image_processor of processor_config.json, else
/// preprocessor_config.json, else nothing.
std::optional<JsonObject> read_image_processor(const std::filesystem::path& directory);

/// What a family says of its pictures.
struct ImageDefaults {
  std::string_view processor = "ViTImageProcessor";  ///< the class where no file names one
  bool size_of_model = true;  ///< pictures must be of config's image_size; else of the image processor's
};

/// Hugging Face: image_size of a model's config, the rest from the image processor; the defaults of its class where it
/// is silent. A setting that octavo does not do as the original is an Error; keys that octavo does not know are
/// warnings.
ImageSettings read_hugging_face_images(const JsonObject& config, const std::optional<JsonObject>& processor,
                                       const ImageDefaults& defaults, std::vector<std::string>& warnings);

/// id2label or label_names of config.json, when it names exactly these classes in full; else nothing.
std::vector<std::string> labels_of_config(const JsonObject& config, int classes);

/// One edge of a picture that `key` gives, or the two of [height, width], which must then be alike.
int square_edge(const JsonObject& object, std::string_view key);

constexpr int kLargestEdge = 4096;  ///< of the pictures that a model takes

}  // namespace octavo

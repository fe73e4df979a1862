// What a checkpoint says about its pictures and classes: timm's pretrained_cfg, Hugging Face's
// preprocessor_config.json.
#pragma once

#include "io/json_object.h"

#include "octavo/image.h"

#include <string>
#include <vector>

namespace octavo {

/// pretrained_cfg of timm's config.json. A setting that this engine does not do as the original is an Error.
ImageSettings read_timm_images(const JsonObject& config);

/// Hugging Face: image_size of config.json, the rest from preprocessor_config.json, ViT's defaults where it is silent.
ImageSettings read_hugging_face_images(const JsonObject& config, const JsonObject& preprocessor);

/// id2label or label_names of config.json, when it names exactly these classes in full; else nothing.
std::vector<std::string> labels_of_config(const JsonObject& config, int classes);

}  // namespace octavo

// A small random ViT checkpoint under timm's or Hugging Face's names, with the same numbers under both.
#pragma once

#include "tests/support/tiny_bert.h"

#include <string>

namespace octavo::test {

enum class VitNames { timm, hugging_face };

struct TinyVitOptions {
  VitNames names = VitNames::timm;
  int layers = 2, hidden_size = 48, heads = 3, intermediate_size = 80, classes = 10, patch = 8, image = 32;
  bool gate = true, distillation = false, qkv_bias = true, mean_pooling = false, norm_pre = false, patch_norm = false;
  int registers = 0;
  bool positions_of_patches_only = false;
  double gamma = 0.0;
};

struct TinyVit : TinyCheckpoint {
  explicit TinyVit(const TinyVitOptions& options = {});

 private:
  void write_config();

  void layer(int i, std::int64_t d, std::int64_t f);

  void split_qkv(const std::string& attention, std::int64_t d);

  void dense(const std::string& name, std::int64_t columns, std::int64_t inputs);

  const TinyVitOptions o;
  const bool timm;
};

ImageBatch random_images(int count, int size, unsigned seed = 5);

Model quantized_tiny_vit(const TinyVitOptions& options = {}, const CalibrationOptions& calibration = {});

}  // namespace octavo::test

// The tiny models that fuzzing starts from: of each family one whose tokenizer, if it has one, is of the tests.
#pragma once

#include "io/safetensors.h"
#include "tests/support/small_tokenizers.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_opt.h"
#include "tests/support/tiny_vit.h"

#include <string>
#include <string_view>

namespace octavo::fuzz {

inline test::TinyBert tiny_bert() {
  return test::TinyBert({.layers = 1,
                         .hidden_size = 12,
                         .heads = 2,
                         .head_size = 4,
                         .intermediate_size = 8,
                         .vocab_size = static_cast<int>(test::small_vocabulary().size()),
                         .positions = 24});
}

inline test::TinyOpt tiny_opt() {
  return test::TinyOpt({.layers = 1,
                        .hidden_size = 8,
                        .heads = 2,
                        .intermediate_size = 8,
                        .vocab_size = static_cast<int>(test::small_bpe_vocabulary().size()),
                        .word_size = 4,
                        .positions = 24});
}

inline test::TinyVit tiny_vit(test::VitNames names = test::VitNames::timm) {
  return test::TinyVit({.names = names,
                        .layers = 1,
                        .hidden_size = 12,
                        .heads = 3,
                        .intermediate_size = 8,
                        .classes = 3,
                        .patch = 4,
                        .image = 8});
}

/// The same as a BEiT, with a bias of scores by place.
inline test::TinyVit tiny_beit() {
  test::TinyVit beit = tiny_vit(test::VitNames::hugging_face);
  std::map<std::string, Tensor, std::less<>> tensors;
  for (const auto& [name, tensor] : beit.tensors) {
    if (name.find(".alpha.") == name.npos && name.find("position_embeddings") == name.npos)
      tensors[name.starts_with("vit.layernorm") ? "pooler." + name.substr(4)
                                                : name.substr(name.find('.') == 3 ? 4 : 0)] = tensor;
  }
  beit.tensors = std::move(tensors);
  beit.add("encoder.layer.0.attention.attention.relative_position_bias.relative_position_bias_table", {12, 3}, 1.0f);
  for (const char* scale : {"lambda_1", "lambda_2"}) beit.add("encoder.layer.0." + std::string(scale), {12}, 0.5f);
  beit.config["model_type"] = "beit";
  beit.config["use_relative_position_bias"] = true;
  beit.config.erase("attention_method");
  return beit;
}

/// A directory with the weights of a tiny model, or none, whose other files come and go.
class CheckpointFolder {
 public:
  CheckpointFolder() = default;
  explicit CheckpointFolder(const test::TinyCheckpoint& weights) {
    write_safetensors(directory_ / "model.safetensors", weights.tensors, {{"format", "pt"}});
  }

  const std::filesystem::path& path() const { return directory_.path(); }

  /// Removes all but the weights.
  void clear() const {
    for (const std::string& name : directory_.names()) {
      if (name != "model.safetensors") std::filesystem::remove_all(directory_ / name);
    }
  }

  void write(std::string_view name, std::string_view text) const {
    test::write_bytes(directory_ / std::string(name), text);
  }

 private:
  test::TemporaryDirectory directory_;
};

}  // namespace octavo::fuzz

// The tiny models that fuzzing starts from: of each family one whose tokenizer, if it has one, is of the tests.
#pragma once

#include "io/safetensors.h"
#include "tests/support/small_tokenizers.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_opt.h"
#include "tests/support/tiny_vit.h"

#include <string>
#include <string_view>
#include <tuple>

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

/// A Compact Transformer of two convolutions.
struct TinyCct : test::TinyCheckpoint {
  TinyCct() : TinyCheckpoint(3) {
    constexpr int kSize = 8;
    config = {{"architecture", "cct_1_3x2_8"},
              {"num_classes", 3},
              {"model_args", {{"num_heads", 2}}},
              {"pretrained_cfg", {{"input_size", {3, 8, 8}}, {"mean", {0.5, 0.5, 0.5}}, {"std", {0.5, 0.5, 0.5}}}}};
    add("tokenizer.conv_layers.0.0.weight", {4, 3, 3, 3}, 0.3f);
    add("tokenizer.conv_layers.1.0.weight", {kSize, 4, 3, 3}, 0.3f);
    add("classifier.positional_emb", {1, 4, kSize}, 0.3f);
    const std::string block = "classifier.blocks.0.";
    for (const char* name : {"pre_norm", "norm1"}) norm(block + name, kSize);
    norm("classifier.norm", kSize);
    matrix(block + "self_attn.qkv", 3 * kSize, kSize, 1.5f);
    for (const auto& [name, columns, inputs] : {std::tuple{block + "self_attn.proj", kSize, kSize},
                                                {block + "linear1", 2 * kSize, kSize},
                                                {block + "linear2", kSize, 2 * kSize},
                                                {std::string("classifier.attention_pool"), 1, kSize},
                                                {std::string("classifier.fc"), 3, kSize}}) {
      matrix(name, columns, inputs, 1.5f);
      add(name + ".bias", {columns}, 0.2f);
    }
  }
};

/// A BERT whose probabilities are multiplied by factors of distances.
inline test::TinyBert tiny_urpe() {
  test::TinyBert bert = test::TinyBert({.layers = 1,
                                        .hidden_size = 12,
                                        .heads = 2,
                                        .head_size = 4,
                                        .intermediate_size = 8,
                                        .vocab_size = 20,
                                        .positions = 24,
                                        .gate = false});
  bert.add("encoder.layer.0.attention.self.urpe", {2, 9}, 1.0f);
  bert.config["attention_method"] = {{"urpe", true}};
  return bert;
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

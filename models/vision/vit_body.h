// What vision transformers have in common: patches of a picture behind the rows of class and other tokens, then
// pre-LayerNorm layers. Families say what their modules are called and what follows.
#pragma once

#include "models/parts/transformer.h"

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// What a library calls the modules; "" for those that it does not have.
struct VitNames {
  std::string patches, patch_norm = {};
  std::string class_token, distillation_token = {}, registers = {}, positions;
  std::string norm_pre = {};                     ///< of the rows of embeddings, where the checkpoint has it
  std::string layer;                             ///< "blocks.", followed by the layer's index
  std::string norm1, norm2;                      ///< within a layer, as all below; the second may be "", then
  std::string sum_norm = {};                     ///< is that of attention's sum, whose result is the stream
  std::string qkv = {};                          ///< one tensor of three blocks of rows
  std::string query = {}, key = {}, value = {};  ///< or three tensors
  std::string attention, attention_output, hidden, output;
  std::string attention_scale = {}, output_scale = {};  ///< tensors of layer scale, where the checkpoint has them
};

/// What transformers calls them in most of its models; the others change what they call otherwise.
VitNames transformers_names();

/// Which rows the table of positions has.
enum class VitPositions {
  stored,   ///< those of the patches, or also of all tokens before them
  absent,   ///< none: nothing is added
  resized,  ///< of the class token and of a square of patches, which is resized to the picture's
  resized_with_antialiasing
};

struct VitConfig {
  int layers = 0;
  LayerConfig layer = {};
  double epsilon = 0.0;  ///< of LayerNorms
  VitPositions positions = VitPositions::stored;
  ImageSettings image = {};
  std::optional<int> registers = {};               ///< as the config says; else as the tensor does
  std::vector<std::string> needed = {};            ///< tensors that are there in some models, and by the config in this
  std::vector<std::string> needed_in_layers = {};  ///< the same within each layer, named as VitNames does
};

/// Keys that the configs of all families of transformers have; Error names the key.
/// `missing` holds what a key means that is not there.
VitConfig read_vit_config(const JsonObject& config, const VitConfig& missing);

/// The tensors of one checkpoint, taken module by module.
class VitBody {
 public:
  /// Keeps references to all but the names. Throws Error that names a tensor which is missing though the config says
  /// that it is there, or though other layers have it.
  VitBody(const VitConfig& config, VitNames names, const AttentionMethod& method, CheckpointTensors& tensors);

  /// Whether the checkpoint has this module with weights.
  bool has(const std::string& module) const { return tensors_.has(module + ".weight"); }

  /// The stream that layers begin with.
  ValueId embeddings(GraphBuilder& g);

  /// The stream behind the last layer. `biases` holds each layer's bias of scores, or is empty.
  ValueId layers(GraphBuilder& g, ValueId x, const std::vector<ScoreBias>& biases = {});

  Modules& modules() { return modules_; }
  int prefix_rows() const { return prefix_rows_; }

  /// Of the patches, once embeddings() has been called.
  int grid_width() const { return grid_width_; }
  int grid_height() const { return grid_height_; }

  /// Facts of the model, but for what is said of classes and embeddings.
  ModelInfo info(const std::string& family) const;

 private:
  void require_tensors() const;
  int patch_size() const;
  std::vector<PrefixRows> prefix();

  const VitConfig& config_;
  const VitNames names_;
  const AttentionMethod& method_;
  CheckpointTensors& tensors_;
  Modules modules_;
  int prefix_rows_ = 0, grid_width_ = 0, grid_height_ = 0;
};

/// A checkpoint's layers, counted by a tensor of each. Throws Error when there are none.
int count_layers(const CheckpointTensors& tensors, const VitNames& names);

/// patch_size and num_channels must be what the tensors show, and architectures must not name a head of another task;
/// Error names the key.
void check_vit_config(const JsonObject& config, const CheckpointTensors& tensors, const std::string& patches);

/// qkv_bias, true where it is missing: adds the biases to what is needed, or refuses it where there are any.
void read_qkv_bias(const JsonObject& config, const CheckpointTensors& tensors, const VitNames& names,
                   VitConfig& result);

/// Adds the biases that all transformers' layers have to what is needed.
void need_layer_biases(const VitNames& names, VitConfig& result);

/// Adds weight and bias of a dense layer to what is needed, where the checkpoint has one of the two.
void need_whole(const std::string& module, const CheckpointTensors& tensors, VitConfig& result);

/// Adds a classifier of these modules to what is needed, where the class that config.json names, which ends so, has
/// classes, or where the checkpoint has a part of it.
void need_classifier(const JsonObject& config, const CheckpointTensors& tensors,
                     std::initializer_list<std::string> modules, VitConfig& result,
                     std::string_view ending = "ForImageClassification");

}  // namespace octavo

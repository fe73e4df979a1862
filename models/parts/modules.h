// Modules of a checkpoint as ops take them: dense layers and LayerNorms, their tensors found by PyTorch's names.
#pragma once

#include "graph/graph.h"
#include "models/parts/checkpoint.h"

#include <array>
#include <initializer_list>
#include <string>
#include <vector>

namespace octavo {

/// Whether dense layers have a bias.
enum class Biases {
  all,       ///< each must have one
  none,      ///< none is used
  as_found,  ///< each as the checkpoint has it
};

/// What all modules of a checkpoint have in common.
struct ModuleSettings {
  int hidden_size = 0;   ///< that LayerNorms run over
  double epsilon = 0.0;  ///< of LayerNorms
  Biases biases = Biases::all;
  bool tied_words = true;  ///< a vocabulary's product has the word table's weights, whatever else the checkpoint holds
  bool norm_weights = true;  ///< LayerNorms have gains and biases; else ones and zeros are made
  bool norm_biases = true;   ///< those that have gains have biases; else zeros are made
  bool rms_norms = false;    ///< LayerNorms are RMSNorms
};

/// Takes the tensors of modules. Each function throws Error as CheckpointTensors::take does.
class Modules {
 public:
  Modules(CheckpointTensors& tensors, const ModuleSettings& settings) : tensors_(tensors), settings_(settings) {}

  /// `name`.weight [columns, inputs] and `name`.bias [columns].
  LinearBlock dense(const std::string& name, int columns, int inputs);

  /// A dense layer whose columns are multiplied by tensor `scale` [columns] (layer scale); as it is where the
  /// checkpoint has no such tensor.
  LinearBlock scaled(LinearBlock block, const std::string& scale);

  /// A dense layer that reads hidden_size columns and has as many as its weight has rows.
  LinearBlock classifier(const std::string& name);

  /// A vocabulary's product: where it is tied, with the table of words and `bias`; else with `name`.weight and
  /// `name`.bias. Either stands for the other where the checkpoint lacks it; one that is not used may be a copy.
  LinearBlock decoder(const std::string& name, const std::string& bias, const std::string& words,
                      const Tensor::Shape& shape);

  /// Query, key and value as thirds of one dense layer's rows, `name`.weight [3 * width, inputs].
  std::array<LinearBlock, 3> fused_qkv(const std::string& name, int width, int inputs);

  /// Equal parts of one dense layer's rows, `name`.weight [parts * width, inputs], each a block `name`.PART.
  std::vector<LinearBlock> fused(const std::string& name, std::initializer_list<const char*> parts, int width,
                                 int inputs);

  /// `name`.weight and `name`.bias [hidden_size], or .gamma and .beta in checkpoints that came from TensorFlow.
  NormWeights norm(const std::string& name);

  CheckpointTensors& tensors() { return tensors_; }
  int hidden_size() const { return settings_.hidden_size; }

 private:
  bool has_bias(const std::string& name) const;

  CheckpointTensors& tensors_;
  const ModuleSettings settings_;
};

}  // namespace octavo

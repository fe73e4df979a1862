// Outliers planted in a small BERT: what large activations of trained models do to quantization, without a trained
// model.
#pragma once

#include "tests/support/tiny_bert.h"

#include <string>

namespace octavo::test {

/// One neuron of a layer's feed-forward network reaches twelve times as far, and what reads it takes a twelfth of it.
inline void plant_neuron_outlier(TinyBert& bert, int layer) {
  constexpr std::size_t kNeuron = 7;
  const std::string name = "encoder.layer." + std::to_string(layer);
  const auto inputs = bert.tensors.at(name + ".intermediate.dense.weight").writable<float>();
  const auto outputs = bert.tensors.at(name + ".output.dense.weight").writable<float>();
  const TinyBertOptions sizes;
  const auto columns = static_cast<std::size_t>(sizes.hidden_size),
             neurons = static_cast<std::size_t>(sizes.intermediate_size);
  for (std::size_t k = 0; k < columns; ++k) {
    inputs[kNeuron * columns + k] *= 12.0f;
    outputs[k * neurons + kNeuron] /= 12.0f;
  }
}

}  // namespace octavo::test

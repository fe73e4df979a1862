// Outliers planted in a small BERT: what large activations of trained models do to quantization, without a trained
// model.
#pragma once

#include "tests/support/tiny_bert.h"

#include <cmath>
#include <string>
#include <vector>

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

/// One column of a layer's last sum is many thousand times as large as the others, which the LayerNorm behind brings
/// back to where they were.
inline void plant_sum_outlier(TinyBert& bert, int layer, std::size_t column) {
  const std::string output = "encoder.layer." + std::to_string(layer) + ".output.";
  const auto values = [&](const std::string& name) { return bert.tensors.at(output + name).writable<float>(); };
  values("dense.bias")[column] = 20000.0f;
  for (float& gain : values("LayerNorm.weight")) gain *= 2000.0f;
  values("LayerNorm.weight")[column] /= 20000.0f;
}

/// Every token attends to the first one, [CLS], some hundred times as much as to any other, and takes nothing from it:
/// what it learns comes from probabilities that in 255 steps of the largest are next to none.
inline TinyBert bert_with_sink() {
  TinyBert bert({.layers = 1, .gate = false});
  const TinyBertOptions sizes;
  const auto columns = static_cast<std::size_t>(sizes.hidden_size);
  const auto values = [&](const std::string& name) { return bert.tensors.at(name).writable<float>(); };
  constexpr std::size_t kFirst = 5, kCls = 2;  // the column by which the first position is known; the token's id
  values("embeddings.position_embeddings.weight")[kFirst] = 60.0f;
  std::vector<double> row;  // of the first token, behind the LayerNorm
  double mean = 0.0, square = 0.0;
  for (std::size_t j = 0; j < columns; ++j) {
    row.push_back(double{values("embeddings.word_embeddings.weight")[kCls * columns + j]} +
                  double{values("embeddings.position_embeddings.weight")[j]} +
                  double{values("embeddings.token_type_embeddings.weight")[j]});
    mean += row[j] / static_cast<double>(columns);
    square += row[j] * row[j] / static_cast<double>(columns);
  }
  for (std::size_t j = 0; j < columns; ++j) {
    row[j] = (row[j] - mean) / std::sqrt(square - mean * mean) * double{values("embeddings.LayerNorm.weight")[j]} +
             double{values("embeddings.LayerNorm.bias")[j]};
  }
  const std::string self = "encoder.layer.0.attention.self.";
  for (std::size_t i = 0; i < values(self + "query.bias").size(); ++i) {
    double value = 0.0;
    for (std::size_t j = 0; j < columns; ++j) value += double{values(self + "value.weight")[i * columns + j]} * row[j];
    values(self + "value.bias")[i] = static_cast<float>(-value);
    values(self + "query.bias")[i] = 0.5f;
    values(self + "key.weight")[i * columns + kFirst] = 2.5f / static_cast<float>(row[kFirst]);
  }
  for (float& x : values(self + "query.weight")) x *= 0.1f;
  for (float& x : values("encoder.layer.0.attention.output.dense.weight")) x *= 20.0f;
  return bert;
}

}  // namespace octavo::test

// Rows of linear layers as float32, the way a product of the graph reads them.
#pragma once

#include "graph/model_data.h"
#include "graph/op_facts.h"

#include <span>
#include <string>
#include <vector>

namespace octavo {

/// Float rows of one block: weight[column][k] row-major, bias[column]. `scales` holds a weight scale per row where one
/// was chosen already; the weights are then multiples of it.
struct FloatRows {
  std::string name;
  int columns = 0, inputs = 0;
  std::vector<float> weight, bias;
  std::vector<float> scales = {};
};

/// A tensor of the model as float32.
std::vector<float> float_values(const Model::Data& model, const std::string& name);

/// The rows of a block; a block without bias has zeros.
FloatRows block_rows(const Model::Data& model, const LinearBlock& block, int inputs);

/// The rows of several blocks as one, zeros where a block does not read.
FloatRows sliced_rows(const Model::Data& model, std::span<const ProductBlock> blocks, const std::string& name,
                      int inputs);

/// Every block of rows of a product of the body, gates included; empty for any other op.
std::vector<FloatRows> product_rows(const Model::Data& model, const Node& node);

}  // namespace octavo

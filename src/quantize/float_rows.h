// Rows of linear layers as float32, the way a product of the graph reads them.
#pragma once

#include "graph/model_data.h"
#include "graph/op_facts.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace octavo {

/// What 4-bit weights are multiples of (fixed-point.md 12): in each row a whole multiple of its scale per group of
/// inputs.
struct GroupMultipliers {
  int groups = 0;                       ///< of the padded depth
  std::vector<int> group;               ///< by input
  std::vector<std::int8_t> multiplier;  ///< [column][group], -15..16 and not 0 but for groups without inputs
};

/// Float rows of one block: weight[column][k] row-major, bias[column]. `scales` holds a weight scale per row where one
/// was chosen already; the weights are then multiples of it.
struct FloatRows {
  std::string name;
  int columns = 0, inputs = 0;
  std::vector<float> weight, bias;
  std::vector<float> scales = {};
  std::optional<GroupMultipliers> four_bit = {};  ///< of weights of 4 bits; beside `scales`

  int multiplier(int row, int input) const {
    return four_bit->multiplier[static_cast<std::size_t>(row) * static_cast<std::size_t>(four_bit->groups) +
                                static_cast<std::size_t>(four_bit->group[static_cast<std::size_t>(input)])];
  }
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

// Rows and columns of a float32 model's weights, taken out as tensors of their own.
#pragma once

#include "graph/model_data.h"

#include <span>
#include <string>

namespace octavo {

/// Rows of a tensor [rows, ...], in this order, as they are stored.
Tensor tensor_rows(const Tensor& tensor, std::span<const int> rows);

/// Columns of a tensor [..., columns], in this order, as they are stored.
Tensor tensor_columns(const Tensor& tensor, std::span<const int> columns);

/// A block with these rows of its weight and bias, taken from `from` and put into `to` as NAME.weight and
/// NAME.bias.
LinearBlock block_rows_of(const LinearBlock& block, const std::string& name, std::span<const int> rows,
                          const TensorMap& from, TensorMap& to);

/// A block that reads these columns, whose weight is put into `to` as NAME.weight; its bias stays what it is.
LinearBlock block_columns_of(const LinearBlock& block, const std::string& name, std::span<const int> columns,
                             const TensorMap& from, TensorMap& to);

/// How many nodes and outputs read a value.
int count_readers(const Graph& graph, ValueId value);

/// Throws Error unless `picked`, of `what` ("neuron") of NAME, are indices below `count`, none twice, and not none.
void check_picks(const std::string& name, const std::string& what, std::span<const int> picked, int count);

/// The bias of a sum whose product has lost columns, put into `to` as NAME.bias: it makes up for what these are on the
/// average. `gone`: their means, 0 for columns that are left.
std::string bias_without(const LinearBlock& block, const std::string& name, std::span<const float> gone,
                         const TensorMap& from, TensorMap& to);

/// Takes away the tensors that `before` reads and `model` does not, and counts its parameters anew.
void drop_unread_tensors(const Graph& before, Model::Data& model);

}  // namespace octavo

// What the check of one node of a model file asks for, and what it tells the nodes behind it.
#pragma once

#include "graph/model_data.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace octavo {

/// Checks nodes in order, tracking which forms of each value exist. Every Error names the node.
class NodeCheck {
 public:
  explicit NodeCheck(const Model::Data& data)
      : data_(data),
        bytes_(data.graph.values.size()),
        has16_(data.graph.values.size(), false),
        has_outliers_(data.graph.values.size(), false) {}

  /// From now on the node that makes this value is looked at.
  void at(ValueId value) { node_ = &data_.graph.producer(value); }

  const ModelInfo& info() const { return data_.info; }
  int columns() const { return data_.graph.columns(node_->output); }
  bool is_first() const { return node_ == &data_.graph.nodes.front(); }
  const Value& input_value(std::size_t i) const { return data_.graph.value(node_->inputs[i]); }
  const Op& input_op(std::size_t i) const { return data_.graph.producer(node_->inputs[i]).op; }
  const QuantizedOp& input_constants(std::size_t i) const {
    return data_.integer->ops[static_cast<std::size_t>(node_->inputs[i])];
  }

  [[noreturn]] void fail(const std::string& what) const;

  // Forms of values
  /// Depth of an input as the GEMM sees it: channel splits add columns, refined values have more codes.
  int require_bytes(std::size_t input) const;
  /// Columns of an input of 16 bits, all in the same steps.
  int require_rows16(std::size_t input) const;
  /// The same where some may be outlier columns.
  int require_sum(std::size_t input) const;
  void set_bytes(int of_columns, const Refined& refined = {});
  void set_rows16() { has16_[static_cast<std::size_t>(node_->output)] = true; }
  void set_outliers() { has_outliers_[static_cast<std::size_t>(node_->output)] = true; }
  bool has_outliers() const { return has_outliers_[static_cast<std::size_t>(node_->output)]; }
  bool has_rows16() const { return has16_[static_cast<std::size_t>(node_->output)]; }

  // Tensors: `part` is what follows the node's name and a dot
  bool has(const std::string& part) const { return data_.tensors.contains(tensor_name(part)); }
  template <typename T>
  std::span<const T> get(const std::string& part, const Tensor::Shape& shape) const {
    return get_of<T>(tensor_name(part), shape);
  }
  /// The same by a name of its own.
  template <typename T>
  std::span<const T> get_of(const std::string& name, const Tensor::Shape& shape) const {
    return get_of(name, dtype_of<T>(), shape).template as<T>();
  }
  /// The same with elements within these bounds.
  template <typename T>
  std::span<const T> get_within(const std::string& part, const Tensor::Shape& shape, std::int64_t low,
                                std::int64_t high) const {
    const std::span<const T> values = get<T>(part, shape);
    for (const T value : values) {
      if (value < low || value > high) fail_range(part, value, low, high);
    }
    return values;
  }

  /// A product's tensors: packed weights [columns, depth], biases and multipliers.
  void check_weights(const std::string& prefix, int of_columns, int depth) const;
  /// A product of `inputs` columns whose blocks stand one behind the other.
  void check_product(int depth, const std::vector<const QuantizedBlock*>& blocks, int inputs) const;
  /// Gains and offsets of an output of a LayerNorm.
  void check_norm_output(const std::string& part, int of_columns) const;

 private:
  std::string tensor_name(const std::string& part) const { return data_.graph.name(node_->output) + "." + part; }
  const Tensor& get_of(const std::string& name, DType type, const Tensor::Shape& shape) const;
  [[noreturn]] void fail_range(const std::string& part, std::int64_t value, std::int64_t low, std::int64_t high) const;

  const Model::Data& data_;
  const Node* node_ = nullptr;
  std::vector<int> bytes_;          // depth of each value's u8 form, 0 when it does not exist
  std::vector<bool> has16_;         // which values are made in 16 bits
  std::vector<bool> has_outliers_;  // which of them have outlier columns
};

constexpr int round_up_to(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace octavo

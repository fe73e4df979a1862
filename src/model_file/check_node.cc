#include "model_file/check_node.h"

#include "graph/refined_rows.h"
#include "kernels/kernels.h"

#include "octavo/error.h"

namespace octavo {
namespace {

std::string type_and_shape(DType type, const Tensor::Shape& shape) {
  std::string text = std::string(name_of(type)) + " [";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace

void NodeCheck::fail(const std::string& what) const { throw Error(data_.graph.name(node_->output) + " " + what); }

int NodeCheck::require_bytes(std::size_t input) const {
  const auto id = static_cast<std::size_t>(node_->inputs[input]);
  if (!bytes_[id]) fail("reads " + data_.graph.values[id].name + ", which is not made in 8 bits");
  return bytes_[id];
}

int NodeCheck::require_rows16(std::size_t input) const {
  const ValueId id = node_->inputs[input];
  if (has_outliers_[static_cast<std::size_t>(id)])
    fail("reads " + data_.graph.name(id) + ", whose outlier columns a LayerNorm or another such sum alone can read");
  return require_sum(input);
}

int NodeCheck::require_sum(std::size_t input) const {
  const ValueId id = node_->inputs[input];
  if (!has16_[static_cast<std::size_t>(id)]) fail("reads " + data_.graph.name(id) + ", which is not made in 16 bits");
  return data_.graph.columns(id);
}

void NodeCheck::set_bytes(int of_columns, const Refined& refined) {
  bytes_[static_cast<std::size_t>(node_->output)] = refined_depth(of_columns, refined);
}

const Tensor& NodeCheck::get_of(const std::string& name, DType type, const Tensor::Shape& shape) const {
  const Tensor& found = tensor(data_.tensors, name);
  if (found.dtype() != type || found.shape() != shape) {
    throw Error("tensor " + name + " is " + type_and_shape(found.dtype(), found.shape()) + ", expected " +
                type_and_shape(type, shape));
  }
  return found;
}

void NodeCheck::fail_range(const std::string& part, std::int64_t value, std::int64_t low, std::int64_t high) const {
  throw Error("tensor " + tensor_name(part) + " holds " + std::to_string(value) + ", expected values from " +
              std::to_string(low) + " to " + std::to_string(high));
}

void NodeCheck::check_weights(const std::string& prefix, int of_columns, int depth) const {
  if (has(prefix + "group_multiplier")) {
    get<std::uint8_t>(prefix + "weight", {of_columns, depth / 2});
    get_within<std::int8_t>(prefix + "group_multiplier", {of_columns, depth / kernels::kGroupDepth}, -15, 16);
  } else {
    get<std::int8_t>(prefix + "weight", {of_columns, depth});
  }
  get_within<std::int32_t>(prefix + "bias", {of_columns}, -(1 << 30), 1 << 30);
  get_within<std::int32_t>(prefix + "multiplier", {of_columns}, 0, 2147483647);
}

void NodeCheck::check_product(int depth, const std::vector<const QuantizedBlock*>& blocks, int inputs) const {
  const int expected = round_up_to(inputs, kernels::kTileDepth);
  if (depth != expected) fail("has depth " + std::to_string(depth) + ", expected " + std::to_string(expected));
  int first = 0;
  for (const QuantizedBlock* block : blocks) {
    if (block->first_column != first)
      fail("has block " + block->name + " at column " + std::to_string(block->first_column) + ", expected " +
           std::to_string(first));
    first += round_up_to(block->columns, kernels::kPanelColumns);
  }
  check_weights("", first, depth);
}

void NodeCheck::check_norm_output(const std::string& part, int of_columns) const {
  get<std::int32_t>(part + ".gain", {of_columns});
  get_within<std::int32_t>(part + ".offset", {of_columns}, -(1 << 30), 1 << 30);
}

}  // namespace octavo

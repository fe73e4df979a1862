#include "graph/slices.h"

#include "base/vector_tensor.h"
#include "graph/op_facts.h"
#include "io/safetensors.h"

#include "octavo/error.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace octavo {
namespace {

/// All tensors that ops read.
std::set<std::string> tensors_of(const Graph& graph) {
  std::set<std::string> names;
  for (const Node& node : graph.nodes) {
    const OpFacts known = facts(graph, node);
    names.insert(known.tensors.begin(), known.tensors.end());
    names.insert(known.words);
    for (const ProductBlock& block : known.blocks) names.insert({block.rows->weight, block.rows->bias});
  }
  return names;
}

/// Pieces of equal size, one behind the other: `picks` of every `count` of them, in this order.
Tensor pieces(const Tensor& tensor, Tensor::Shape shape, std::size_t piece, std::size_t count,
              std::span<const int> picks) {
  const std::size_t total = tensor.bytes() / (piece * count) * picks.size() * piece;
  const std::shared_ptr<std::byte[]> owned(new std::byte[total]);
  const auto* from = static_cast<const std::byte*>(tensor.data());
  std::byte* to = owned.get();
  for (std::size_t first = 0; first < tensor.bytes(); first += piece * count) {
    for (const int pick : picks) {
      std::memcpy(to, from + first + static_cast<std::size_t>(pick) * piece, piece);
      to += piece;
    }
  }
  return {tensor.dtype(), std::move(shape), owned, owned.get()};
}

}  // namespace

Tensor tensor_rows(const Tensor& tensor, std::span<const int> rows) {
  Tensor::Shape shape = tensor.shape();
  const auto count = static_cast<std::size_t>(shape.at(0));
  shape[0] = std::ssize(rows);
  return pieces(tensor, std::move(shape), tensor.bytes() / count, count, rows);
}

Tensor tensor_columns(const Tensor& tensor, std::span<const int> columns) {
  Tensor::Shape shape = tensor.shape();
  const auto count = static_cast<std::size_t>(shape.back());
  shape.back() = std::ssize(columns);
  return pieces(tensor, std::move(shape), size_of(tensor.dtype()), count, columns);
}

LinearBlock block_rows_of(const LinearBlock& block, const std::string& name, std::span<const int> rows,
                          const TensorMap& from, TensorMap& to) {
  LinearBlock result{.name = block.name,
                     .weight = name + ".weight",
                     .bias = block.bias.empty() ? "" : name + ".bias",
                     .columns = static_cast<int>(rows.size())};
  to.insert_or_assign(result.weight, tensor_rows(tensor(from, block.weight), rows));
  if (!result.bias.empty()) to.insert_or_assign(result.bias, tensor_rows(tensor(from, block.bias), rows));
  return result;
}

LinearBlock block_columns_of(const LinearBlock& block, const std::string& name, std::span<const int> columns,
                             const TensorMap& from, TensorMap& to) {
  LinearBlock result = block;
  result.weight = name + ".weight";
  to.insert_or_assign(result.weight, tensor_columns(tensor(from, block.weight), columns));
  return result;
}

int count_readers(const Graph& graph, ValueId value) {
  const auto outputs = std::ranges::count_if(graph.outputs, [&](const GraphOutput& o) { return o.value == value; });
  const auto nodes = std::ranges::count_if(
      graph.nodes, [&](const Node& node) { return std::ranges::find(node.inputs, value) != node.inputs.end(); });
  return static_cast<int>(outputs + nodes);
}

void check_picks(const std::string& name, const std::string& what, std::span<const int> picked, int count) {
  if (picked.empty()) throw Error(name + ": one " + what + " must be left");
  std::vector<bool> seen(static_cast<std::size_t>(count), false);
  for (const int pick : picked) {
    if (pick < 0 || pick >= count)
      throw Error(name + " has no " + what + " " + std::to_string(pick) + ", but " + std::to_string(count));
    if (seen[static_cast<std::size_t>(pick)])
      throw Error(name + ": " + what + " " + std::to_string(pick) + " is named twice");
    seen[static_cast<std::size_t>(pick)] = true;
  }
}

std::string bias_without(const LinearBlock& block, const std::string& name, std::span<const float> gone,
                         const TensorMap& from, TensorMap& to) {
  const std::vector<float> weight = f32_values(tensor(from, block.weight), block.weight);
  std::vector<float> bias(static_cast<std::size_t>(block.columns), 0.0f);
  if (!block.bias.empty()) bias = f32_values(tensor(from, block.bias), block.bias);
  for (std::size_t n = 0; n < bias.size(); ++n) {
    double sum = 0.0;
    for (std::size_t k = 0; k < gone.size(); ++k)
      sum += static_cast<double>(gone[k]) * static_cast<double>(weight[n * gone.size() + k]);
    bias[n] += static_cast<float>(sum);
  }
  to.insert_or_assign(name + ".bias", to_tensor(bias));
  return name + ".bias";
}

void drop_unread_tensors(const Graph& before, Model::Data& model) {
  const std::set<std::string> left = tensors_of(model.graph);
  for (const std::string& name : tensors_of(before)) {
    if (!left.contains(name)) model.tensors.erase(name);
  }
  model.info.parameters = count_elements(model.tensors);
}

}  // namespace octavo

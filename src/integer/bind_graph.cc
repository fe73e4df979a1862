// From a quantized graph to bound ops: node after node, then the plan of the buffers that they asked for.
#include "graph/names.h"
#include "integer/bound_ops.h"

namespace octavo {

using namespace kernels;

void Binder::bind(const Node& node, const QuantizedOp& constants) {
  node_ = &node;
  result_.values.emplace_back();
  visit_with_constants(node.op, constants,
                       [&](const auto& op, const auto& own) { result_.ops.push_back(bind_op(op, own, *this)); });
}

std::size_t Binder::add_attention(int head_size) {
  result_.largest_head_size = std::max(result_.largest_head_size, head_size);
  return static_cast<std::size_t>(result_.attentions++);
}

Rows16 Binder::need_rows16(int of_columns, const Rows16& in_place_of) {
  const std::ptrdiff_t stride = stride_of(of_columns);
  const BufferId buffer = add({.value = node_->output,
                               .row_bytes = sizeof(std::int16_t) * static_cast<std::size_t>(stride),
                               .in_place_of = in_place_of.buffer});
  return {.buffer = buffer, .columns = of_columns, .stride = stride};
}

Rows8 Binder::need_rows8(int of_columns, const Refined& refined) {
  const BufferId buffer = need(static_cast<std::size_t>(refined_depth(of_columns, refined)));
  return {.buffer = buffer, .columns = of_columns, .refined = refined};
}

Product Binder::product(int depth, const std::string& of) {
  Product result{.bias = get<std::int32_t>(of + part::kBias),
                 .multiplier = get<std::int32_t>(of + part::kMultiplier),
                 .depth = depth};
  if (data_.tensors.contains(data_.graph.name(node_->output) + of + part::kGroupMultiplier)) {
    result.four_bit_codes = get<std::uint8_t>(of + part::kWeight);
    result.group_multiplier = get<std::int8_t>(of + part::kGroupMultiplier);
    result_.four_bit_scratch_bytes = std::max(result_.four_bit_scratch_bytes, four_bit_scratch_bytes(depth));
  } else {
    result.weight = get<std::int8_t>(of + part::kWeight);
  }
  return result;
}

NormConstants Binder::norm_constants(const std::string& of, const QuantizedNormOutput& constants) const {
  if (!constants.exists) return {};
  return {.gain = get<std::int32_t>(of + part::kGain),
          .offset = get<std::int32_t>(of + part::kOffset),
          .shift = constants.shift,
          .low = constants.low,
          .high = constants.high};
}

LayerNorm Binder::layer_norm(int of_columns, std::int64_t epsilon, std::ptrdiff_t stride) {
  return {.rows = 0,
          .columns = of_columns,
          .in = nullptr,
          .in_stride = stride,
          .epsilon = epsilon,
          .u8 = {},
          .u8_output = {},
          .s16 = {},
          .s16_output = nullptr,
          .s16_stride = stride};
}

BoundGraph bind_graph(const Model::Data& data) {
  BoundGraph result;
  Binder binder(data, result);
  for (std::size_t i = 0; i < data.graph.nodes.size(); ++i) binder.bind(data.graph.nodes[i], data.integer->ops[i]);
  for (const Node& node : data.graph.nodes) {
    const Value& value = data.graph.value(node.output);
    result.rows.push_back(value.rows);
    result.removed.push_back(value.removed);
    result.removed_before.push_back(node.inputs.empty() ? 0 : data.graph.value(node.inputs[0]).removed);
  }
  result.plan = plan_buffers(data.graph, binder.needs());
  return result;
}

}  // namespace octavo

#include "models/parts/transformer.h"

#include "octavo/error.h"

#include <array>
#include <utility>
#include <vector>

namespace octavo {
namespace {

ValueId attention(GraphBuilder& g, ValueId x, const LayerNames& names, const LayerConfig& config, Modules& modules,
                  const AttentionMethod& method) {
  const int size = config.hidden_size, width = config.heads * config.head_size;
  const int key_width = config.key_value_heads > 0 ? config.key_value_heads * config.head_size : width;
  const AttentionSizes sizes = {.heads = config.heads, .head_size = config.head_size, .columns = size};
  if (method.gate_in_query && names.query.empty())
    throw Error(names.qkv + ": attention_method.gate is of kind query, expected a module of its own for the query");
  LayerGate gate;
  std::array<LinearBlock, 3> qkv;
  if (method.gate_in_query) {
    QueryAndGate both = take_gated_query(modules.tensors(), names.query, method, sizes);
    gate = std::move(both.gate);
    qkv[0] = std::move(both.query);
  }
  if (!names.qkv.empty()) {
    qkv = modules.fused_qkv(names.qkv, width, size);
  } else {
    if (!method.gate_in_query) qkv[0] = modules.dense(names.query, width, size);
    qkv[1] = modules.dense(names.key, key_width, size);
    qkv[2] = modules.dense(names.value, key_width, size);
  }
  if (!method.gate_in_query) gate = take_gate(modules.tensors(), names.attention + ".", method, sizes);
  const GateSettings settings = gate.settings.value_or(GateSettings{});
  const ValueId made = g.qkv(names.attention + ".qkv", x,
                             {.query = std::move(qkv[0]),
                              .key = std::move(qkv[1]),
                              .value = std::move(qkv[2]),
                              .heads = config.heads,
                              .head_size = config.head_size,
                              .gate_kind = settings.kind,
                              .gate_mean = settings.type == GateType::conditional_per_head,
                              .gate = std::move(gate.blocks),
                              .gate_output = std::move(gate.output),
                              .rotary = config.rotary});
  return g.attention(names.attention, made,
                     {.heads = config.heads,
                      .head_size = config.head_size,
                      .mask = config.mask,
                      .softmax = method.softmax,
                      .gate = gate.settings,
                      .bias = config.bias,
                      .sink = take_sink(modules.tensors(), names.attention + ".", method, config.heads),
                      .window = config.window,
                      .factors = take_factors(modules.tensors(), names.attention + ".", method, config.heads)});
}

/// The hidden units of a feed-forward network.
ValueId hidden_units(GraphBuilder& g, ValueId x, const LayerNames& names, const LayerConfig& config, Modules& modules) {
  const int size = config.hidden_size, units = config.intermediate_size;
  if (!names.hidden.empty()) {
    LinearBlock weights = modules.dense(names.hidden, units, size);
    if (config.activation != Activation::tanh)
      return g.linear(names.hidden, x, {std::move(weights), config.activation});
    const ValueId product = g.glu_product(names.hidden + ".product", x, {.gate = std::move(weights), .up = {}});
    return g.glu(names.hidden + ".activation", product, {.activation = config.activation});
  }
  GluProduct branches;
  std::string name = names.glu_up;
  if (names.glu.empty()) {
    branches = {.gate = modules.dense(names.glu_gate, units, size), .up = modules.dense(names.glu_up, units, size)};
  } else {
    name = names.glu;
    const std::vector<LinearBlock> halves = config.glu_gate_first
                                                ? modules.fused(name, {"gate_proj", "up_proj"}, units, size)
                                                : modules.fused(name, {"up_proj", "gate_proj"}, units, size);
    branches = {.gate = halves[config.glu_gate_first ? 0 : 1], .up = halves[config.glu_gate_first ? 1 : 0]};
  }
  const ValueId made = g.glu_product(name + ".branches", x, std::move(branches));
  return g.glu(name + ".glu", made, {.activation = config.activation});
}

}  // namespace

ValueId transformer_layer(GraphBuilder& g, ValueId x, const LayerNames& names, const LayerConfig& config,
                          Modules& modules, const AttentionMethod& method) {
  const int size = config.hidden_size, width = config.heads * config.head_size;
  const auto normalised = [&](ValueId value, const std::string& name, bool here) {
    return here && !name.empty() ? g.layer_norm(name, value, modules.norm(name)) : value;
  };
  ValueId y = normalised(x, names.attention_norm, config.norm_before);
  y = attention(g, y, names, config, modules, method);
  x = g.linear_add(names.attention_output, y, x,
                   {modules.scaled(modules.dense(names.attention_output, size, width), names.attention_scale)});
  x = normalised(x, names.attention_norm, !config.norm_before);
  x = normalised(x, names.sum_norm, true);
  y = normalised(x, names.output_norm, config.norm_before);
  y = hidden_units(g, y, names, config, modules);
  x = g.linear_add(names.output, y, x,
                   {modules.scaled(modules.dense(names.output, size, config.intermediate_size), names.output_scale)});
  return normalised(x, names.output_norm, !config.norm_before);
}

ValueId project_embeddings(GraphBuilder& g, ValueId x, LinearBlock weights) {
  const std::string name = weights.name;
  return g.linear(name, x, {.weights = std::move(weights), .reads = Form::s16, .makes = Form::s16});
}

}  // namespace octavo

// Attention in a model file, and the product that it reads.
#include "graph/names.h"
#include "kernels/kernels.h"
#include "model_file/attention_json.h"
#include "model_file/op_json.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace octavo {

constexpr int kWidestReach = 65535;

template <>
void describe(Fields& node, QkvProduct& op, QuantizedQkv& constants) {
  node.integer("heads", op.heads, 1, 1024);
  node.integer("head_size", op.head_size, 4, 256);
  // The first files had linear gates per token only, and did not say so here.
  node.section_if("gate", !constants.gate.empty(), [&](Fields& gate) {
    gate.name("kind", op.gate_kind, kGateKinds);
    gate.flag("mean", op.gate_mean);
  });
  RotaryPositions rotary = op.rotary.value_or(RotaryPositions{});
  if (node.section_if("rotary", op.rotary.has_value(), [&](Fields& fields) { fields.text("table", rotary.table); }))
    op.rotary = rotary;
  node.section("integer", [&](Fields& integer) {
    integer.integer("depth", constants.depth, 64, kMaxColumns);
    describe(integer, "query", constants.query);
    describe(integer, "key", constants.key, -128);
    describe(integer, "value", constants.value, -128);
    integer.flag_or_false("asymmetric", constants.asymmetric);
    describe(integer, "rotated_query", constants.rotated_query);
    describe(integer, "rotated_key", constants.rotated_key);
    if (!integer.has("gate", !constants.gate.empty())) return;
    constants.gate.resize(1);
    describe(integer, "gate", constants.gate[0]);
    if (op.gate_kind != GateKind::mlp) return;
    constants.gate_output.resize(1);
    integer.section("gate_output", [&](Fields& output) { describe_product(output, constants.gate_output[0]); });
  });
  if (constants.gate.empty() || !node.reads()) return;
  const int columns = constants.gate[0].columns;
  const bool dense = op.gate_kind == GateKind::dense;
  const int wanted = dense ? op.heads * op.head_size : op.heads;
  node.require(
      columns % op.heads == 0 && (op.gate_kind == GateKind::mlp || columns == wanted), "heads",
      "as many as gate columns, or for a dense gate times head_size, or one of their divisors for an mlp gate");
  const int blocks = dense || op.gate_kind == GateKind::all_heads ? 1 : op.heads;
  op.gate.assign(static_cast<std::size_t>(blocks), {.name = "", .weight = "", .bias = "", .columns = columns / blocks});
  if (op.gate_kind == GateKind::mlp) op.gate_output.resize(static_cast<std::size_t>(op.heads));
}

template <>
ValueId append(GraphBuilder& g, const ReadNode& node, QkvProduct op, const QuantizedQkv& constants) {
  op.query = plain(constants.query);
  op.key = plain(constants.key);
  op.value = plain(constants.value);
  return g.qkv(node.name(), node.input(), std::move(op));
}

namespace {

/// The contract of kernels::RotateHeads.
void check_rotary(const NodeCheck& node, const QkvProduct& op, const QuantizedQkv& constants) {
  const auto fits = [](const std::optional<QuantizedBytes>& bytes) { return bytes && bytes->shift >= 33; };
  if (!fits(constants.rotated_query) || !fits(constants.rotated_key) || constants.asymmetric)
    node.fail("has rotary positions and not what they are made into");
  if (constants.rotated_key->encoding.zero_point != 0) node.fail("has a zero point of K or V, expected none");
  const Tensor::Shape shape = {node.info().max_positions, op.head_size / 2};
  const std::span<const std::int16_t> cosine = node.get_of<std::int16_t>(op.rotary->table + part::kCosine, shape),
                                      sine = node.get_of<std::int16_t>(op.rotary->table + part::kSine, shape);
  for (std::size_t i = 0; i < cosine.size(); ++i) {
    if (std::abs(cosine[i]) + std::abs(sine[i]) > 46342) node.fail("has rotary positions that are no angles");
  }
}

void check_gate_output(const NodeCheck& node, const QkvProduct& op, const QuantizedBlock& hidden,
                       const QuantizedGateOutput& output) {
  const int depth = round_up_to(gate_columns(op), kernels::kTileDepth);
  if (output.depth != depth || output.block.columns != op.heads || output.block.first_column != 0) {
    node.fail("and the product of its gate's hidden units disagree");
  }
  if (hidden.encoding.zero_point != 0) node.fail("has hidden units of a gate with a zero point, expected none");
  node.check_weights("gate_output.", round_up_to(op.heads, kernels::kPanelColumns), depth);
}

/// The contract of kernels::AttentionLevels.
void describe_levels(Fields& levels, QuantizedLevels& own) {
  std::vector<int> edges(own.edges.begin(), own.edges.end());
  levels.integers("edges", edges, 0, kInt32Max);
  levels.integers("codes", own.codes, 0, 255);
  levels.integers("multipliers", own.multipliers, 1 << 30, kInt32Max);
  levels.integers("shifts", own.shifts, 33, 62);
  const std::size_t count = edges.size();
  levels.require(count >= 1 && count <= kernels::kMostLevels, "edges",
                 "1 to " + std::to_string(kernels::kMostLevels) + " of them");
  levels.require(std::is_sorted(edges.begin(), edges.end()), "edges", "them in ascending order");
  levels.require(own.codes.size() == count, "codes", "one for each edge");
  levels.require(own.multipliers.size() == count, "multipliers", "one for each edge");
  levels.require(own.shifts.size() == count, "shifts", "one for each edge");
  own.edges.assign(edges.begin(), edges.end());
}

/// The paper's static quantizers of an attention.
void describe_static_w8a8(Fields& static_w8a8, QuantizedStaticW8A8Attention& own) {
  static_w8a8.integer("score_multiplier", own.score_multiplier, 0, kInt32Max);
  static_w8a8.integer("score_shift", own.score_shift, 18, 62);
  describe(static_w8a8, "score", own.score);
  static_w8a8.integer("slope", own.slope, 1, std::int64_t{1} << 38);
  static_w8a8.integer("most", own.most, 0, 255);
  static_w8a8.integer("offset", own.offset, -own.slope, 0);
}

void describe_constants(Fields& integer, QuantizedAttention& constants) {
  QuantizedStaticW8A8Attention own = constants.static_w8a8.value_or(QuantizedStaticW8A8Attention{});
  const bool static_w8a8 = integer.section_if("paper", constants.static_w8a8.has_value(),
                                              [&](Fields& fields) { describe_static_w8a8(fields, own); });
  if (static_w8a8) constants.static_w8a8 = own;
  integer.flag("clipped", constants.clipped);
  const bool clipped = constants.clipped;
  describe(integer, constants.refined);
  const int fine_bits = constants.refined.fine_bits;
  integer.require(fine_bits == 0 || (!static_w8a8 && fine_bits == kFineBits), "refined",
                  "no fine bits or 3, and none in the paper's setting");
  integer.integer("score_multiplier", constants.score_multiplier, 1 << 15, (1 << 16) - 1);
  integer.integer("score_shift", constants.score_shift, -8, 23);
  integer.integer("theta", constants.theta, 0, kInt32Max);
  integer.integer("cap", constants.cap, 1, std::int64_t{1} << 31);
  integer.integer("multiplier", constants.multiplier, 1 << 30, kInt32Max);
  integer.integer("shift", constants.shift, static_w8a8 ? 18 : clipped ? 34 : 26, static_w8a8 ? 62 : clipped ? 46 : 38);
  integer.integer_or("gate_fraction", constants.gate_fraction, 0, kMostGateFraction, 0);
  describe(integer, "context", constants.context);
  integer.flag_or_false("softmax1", constants.softmax1);
  integer.flag_or_false("sink", constants.sink);
  integer.require(!constants.sink || !constants.softmax1, "sink", "false with softmax1");
  integer.flag_or_false("wide", constants.u16_probabilities);
  integer.require(!constants.u16_probabilities || (!clipped && !static_w8a8 && constants.shift >= kSmallestU16Shift),
                  "wide", "false with clipped, in the paper's setting, and with a shift below 27");
  integer.flag_or_false("by_distance", constants.by_distance);
  integer.require(!constants.by_distance || (!clipped && !static_w8a8 && !constants.u16_probabilities &&
                                             constants.shift >= kSmallestU16Shift),
                  "by_distance", "false with clipped or wide, in the paper's setting, and with a shift below 27");
  integer.integer_or("prune", constants.prune, 0, kInt32Max, std::int64_t{0});
  const bool levels = integer.section_if("levels", !constants.levels.edges.empty(),
                                         [&](Fields& fields) { describe_levels(fields, constants.levels); });
  integer.require(clipped || (!constants.softmax1 && constants.prune == 0 && !levels), "clipped",
                  "true with softmax1, prune or levels");
  integer.require(clipped || static_w8a8 || !constants.sink, "clipped", "true with sinks");
}

}  // namespace

template <>
void check(NodeCheck& node, const QkvProduct& op, const QuantizedQkv& constants) {
  std::vector<const QuantizedBlock*> blocks = {&constants.query, &constants.key, &constants.value};
  for (const QuantizedBlock& gate : constants.gate) blocks.push_back(&gate);
  if (constants.gate.empty() != op.gate.empty()) node.fail("and its gate disagree");
  node.check_product(constants.depth, blocks, node.require_bytes(0));
  for (const QuantizedBlock* block : {&constants.key, &constants.value}) {
    if (!constants.asymmetric && block->encoding.zero_point != 0)
      node.fail("has a zero point of K or V, expected none");
  }
  if (op.rotary) check_rotary(node, op, constants);
  for (const QuantizedGateOutput& output : constants.gate_output)
    check_gate_output(node, op, constants.gate.at(0), output);
}

template <>
void describe(Fields& node, AttentionOp& op, QuantizedAttention& constants) {
  node.integer("heads", op.heads, 1, 1024);
  node.integer("head_size", op.head_size, 4, 256);
  node.require(op.head_size % 4 == 0, "head_size", "a multiple of 4");
  node.name("mask", op.mask, kMasks);
  node.section("softmax", [&](Fields& softmax) { describe(softmax, op.softmax); });
  GateSettings settings = op.gate.value_or(GateSettings{});
  const bool gate = node.section_if("gate", op.gate.has_value(), [&](Fields& fields) {
    fields.name("type", settings.type, kGateTypes);
    fields.name("kind", settings.kind, kGateKinds);
    fields.number("scale", settings.scale, 1e-3, 1e3);
    if (fields.has("activation", settings.activation != GateActivation::sigmoid))
      fields.name("activation", settings.activation, kGateActivations);
  });
  if (gate) op.gate = settings;
  ScoreBias bias = op.bias.value_or(ScoreBias{});
  const bool biased = node.section_if("bias", op.bias.has_value(), [&](Fields& fields) {
    if (!fields.has("grid", bias.on_grid())) return fields.integer("reach", bias.reach, 0, kWidestReach);
    std::vector<int> grid = {bias.grid_width, bias.grid_height};
    fields.integers("grid", grid, 1, 4096);
    fields.require(grid.size() == 2, "grid", "two numbers of patches");
    bias.grid_width = grid[0];
    bias.grid_height = grid[1];
  });
  if (biased) op.bias = bias;
  node.integer_or("window", op.window, 0, kWidestReach, 0);
  node.integer_or("most_keys", op.most_keys, 0, kWidestReach, 0);
  DistanceFactors factors = op.factors.value_or(DistanceFactors{});
  if (node.section_if("factors", op.factors.has_value(),
                      [&](Fields& fields) { fields.integer("reach", factors.reach, 0, kWidestReach); }))
    op.factors = factors;
  node.section("integer", [&](Fields& integer) { describe_constants(integer, constants); });
}

template <>
ValueId append(GraphBuilder& g, const ReadNode& node, AttentionOp op, const QuantizedAttention&) {
  return g.attention(node.name(), node.input(), std::move(op));
}

template <>
void check(NodeCheck& node, const AttentionOp& op, const QuantizedAttention& constants) {
  const auto* qkv = std::get_if<QkvProduct>(&node.input_op(0));
  if (!qkv || qkv->heads != op.heads || qkv->head_size != op.head_size) node.fail("does not fit the product it reads");
  if (std::get<QuantizedQkv>(node.input_constants(0)).asymmetric != constants.static_w8a8.has_value())
    node.fail("and the product it reads disagree about zero points of K and V");
  if (constants.static_w8a8) {
    const auto exponential = node.get_within<std::int32_t>("exponential", {256}, 0, 1 << 24);
    if (exponential[0] != 1 << 24) node.fail("has no probability for its largest score");
  }
  if (op.bias) {
    if (constants.static_w8a8) node.fail("has a bias of scores, which the paper's setting is without");
    const ModelInfo& info = node.info();
    if (op.bias->on_grid() && (!info.image || 1 + op.bias->grid_width * op.bias->grid_height != info.max_positions))
      node.fail("has a bias of scores for other pictures than the model takes");
    node.get_within<std::int32_t>("score_bias", {op.heads, op.bias->entries()}, -kernels::kLargestScoreBias,
                                  kernels::kLargestScoreBias);
  }
  if (node.input_value(0).merged) {
    if (constants.static_w8a8) node.fail("reads merged tokens, which the paper's setting is without");
    node.get_within<std::int32_t>("log_size", {node.info().max_positions}, 0, kernels::kLargestScoreBias);
  }
  if (op.factors.has_value() != constants.by_distance)
    node.fail("has factors of distances by its op or by its integers alone");
  if (op.factors) node.get_within<std::int16_t>("factors", {op.heads, 2 * op.factors->reach + 1}, -32767, 32767);
  const bool elements = op.gate && op.gate->type == GateType::conditional_per_element;
  if (constants.gate_fraction > 0 && (!elements || !constants.levels.edges.empty()))
    node.fail("has a gate_fraction without a gate per element, or beside levels");
  if ((op.softmax.softmax1 || op.softmax.sink) != (constants.softmax1 || constants.sink))
    node.fail("has a sink by its softmax or by its integers alone");
  if (constants.sink) {
    const bool codes = constants.static_w8a8.has_value();
    node.get_within<std::int32_t>("sink", {op.heads}, codes ? 0 : -kernels::kLargestScoreBias,
                                  codes ? 255 : kernels::kLargestScoreBias);
  }
  const bool hides = op.window > 0 || op.most_keys > 0;
  if (hides && (constants.static_w8a8 || constants.score_shift > kernels::kLargestMaskedShift))
    node.fail("has a window of keys or hard attention, and constants that do not go with it");
  if (op.gate && op.gate->type == GateType::unconditional_per_head) node.get<std::int16_t>("gate", {op.heads});
  if (node.has("column_scale")) {
    for (const float scale : node.get<float>("column_scale", {op.heads * op.head_size})) {
      if (!(scale > 0.0f && std::isfinite(scale))) node.fail("has a column_scale that is not positive");
    }
  }
  node.set_bytes(op.heads * op.head_size, constants.refined);
}

}  // namespace octavo

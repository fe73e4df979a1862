// From a quantized graph to bound ops: first the buffers that each node fills, then what it runs with.
#include "graph/names.h"
#include "integer/bound_ops.h"

#include "octavo/error.h"

namespace octavo {

using namespace kernels;

namespace {

template <typename T>
const T* elements(const TensorMap& tensors, const std::string& name) {
  return tensor(tensors, name).as<T>().data();
}

/// The buffers of one value, as indices in the list of needs.
struct ValueNeeds {
  int s16 = -1, u8 = -1, s32 = -1;
  int query = -1, key = -1, value = -1, gate = -1;
  int scratch[2] = {-1, -1};
};

std::ptrdiff_t stride_of(int columns) { return round_up(columns, kPanelColumns); }

AttentionLevels attention_levels(const QuantizedLevels& levels) {
  AttentionLevels result = {};
  result.count = static_cast<int>(levels.edges.size());
  for (std::size_t i = 0; i < levels.edges.size(); ++i) {
    result.edge[i] = static_cast<std::uint32_t>(levels.edges[i]);
    result.code[i] = static_cast<std::uint8_t>(levels.codes[i]);
    result.multiplier[i] = levels.multipliers[i];
    result.shift[i] = levels.shifts[i];
  }
  return result;
}

/// Says which buffers each node fills: one overload per op.
class Needs {
 public:
  explicit Needs(const Model::Data& data) : graph_(data.graph) {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      node_ = &graph_.nodes[i];
      own_ = {};
      visit_with_constants(node_->op, data.integer->ops[i],
                           [&](const auto& op, const auto& constants) { add(op, constants); });
      of_value.push_back(own_);
    }
  }

  std::vector<BufferNeed> needs = {};
  std::vector<ValueNeeds> of_value = {};

 private:
  int columns() const { return graph_.columns(node_->output); }
  const ValueNeeds& input(std::size_t i) const { return of_value[static_cast<std::size_t>(node_->inputs[i])]; }

  int need(std::size_t row_bytes, bool scratch = false, int in_place_of = -1) {
    needs.push_back({.value = node_->output, .row_bytes = row_bytes, .scratch = scratch, .in_place_of = in_place_of});
    return static_cast<int>(needs.size()) - 1;
  }
  int need_rows16(int of_columns, bool scratch = false, int in_place_of = -1) {
    return need(sizeof(std::int16_t) * static_cast<std::size_t>(stride_of(of_columns)), scratch, in_place_of);
  }
  int need_rows8(int of_columns, const Refined& refined = {}, bool scratch = false) {
    return need(static_cast<std::size_t>(refined_depth(of_columns, refined)), scratch);
  }

  void add(const EmbedTokens&, const QuantizedEmbedTokens& constants) {
    own_.s16 = need_rows16(columns());
    if (constants.bytes) own_.u8 = need_rows8(columns());
  }
  void add(const QkvProduct& op, const QuantizedQkv& constants) {
    const auto width = static_cast<std::size_t>(round_up(op.heads * op.head_size, kTileDepth));
    own_.query = need(width);
    own_.key = need(width);
    own_.value = need(width);
    if (constants.gate.empty()) return;
    own_.gate = need_rows16(op.heads);
    if (!constants.gate_output.empty()) own_.scratch[0] = need_rows8(gate_columns(op), {}, true);
    if (op.gate_mean)
      own_.scratch[1] = need(sizeof(std::int32_t) * static_cast<std::size_t>(stride_of(op.heads)), true);
  }
  void add(const Linear& op, const QuantizedLinear& constants) {
    if (op.makes == Form::u8) {
      own_.u8 = need_rows8(constants.block.columns, constants.refined);
    } else if (op.makes == Form::s16) {
      own_.s16 = need_rows16(columns());
    } else {
      own_.s32 = need(sizeof(std::int32_t) * static_cast<std::size_t>(columns()));
    }
    const std::size_t rows = op.reads == Form::s16 && !constants.bytes ? 2 : 1;
    if (op.reads == Form::s16) own_.scratch[0] = need(rows * static_cast<std::size_t>(constants.depth), true);
    if (op.makes != Form::u8) {
      const auto stride = static_cast<std::size_t>(stride_of(constants.block.columns));
      own_.scratch[1] = need(rows * sizeof(std::int32_t) * stride, true);
    }
  }
  void add(const LinearAdd&, const QuantizedLinearAdd&) { own_.s16 = need_rows16(columns(), false, input(1).s16); }
  void add(const LayerNormOp& op, const QuantizedLayerNorm& constants) {
    if (constants.stream.exists) own_.s16 = need_rows16(columns(), false, input(0).s16);
    if (constants.bytes.exists) own_.u8 = need_rows8(columns(), constants.refined);
    if (constants.refined.fine_bits > 0) own_.scratch[0] = need_rows16(columns(), true);
    if (op.groups > 1 && constants.bytes.exists)
      own_.scratch[1] = need(static_cast<std::size_t>(op.groups * refined_depth(columns() / op.groups, {})), true);
  }
  void add(const AttentionOp&, const QuantizedAttention& constants) {
    own_.u8 = need_rows8(columns(), constants.refined);
  }
  void add(const EmbedPatches&, const QuantizedEmbedPatches&) { own_.s16 = need_rows16(columns()); }
  void add(const SelectRows& op, const QuantizedSelectRows&) {
    own_.s16 = need_rows16(columns());
    if (op.selection == Selection::mean)
      own_.scratch[0] = need(sizeof(std::int32_t) * static_cast<std::size_t>(columns()), true);
  }

  const Graph& graph_;
  const Node* node_ = nullptr;
  ValueNeeds own_;
};

/// Binds the nodes: one overload per op.
class Binder {
 public:
  Binder(const Model::Data& data, const Needs& needs, BoundGraph& result)
      : data_(data), graph_(data.graph), needs_(needs), result_(result) {}

  void run() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      node_ = &graph_.nodes[i];
      own_ = &needs_.of_value[i];
      visit_with_constants(node_->op, data_.integer->ops[i],
                           [&](const auto& op, const auto& constants) { result_.ops.push_back(bind(op, constants)); });
    }
  }

 private:
  const std::string& name() const { return graph_.name(node_->output); }
  int columns() const { return graph_.columns(node_->output); }
  const ValueNeeds& input(std::size_t i) const { return needs_.of_value[static_cast<std::size_t>(node_->inputs[i])]; }
  Slot slot(int need) const { return need < 0 ? -1 : result_.plan.slot_of[static_cast<std::size_t>(need)]; }

  Rows16 rows16(int need, int of_columns) const {
    return {.slot = slot(need), .columns = of_columns, .stride = stride_of(of_columns)};
  }
  Rows16 input16(std::size_t i) const { return rows16(input(i).s16, graph_.columns(node_->inputs[i])); }
  Rows8 rows8(int need, int of_columns, const Refined& refined = {}) const {
    return {.slot = slot(need), .columns = of_columns, .refined = refined};
  }

  template <typename T>
  const T* get(const std::string& suffix) const {
    return elements<T>(data_.tensors, name() + suffix);
  }
  Product product(int depth, const std::string& of = "") const {
    return {.weight = get<std::int8_t>(of + part::kWeight),
            .bias = get<std::int32_t>(of + part::kBias),
            .multiplier = get<std::int32_t>(of + part::kMultiplier),
            .depth = depth};
  }
  NormConstants lane(const std::string& of, const QuantizedLane& constants) const {
    if (!constants.exists) return {};
    return {.gain = get<std::int32_t>(of + part::kGain),
            .offset = get<std::int32_t>(of + part::kOffset),
            .shift = constants.shift,
            .low = constants.low,
            .high = constants.high};
  }
  LayerNorm layer_norm(int of_columns, std::int64_t epsilon, std::ptrdiff_t stride) const {
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

  BoundOp bind(const EmbedTokens& op, const QuantizedEmbedTokens& constants) const {
    BoundEmbedTokens bound{.sum = {.rows = 0,
                                   .columns = columns(),
                                   .tables = op.type.empty() ? 2 : 3,
                                   .table = {},
                                   .out = nullptr,
                                   .stride = stride_of(columns())},
                           .types = !op.type.empty(),
                           .bytes = constants.bytes,
                           .out = rows16(own_->s16, columns()),
                           .bytes_out = rows8(own_->u8, columns())};
    const auto table = [&](const std::string& of) {
      return std::pair(get<std::int8_t>(of), get<std::int32_t>(of + kRowMultiplier));
    };
    const auto put = [&](int index, const std::string& of) {
      const auto [codes, multipliers] = table(of);
      bound.sum.table[index] = {codes, multipliers, nullptr};
    };
    put(0, part::kWord);
    put(1, part::kPosition);
    if (bound.types) put(2, part::kType);
    if (constants.fine_words) {
      bound.words_fine = bound.sum.tables++;
      put(bound.words_fine, part::kWordFine);
    }
    if (constants.partial) {
      bound.paper = StaticW8A8EmbeddingSum{.partial_low = -constants.partial->zero_point,
                                           .partial_high = 255 - constants.partial->zero_point,
                                           .partial_multiplier = constants.partial_multiplier,
                                           .low = -constants.sum.zero_point,
                                           .high = 255 - constants.sum.zero_point};
    }
    return bound;
  }

  BoundOp bind(const QkvProduct& op, const QuantizedQkv& constants) const {
    BoundQkv bound{.product = product(constants.depth),
                   .query = constants.query,
                   .key = constants.key,
                   .value = constants.value,
                   .input = slot(input(0).u8),
                   .query_out = slot(own_->query),
                   .key_out = slot(own_->key),
                   .value_out = slot(own_->value),
                   .width = constants.query.columns,
                   .stride = round_up(op.heads * op.head_size, kTileDepth),
                   .low = constants.asymmetric ? -128 : -127};
    if (constants.gate.empty()) return bound;
    bound.gate = constants.gate[0];
    bound.mean = op.gate_mean;
    bound.gate_out = slot(own_->gate);
    bound.hidden = slot(own_->scratch[0]);
    bound.accumulators = slot(own_->scratch[1]);
    bound.gate_stride = stride_of(op.heads);
    if (!constants.gate_output.empty()) {
      bound.second = product(constants.gate_output[0].depth, part::kGateOutput);
      bound.second_block = constants.gate_output[0].block;
    }
    return bound;
  }

  BoundOp bind(const Linear& op, const QuantizedLinear& constants) const {
    BoundLinear bound{.product = product(constants.depth),
                      .block = constants.block,
                      .reads = op.reads,
                      .makes = op.makes,
                      .input = slot(input(0).u8)};
    if (op.reads == Form::s16) bound.rows = input16(0);
    bound.to_bytes = constants.bytes;
    bound.bytes = slot(own_->scratch[0]);
    bound.accumulators = slot(own_->scratch[1]);
    bound.accumulator_stride = stride_of(constants.block.columns);
    if (op.makes == Form::s16) {
      bound.out16 = rows16(own_->s16, columns());
      if (constants.table) bound.activation = get<std::int16_t>(part::kActivation);
      return bound;
    }
    if (op.makes == Form::s32) {
      bound.out32 = slot(own_->s32);
      return bound;
    }
    bound.out = rows8(own_->u8, constants.block.columns, constants.refined);
    bound.relu = op.activation == Activation::relu;
    if (constants.pieces) {
      bound.gelu = Gelu{.fraction_bits = constants.gelu_fraction_bits,
                        .limit = static_cast<std::uint16_t>(constants.gelu_limit),
                        .normalize = constants.gelu_normalize,
                        .inverse = static_cast<std::uint16_t>(constants.gelu_inverse),
                        .base = get<std::int16_t>(part::kGeluBase),
                        .slope = get<std::int16_t>(part::kGeluSlope),
                        .offset = get<std::int16_t>(part::kGeluOffset),
                        .out = {},
                        .fine_bits = constants.refined.fine_bits};
    }
    return bound;
  }

  BoundOp bind(const LinearAdd&, const QuantizedLinearAdd& constants) const {
    BoundLinearAdd bound{.product = product(constants.depth),
                         .block = constants.block,
                         .input = slot(input(0).u8),
                         .residual = input16(1),
                         .out = rows16(own_->s16, columns()),
                         .stream_shift = constants.stream_shift};
    if (constants.eight_bit) {
      const int zero_point = constants.block.encoding.zero_point;
      bound.eight_bit = AddToU8{.zero_point = constants.product.zero_point,
                                .product_multiplier = constants.product_multiplier,
                                .stream_multiplier = constants.stream_multiplier,
                                .low = -zero_point,
                                .high = 255 - zero_point,
                                .stream = nullptr,
                                .stride = bound.out.stride};
    }
    return bound;
  }

  BoundOp bind(const LayerNormOp& op, const QuantizedLayerNorm& constants) const {
    const Rows16 in = input16(0);
    BoundLayerNorm bound{.norm = layer_norm(columns() / op.groups, constants.epsilon, in.stride),
                         .groups = op.groups,
                         .in = in,
                         .out8 = rows8(own_->u8, columns(), constants.refined),
                         .eleven_bits = slot(own_->scratch[0]),
                         .slices = slot(own_->scratch[1])};
    bound.norm.u8 = lane(part::kBytesLane, constants.bytes);
    bound.norm.s16 = lane(part::kStreamLane, constants.stream);
    if (constants.stream.exists) bound.out16 = rows16(own_->s16, columns());
    return bound;
  }

  BoundOp bind(const AttentionOp& op, const QuantizedAttention& constants) const {
    const Node& producer = graph_.producer(node_->inputs[0]);
    const auto& qkv = std::get<QuantizedQkv>(data_.integer->ops[static_cast<std::size_t>(producer.output)]);
    BoundAttention bound{.constants = {.head_size = op.head_size,
                                       .causal = op.mask == AttentionMask::causal,
                                       .query_zero_point = qkv.query.encoding.zero_point,
                                       .score_multiplier = static_cast<std::uint16_t>(constants.score_multiplier),
                                       .score_shift = constants.score_shift,
                                       .clipped = constants.clipped,
                                       .theta = static_cast<std::int32_t>(constants.theta),
                                       .cap = static_cast<std::uint32_t>(constants.cap),
                                       .multiplier = constants.multiplier,
                                       .shift = constants.shift,
                                       .zero_point = constants.context.zero_point << constants.refined.fine_bits,
                                       .softmax1 = constants.softmax1,
                                       .prune = static_cast<std::uint32_t>(constants.prune),
                                       .levels = nullptr,
                                       .u16_probabilities = constants.wide},
                         .op = op,
                         .query = slot(input(0).query),
                         .key = slot(input(0).key),
                         .value = slot(input(0).value),
                         .gate = slot(input(0).gate),
                         .stride = round_up(op.heads * op.head_size, kTileDepth),
                         .gate_stride = stride_of(op.heads),
                         .out = rows8(own_->u8, columns(), constants.refined)};
    if (!constants.levels.edges.empty()) bound.levels = attention_levels(constants.levels);
    if (constants.paper) {
      const QuantizedPaperAttention& paper = *constants.paper;
      bound.paper = StaticW8A8Attention{.key_zero_point = qkv.key.encoding.zero_point,
                                        .value_zero_point = qkv.value.encoding.zero_point,
                                        .score_multiplier = paper.score_multiplier,
                                        .score_shift = paper.score_shift,
                                        .score_zero_point = paper.score.zero_point,
                                        .exponential = get<std::int32_t>(part::kExponential),
                                        .slope = paper.slope,
                                        .offset = paper.offset,
                                        .most = paper.most};
    }
    if (op.gate && op.gate->type == GateType::unconditional_per_head)
      bound.unconditional = get<std::int16_t>(part::kGate);
    for (const Node& other : graph_.nodes) {
      if (&other == node_) break;
      if (std::holds_alternative<AttentionOp>(other.op)) ++bound.layer;
    }
    result_.largest_head_size = std::max(result_.largest_head_size, op.head_size);
    return bound;
  }

  BoundOp bind(const EmbedPatches& op, const QuantizedEmbedPatches& constants) const {
    BoundEmbedPatches bound{.op = op,
                            .product = product(constants.depth),
                            .block = constants.block,
                            .rows = get<std::int16_t>(part::kRows),
                            .low = constants.low,
                            .high = constants.high,
                            .out = rows16(own_->s16, columns())};
    if (op.norm) {
      bound.norm = layer_norm(columns(), constants.epsilon, bound.out.stride);
      bound.norm->s16 = lane(part::kStreamLane, constants.norm);
    }
    return bound;
  }

  BoundOp bind(const SelectRows& op, const QuantizedSelectRows&) const {
    return BoundSelectRows{
        .op = op, .in = input16(0), .out = rows16(own_->s16, columns()), .sums = slot(own_->scratch[0])};
  }

  const Model::Data& data_;
  const Graph& graph_;
  const Needs& needs_;
  BoundGraph& result_;
  const Node* node_ = nullptr;
  const ValueNeeds* own_ = nullptr;
};

/// One overload per op; no output is made of bytes.
struct Place {
  OutputPlace operator()(const BoundEmbedTokens& op) const { return {.s16 = op.out}; }
  OutputPlace operator()(const BoundQkv&) const { return {}; }
  OutputPlace operator()(const BoundLinear& op) const { return {.s16 = op.out16, .s32 = op.out32}; }
  OutputPlace operator()(const BoundLinearAdd& op) const { return {.s16 = op.out}; }
  OutputPlace operator()(const BoundLayerNorm& op) const { return {.s16 = op.out16}; }
  OutputPlace operator()(const BoundAttention&) const { return {}; }
  OutputPlace operator()(const BoundEmbedPatches& op) const { return {.s16 = op.out}; }
  OutputPlace operator()(const BoundSelectRows& op) const { return {.s16 = op.out}; }
};

}  // namespace

OutputPlace output_place(const BoundOp& op) { return std::visit(Place{}, op); }

BoundGraph bind_graph(const Model::Data& data) {
  const Needs needs(data);
  BoundGraph result{.ops = {}, .rows = {}, .plan = plan_buffers(data.graph, needs.needs)};
  for (const Value& value : data.graph.values) result.rows.push_back(value.rows);
  Binder(data, needs, result).run();
  return result;
}

}  // namespace octavo

#include "integer_executor.h"

#include <algorithm>

#include "gate_mean.h"
#include "image_rows.h"
#include "partition.h"
#include "workspace.h"

namespace octavo {
namespace {

using namespace kernels;

constexpr int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

ByteMatrix tile_order(std::uint8_t* data, int columns) {
  const int depth = round_up(columns, kTileDepth);
  return {.data = data, .tile_stride = std::ptrdiff_t{16} * depth, .row_stride = 64, .chunk_stride = 1024};
}

ByteMatrix row_major(std::uint8_t* data, std::ptrdiff_t stride) {
  return {.data = data, .tile_stride = 16 * stride, .row_stride = stride, .chunk_stride = 64};
}

/// `m` from a row (multiple of 16) and a column (multiple of 32) on, as one part of a product writes it.
ByteMatrix at(ByteMatrix m, int row, int column) {
  m.data += (row / kTileRows) * m.tile_stride + (column / kTileDepth) * m.chunk_stride + column % kTileDepth;
  return m;
}

/// A product's tensors, bound once.
struct Product {
  const std::int8_t* weight;
  const std::int32_t *bias, *multiplier;
  int depth;

  Product(const TensorMap& tensors, const std::string& name, int depth_)
      : weight(tensor(tensors, name + ".weight").as<std::int8_t>().data()),
        bias(tensor(tensors, name + ".bias").as<std::int32_t>().data()),
        multiplier(tensor(tensors, name + ".multiplier").as<std::int32_t>().data()),
        depth(depth_) {}

  /// The kernel's arguments for one part of a block.
  Gemm part(const QuantizedBlock& block, const std::uint8_t* a, const Part& part) const {
    const int column = block.first_column + part.column;
    return {.rows = part.rows,
            .columns = part.columns,
            .depth = depth,
            .a = a + static_cast<std::ptrdiff_t>(part.row) * depth,
            .b = weight + static_cast<std::ptrdiff_t>(column) * depth,
            .bias = bias + column,
            .multiplier = multiplier + column,
            .shift = std::max(block.shift, 33),
            .pre_shift = std::max(33 - block.shift, 0)};
  }
};

/// Everything one forward pass works on.
struct Run {
  const RaggedBatch& batch;
  ThreadPool& pool;
  int rows;
  // u8 codes in tile order, one buffer per kind of producer; each is dead once its consumer has run
  std::uint8_t *norm, *context, *hidden;
  std::uint8_t *query, *key, *value;
  std::int16_t *gate, *stream;
  std::uint8_t* gate_hidden;       // u8 units of an mlp gate, in tile order
  std::int32_t* gate_accumulator;  // logits of each token before their mean
  std::uint8_t* scratch;
  std::size_t scratch_bytes;
  Workspace::Data& workspace;       // for what only the ends of the network need
  std::int32_t* logits = nullptr;  // [sequences][classes]
};

}  // namespace

/// Bound nodes and the sizes of the buffers they share.
struct IntegerExecutor::Impl {
  Impl(std::shared_ptr<const Model::Data> model, Isa isa) : data(std::move(model)), table(table_for(isa)) {
    for (const Node& node : data->graph.nodes) std::visit([&](const auto& op) { measure(op, node); }, node.op);
    qkv_stride = round_up(qkv_columns, kTileDepth);
    gate_stride = round_up(std::max(heads, 1), kPanelColumns);
    stream_stride = round_up(stream_columns, kPanelColumns);
  }

  void measure(const EmbedTokens&, const Node& node) { stream_columns = std::max(stream_columns, columns(node)); }
  void measure(const LinearAdd&, const Node& node) { stream_columns = std::max(stream_columns, columns(node)); }
  void measure(const LayerNormOp&, const Node& node) { stream_columns = std::max(stream_columns, columns(node)); }
  void measure(const Linear&, const Node& node) {
    const auto& constants = std::get<QuantizedLinear>(data->integer->ops[index(node)]);
    hidden_columns = std::max(hidden_columns, constants.block.columns);
  }
  void measure(const QkvProduct& op, const Node&) {
    qkv_columns = std::max(qkv_columns, op.heads * op.head_size);
    heads = std::max(heads, op.heads);
    head_size = std::max(head_size, op.head_size);
    if (!op.gate_output.empty()) gate_units = std::max(gate_units, gate_columns(op));
    gate_means = gate_means || op.gate_mean;
  }
  void measure(const AttentionOp&, const Node&) {}
  void measure(const EmbedPatches&, const Node& node) { stream_columns = std::max(stream_columns, columns(node)); }
  void measure(const Head&, const Node&) {}

  std::size_t index(const Node& node) const { return static_cast<std::size_t>(&node - data->graph.nodes.data()); }
  int columns(const Node& node) const { return data->graph.columns(node.output); }
  const std::string& name(const Node& node) const { return data->graph.name(node.output); }

  template <typename T>
  const T* get(const Node& node, const char* part) const {
    return tensor(data->tensors, name(node) + part).as<T>().data();
  }

  Run prepare(const RaggedBatch& batch, Workspace::Data& workspace) const {
    const auto rows = static_cast<std::size_t>(round_up(batch.rows(), kTileRows));
    const auto bytes = [&](const char* buffer, int columns) {
      return workspace.get<std::uint8_t>(buffer, rows * static_cast<std::size_t>(round_up(columns, kTileDepth)));
    };
    int longest = 1;
    for (int i = 0; i < batch.sequences(); ++i) longest = std::max(longest, batch.length(i));
    const std::size_t scratch = (attention_scratch_bytes(longest, std::max(head_size, 4)) + 63) / 64 * 64;
    const auto threads = static_cast<std::size_t>(workspace.pool.threads());
    return {.batch = batch,
            .pool = workspace.pool,
            .rows = batch.rows(),
            .norm = bytes("norm", stream_columns),
            .context = bytes("context", qkv_columns),
            .hidden = bytes("hidden", hidden_columns),
            .query = bytes("query", qkv_stride),
            .key = bytes("key", qkv_stride),
            .value = bytes("value", qkv_stride),
            .gate = workspace.get<std::int16_t>("gate", rows * static_cast<std::size_t>(gate_stride)),
            .stream = workspace.get<std::int16_t>("stream", rows * static_cast<std::size_t>(stream_stride)),
            .gate_hidden = bytes("gate_hidden", gate_units),
            .gate_accumulator = workspace.get<std::int32_t>(
                "gate_accumulator", gate_means ? rows * static_cast<std::size_t>(gate_stride) : 0),
            .scratch = workspace.get<std::uint8_t>("scratch", scratch * threads),
            .scratch_bytes = scratch,
            .workspace = workspace};
  }

  /// u8 form of a product's input: who made it decides where it lies.
  const std::uint8_t* input(const Run& run, const Node& node) const {
    const Op& producer = data->graph.nodes[static_cast<std::size_t>(node.inputs[0])].op;
    if (std::holds_alternative<AttentionOp>(producer)) return run.context;
    return std::holds_alternative<Linear>(producer) ? run.hidden : run.norm;
  }

  NodeCodes operator()(Run& run, const Node& node, const EmbedTokens& op, const QuantizedEmbedTokens& constants) const {
    EmbeddingSum sum{.rows = 0, .columns = columns(node), .tables = op.type.empty() ? 2 : 3, .table = {}, .out = nullptr, .stride = stream_stride};
    sum.table[0] = {get<std::int8_t>(node, ".word"), get<std::int32_t>(node, ".word_multiplier"), run.batch.ids.data()};
    sum.table[1] = {get<std::int8_t>(node, ".position"), get<std::int32_t>(node, ".position_multiplier"), run.batch.positions.data()};
    if (!op.type.empty()) {
      sum.table[2] = {get<std::int8_t>(node, ".type"), get<std::int32_t>(node, ".type_multiplier"), run.batch.types.data()};
    }
    const Encoding partial = constants.partial.value_or(Encoding{});
    const PaperEmbeddingSum paper{.partial_low = -partial.zero_point,
                                  .partial_high = 255 - partial.zero_point,
                                  .partial_multiplier = constants.partial_multiplier,
                                  .low = -constants.sum.zero_point,
                                  .high = 255 - constants.sum.zero_point};
    for_rows(run.pool, run.rows, sum.columns, [&](int row, int rows) {
      EmbeddingSum part = sum;
      part.rows = rows;
      part.out = run.stream + static_cast<std::ptrdiff_t>(row) * stream_stride;
      for (int t = 0; t < sum.tables; ++t) part.table[t].index += row;
      if (constants.partial) table.embedding_sum_paper(part, paper);
      else table.embedding_sum(part);
    });
    return {.stream = run.stream, .stream_stride = stream_stride};
  }

  NodeCodes operator()(Run& run, const Node& node, const QkvProduct& op, const QuantizedQkv& constants) const {
    const Product product(data->tensors, name(node), constants.depth);
    const std::uint8_t* a = input(run, node);
    const auto bytes = [&](const QuantizedBlock& block, std::uint8_t* out, int low, int high) {
      for_parts(run.pool, run.rows, block.columns, constants.depth, [&](const Part& part) {
        table.gemm_to_bytes(product.part(block, a, part), {.zero_point = block.encoding.zero_point,
                                                           .low = low,
                                                           .high = high,
                                                           .out = at(row_major(out, qkv_stride), part.row, part.column)});
      });
    };
    bytes(constants.query, run.query, 0, 255);
    const int low = constants.asymmetric ? -128 : -127;
    bytes(constants.key, run.key, low, 127);
    bytes(constants.value, run.value, low, 127);
    if (!constants.gate_output.empty()) {
      const QuantizedGateOutput& output = constants.gate_output[0];
      hidden_units(run, product, constants.gate[0], a);
      const Product second(data->tensors, name(node) + ".gate_output", output.depth);
      gate_logits(run, second, output.block, run.gate_hidden, op.gate_mean);
    } else if (!constants.gate.empty()) {
      gate_logits(run, product, constants.gate[0], a, op.gate_mean);
    }
    return {.query = run.query,
            .key = reinterpret_cast<const std::int8_t*>(run.key),
            .value = reinterpret_cast<const std::int8_t*>(run.value),
            .qkv_stride = qkv_stride,
            .gate = run.gate,
            .gate_stride = gate_stride};
  }

  /// First product of an mlp gate: ReLU is the clamp at zero.
  void hidden_units(Run& run, const Product& product, const QuantizedBlock& block, const std::uint8_t* a) const {
    const ByteMatrix out = tile_order(run.gate_hidden, block.columns);
    for_parts(run.pool, run.rows, block.columns, product.depth, [&](const Part& part) {
      table.gemm_to_bytes(product.part(block, a, part),
                          {.zero_point = 0, .low = 0, .high = 255, .out = at(out, part.row, part.column)});
    });
  }

  /// A row of logits per token, or per sequence where the gate takes their mean.
  void gate_logits(Run& run, const Product& product, const QuantizedBlock& block, const std::uint8_t* a, bool mean) const {
    for_parts(run.pool, run.rows, block.columns, product.depth, [&](const Part& part) {
      const std::ptrdiff_t first = part.row * gate_stride + part.column;
      const Gemm gemm = product.part(block, a, part);
      if (mean) table.gemm_to_accumulators(gemm, {.out = run.gate_accumulator + first, .stride = gate_stride});
      else table.gemm_to_shorts(gemm, {.zero_point = 0, .out = run.gate + first, .stride = gate_stride});
    });
    if (!mean) return;
    mean_gate_logits({.values = run.gate_accumulator,
                      .stride = gate_stride,
                      .heads = block.columns,
                      .multiplier = product.multiplier + block.first_column,
                      .shift = block.shift},
                     run.batch, run.gate, gate_stride);
  }

  /// A sequence's logits of one head: a row per token, one for all, or constants of the model.
  struct GateRows {
    const std::int16_t* first = nullptr;
    std::ptrdiff_t stride = 0;
  };
  GateRows gate_rows(const Run& run, const Node& node, const AttentionOp& op, int sequence, int head) const {
    if (!op.gate) return {};
    switch (op.gate->type) {
      case GateType::unconditional_per_head: return {.first = get<std::int16_t>(node, ".gate") + head};
      case GateType::conditional_per_head: return {.first = run.gate + sequence * gate_stride + head};
      default: break;
    }
    return {.first = run.gate + run.batch.start[static_cast<std::size_t>(sequence)] * gate_stride + head, .stride = gate_stride};
  }

  PaperAttention paper_constants(const Node& node, const QuantizedPaperAttention& constants, const QuantizedQkv& qkv) const {
    return {.key_zero_point = qkv.key.encoding.zero_point,
            .value_zero_point = qkv.value.encoding.zero_point,
            .score_multiplier = constants.score_multiplier,
            .score_shift = constants.score_shift,
            .score_zero_point = constants.score.zero_point,
            .exponential = get<std::int32_t>(node, ".exponential"),
            .slope = constants.slope,
            .offset = constants.offset,
            .most = constants.most};
  }

  static AttentionLevels attention_levels(const QuantizedLevels& levels) {
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

  NodeCodes operator()(Run& run, const Node& node, const AttentionOp& op, const QuantizedAttention& constants) const {
    const auto& qkv = std::get<QuantizedQkv>(data->integer->ops[static_cast<std::size_t>(node.inputs[0])]);
    const AttentionLevels levels = attention_levels(constants.levels);
    const AttentionConstants shared{.head_size = op.head_size,
                                    .causal = op.mask == AttentionMask::causal,
                                    .query_zero_point = qkv.query.encoding.zero_point,
                                    .score_multiplier = static_cast<std::uint16_t>(constants.score_multiplier),
                                    .score_shift = constants.score_shift,
                                    .clipped = constants.clipped,
                                    .theta = static_cast<std::int32_t>(constants.theta),
                                    .cap = static_cast<std::uint32_t>(constants.cap),
                                    .multiplier = constants.multiplier,
                                    .shift = constants.shift,
                                    .zero_point = constants.context.zero_point,
                                    .softmax1 = constants.softmax1,
                                    .prune = static_cast<std::uint32_t>(constants.prune),
                                    .levels = constants.levels.edges.empty() ? nullptr : &levels};
    const ByteMatrix context = tile_order(run.context, op.heads * op.head_size);
    const PaperAttention paper = constants.paper ? paper_constants(node, *constants.paper, qkv) : PaperAttention{};
    const auto one = [&](int sequence, int head, int query, int queries, int thread) {
      const std::ptrdiff_t first = run.batch.start[static_cast<std::size_t>(sequence)];
      const std::ptrdiff_t offset = first * qkv_stride + head * op.head_size;
      const GateRows gate = gate_rows(run, node, op, sequence, head);
      const Attention call{.constants = &shared,
                       .length = run.batch.length(sequence),
                       .first_query = query,
                       .queries = queries,
                       .q = run.query + offset,
                       .k = reinterpret_cast<const std::int8_t*>(run.key) + offset,
                       .v = reinterpret_cast<const std::int8_t*>(run.value) + offset,
                       .stride = qkv_stride,
                       .gate = gate.first,
                       .gate_stride = gate.stride,
                       .context = context,
                       .context_row = first,
                       .context_column = head * op.head_size,
                       .scratch = run.scratch + static_cast<std::size_t>(thread) * run.scratch_bytes};
      if (constants.paper) table.attention_paper(call, paper);
      else table.attention(call);
    };
    for_heads(run.pool, run.batch, op.heads, one);
    return {.bytes = context};
  }

  NodeCodes operator()(Run& run, const Node& node, const Linear& op, const QuantizedLinear& constants) const {
    const Product product(data->tensors, name(node), constants.depth);
    const std::uint8_t* a = input(run, node);
    const ByteMatrix out = tile_order(run.hidden, constants.block.columns);
    const QuantizedBlock& block = constants.block;
    if (constants.pieces) {
      const Gelu gelu{.fraction_bits = constants.gelu_fraction_bits,
                      .limit = static_cast<std::uint16_t>(constants.gelu_limit),
                      .normalize = constants.gelu_normalize,
                      .inverse = static_cast<std::uint16_t>(constants.gelu_inverse),
                      .base = get<std::int16_t>(node, ".gelu_base"),
                      .slope = get<std::int16_t>(node, ".gelu_slope"),
                      .offset = get<std::int16_t>(node, ".gelu_offset"),
                      .out = out};
      for_parts(run.pool, run.rows, block.columns, constants.depth, [&](const Part& part) {
        Gelu own = gelu;
        own.offset += part.column;
        own.out = at(out, part.row, part.column);
        table.gemm_gelu(product.part(block, a, part), own);
      });
    } else {
      const int zero_point = block.encoding.zero_point, low = op.activation == Activation::relu ? zero_point : 0;
      for_parts(run.pool, run.rows, block.columns, constants.depth, [&](const Part& part) {
        table.gemm_to_bytes(product.part(block, a, part),
                            {.zero_point = zero_point, .low = low, .high = 255, .out = at(out, part.row, part.column)});
      });
    }
    return {.bytes = out};
  }

  NodeCodes operator()(Run& run, const Node& node, const LinearAdd&, const QuantizedLinearAdd& constants) const {
    const Product product(data->tensors, name(node), constants.depth);
    const std::uint8_t* a = input(run, node);
    const QuantizedBlock& block = constants.block;
    for_parts(run.pool, run.rows, block.columns, constants.depth, [&](const Part& part) {
      std::int16_t* stream = run.stream + part.row * stream_stride + part.column;
      if (!constants.eight_bit) {
        table.gemm_add_to_stream(product.part(block, a, part), {.stream = stream, .stride = stream_stride});
        return;
      }
      const int zero_point = block.encoding.zero_point;
      table.gemm_add_to_stream8(product.part(block, a, part), {.zero_point = constants.product.zero_point,
                                                               .product_multiplier = constants.product_multiplier,
                                                               .stream_multiplier = constants.stream_multiplier,
                                                               .low = -zero_point,
                                                               .high = 255 - zero_point,
                                                               .stream = stream,
                                                               .stride = stream_stride});
    });
    return {.stream = run.stream, .stream_stride = stream_stride};
  }

  NormLane lane(const Node& node, const char* part, const QuantizedLane& constants) const {
    if (!constants.exists) return {};
    const std::string prefix = name(node) + part;
    return {.gain = tensor(data->tensors, prefix + ".gain").as<std::int32_t>().data(),
            .offset = tensor(data->tensors, prefix + ".offset").as<std::int32_t>().data(),
            .shift = constants.shift,
            .low = constants.low,
            .high = constants.high};
  }

  NodeCodes operator()(Run& run, const Node& node, const LayerNormOp&, const QuantizedLayerNorm& constants) const {
    const ByteMatrix bytes = tile_order(run.norm, columns(node));
    const LayerNorm norm{.rows = 0,
                         .columns = columns(node),
                         .in = nullptr,
                         .in_stride = stream_stride,
                         .epsilon = constants.epsilon,
                         .bytes = lane(node, ".bytes", constants.bytes),
                         .bytes_out = bytes,
                         .stream = lane(node, ".stream", constants.stream),
                         .stream_out = nullptr,
                         .stream_stride = stream_stride};
    for_rows(run.pool, run.rows, norm.columns, [&](int row, int rows) {
      LayerNorm part = norm;
      part.rows = rows;
      part.in = part.stream_out = run.stream + static_cast<std::ptrdiff_t>(row) * stream_stride;
      part.bytes_out = at(bytes, row, 0);
      table.layer_norm(part);
    });
    return {.stream = constants.stream.exists ? run.stream : nullptr,
            .stream_stride = stream_stride,
            .bytes = constants.bytes.exists ? bytes : ByteMatrix{}};
  }

  NodeCodes operator()(Run& run, const Node& node, const EmbedPatches& op, const QuantizedEmbedPatches& constants) const {
    const int images = run.batch.sequences(), count = images * op.patches();
    const auto rows = static_cast<std::size_t>(round_up(count, kTileRows));
    const ByteMatrix pixels = tile_order(run.workspace.get<std::uint8_t>("pixels", rows * static_cast<std::size_t>(constants.depth)), constants.depth);
    auto* patches = run.workspace.get<std::int16_t>("patches", rows * static_cast<std::size_t>(stream_stride));
    run.pool.run(images, [&](int image, int) {
      copy_patches(op, run.batch.pixels[static_cast<std::size_t>(image)], pixels, image * op.patches());
    });
    const Product product(data->tensors, name(node), constants.depth);
    for_parts(run.pool, count, constants.block.columns, constants.depth, [&](const Part& part) {
      table.gemm_to_shorts(product.part(constants.block, pixels.data, part),
                           {.zero_point = 0, .out = patches + part.row * stream_stride + part.column, .stride = stream_stride});
    });
    if (op.norm) {
      const LayerNorm norm{.rows = 0, .columns = columns(node), .in = nullptr, .in_stride = stream_stride, .epsilon = constants.epsilon,
                           .bytes = {}, .bytes_out = {}, .stream = lane(node, ".stream", constants.norm), .stream_out = nullptr,
                           .stream_stride = stream_stride};
      for_rows(run.pool, count, norm.columns, [&](int row, int part_rows) {
        LayerNorm part = norm;
        part.rows = part_rows;
        part.in = part.stream_out = patches + static_cast<std::ptrdiff_t>(row) * stream_stride;
        table.layer_norm(part);
      });
    }
    run.pool.run(images, [&](int image, int) {
      add_image_rows({.rows = get<std::int16_t>(node, ".rows"),
                      .patches = patches + std::ptrdiff_t{image} * op.patches() * stream_stride,
                      .prefix = op.prefix_rows(),
                      .count = op.patches(),
                      .columns = columns(node),
                      .low = constants.low,
                      .high = constants.high,
                      .out = run.stream + std::ptrdiff_t{run.batch.start[static_cast<std::size_t>(image)]} * stream_stride,
                      .stride = stream_stride});
    });
    return {.stream = run.stream, .stream_stride = stream_stride};
  }

  NodeCodes operator()(Run& run, const Node& node, const Head& op, const QuantizedHead& constants) const {
    const int images = run.batch.sequences(), width = data->graph.columns(node.inputs[0]);
    const int per_image = op.pooling == HeadRows::first ? op.rows : 1;
    const ByteMatrix norm = tile_order(run.workspace.get<std::uint8_t>("head.norm", head_bytes(images * per_image, round_up(width, kTileDepth))), width);
    const ByteMatrix input = tile_order(run.workspace.get<std::uint8_t>("head.input", head_bytes(images, constants.depth)), constants.depth);
    auto* rows = run.workspace.get<std::int16_t>("head.rows", static_cast<std::size_t>(images * per_image) * static_cast<std::size_t>(width));
    for (int image = 0; image < images; ++image) head_rows(run, op, image, width, rows + std::ptrdiff_t{image} * per_image * width);
    table.layer_norm({.rows = images * per_image, .columns = width, .in = rows, .in_stride = width, .epsilon = constants.epsilon,
                      .bytes = lane(node, ".bytes", constants.bytes), .bytes_out = norm, .stream = {}, .stream_out = nullptr, .stream_stride = width});
    for (int row = 0; row < images * per_image; ++row) {
      copy_byte_row(norm, row, width, input, row / per_image, row % per_image * width);
    }
    const int stride = round_up(constants.block.columns, kPanelColumns);
    run.logits = run.workspace.get<std::int32_t>("logits", head_bytes(images, stride));
    const Product product(data->tensors, name(node), constants.depth);
    for_parts(run.pool, images, constants.block.columns, constants.depth, [&](const Part& part) {
      table.gemm_to_accumulators(product.part(constants.block, input.data, part),
                                 {.out = run.logits + std::ptrdiff_t{part.row} * stride + part.column, .stride = stride});
    });
    for (int image = 0; image < images; ++image) {  // in place: a row without its padding never lies behind the row with it
      scale_logits(run.logits + std::ptrdiff_t{image} * stride, product.multiplier, constants.block.shift, constants.block.columns,
                   run.logits + std::ptrdiff_t{image} * constants.block.columns);
    }
    return {};
  }

  static std::size_t head_bytes(int rows, int columns) {
    return static_cast<std::size_t>(round_up(rows, kTileRows)) * static_cast<std::size_t>(columns);
  }

  /// What a head reads of one image's rows of the stream.
  void head_rows(const Run& run, const Head& op, int image, int width, std::int16_t* out) const {
    const std::int16_t* first = run.stream + std::ptrdiff_t{run.batch.start[static_cast<std::size_t>(image)]} * stream_stride;
    if (op.pooling == HeadRows::first) {
      for (int row = 0; row < op.rows; ++row) std::copy_n(first + row * stream_stride, width, out + std::ptrdiff_t{row} * width);
      return;
    }
    auto* sums = run.workspace.get<std::int32_t>("head.sums", static_cast<std::size_t>(width));
    const int count = run.batch.length(image) - op.rows;
    table.column_sum({.rows = count, .columns = width, .in = first + std::ptrdiff_t{op.rows} * stream_stride, .stride = stream_stride, .out = sums});
    divide_sums(sums, count, width, out);
  }

  template <typename OtherOp, typename OtherConstants>
  NodeCodes operator()(Run&, const Node&, const OtherOp&, const OtherConstants&) const {
    return {};  // check_quantized() has matched ops and constants
  }

  std::shared_ptr<const Model::Data> data;
  KernelTable table;
  int stream_columns = 1, hidden_columns = 1, qkv_columns = 1, heads = 0, head_size = 0;
  int gate_units = 0;       // of the largest mlp gate
  bool gate_means = false;  // some gate takes the mean over tokens
  int qkv_stride = 0, gate_stride = 0, stream_stride = 0;
};

IntegerExecutor::IntegerExecutor(std::shared_ptr<const Model::Data> data, Isa isa)
    : impl_(std::make_unique<Impl>(std::move(data), isa)) {}
IntegerExecutor::~IntegerExecutor() = default;
IntegerExecutor::IntegerExecutor(IntegerExecutor&&) noexcept = default;
IntegerExecutor& IntegerExecutor::operator=(IntegerExecutor&&) noexcept = default;

std::span<const std::int16_t> IntegerExecutor::forward(const RaggedBatch& batch, Workspace::Data& workspace,
                                                       CodeObserver observer, void* context) const {
  const Graph& graph = impl_->data->graph;
  Run run = impl_->prepare(batch, workspace);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (std::holds_alternative<Head>(node.op)) continue;
    const NodeCodes codes = std::visit([&](const auto& op, const auto& constants) { return (*impl_)(run, node, op, constants); },
                                       node.op, impl_->data->integer->ops[i]);
    if (observer) observer(context, i, codes);
  }
  const auto columns = static_cast<std::size_t>(impl_->data->info.hidden_size), rows = static_cast<std::size_t>(run.rows);
  const auto stride = static_cast<std::size_t>(impl_->stream_stride);
  for (std::size_t i = 1; columns != stride && i < rows; ++i) {  // close the gaps between rows
    std::copy_n(run.stream + i * stride, columns, run.stream + i * columns);
  }
  return {run.stream, rows * columns};
}

std::span<const std::int32_t> IntegerExecutor::logits(const RaggedBatch& batch, Workspace::Data& workspace) const {
  const Graph& graph = impl_->data->graph;
  const Node& head = *graph.head();
  Run run = impl_->prepare(batch, workspace);
  for (std::size_t i = 0;; ++i) {
    const Node& node = graph.nodes[i];
    std::visit([&](const auto& op, const auto& constants) { return (*impl_)(run, node, op, constants); }, node.op, impl_->data->integer->ops[i]);
    if (&node == &head) break;
  }
  return {run.logits, static_cast<std::size_t>(batch.sequences()) * static_cast<std::size_t>(graph.columns(head.output))};
}

float IntegerExecutor::logit_scale() const {
  const Graph& graph = impl_->data->graph;
  return std::get<QuantizedHead>(impl_->data->integer->ops[static_cast<std::size_t>(graph.head() - graph.nodes.data())]).block.encoding.scale;
}

std::span<const std::int32_t> IntegerExecutor::sum_tokens(const RaggedBatch& batch, std::span<const std::int16_t> codes,
                                                          Workspace::Data& workspace) const {
  const int columns = impl_->data->info.hidden_size;
  const auto elements = static_cast<std::size_t>(batch.sequences()) * static_cast<std::size_t>(columns);
  auto* sums = workspace.get<std::int32_t>("sums", elements);
  for (int i = 0; i < batch.sequences(); ++i) {
    const std::ptrdiff_t first = batch.start[static_cast<std::size_t>(i)] + batch.prefix;
    impl_->table.column_sum({.rows = batch.length(i) - batch.prefix,
                             .columns = columns,
                             .in = codes.data() + first * columns,
                             .stride = columns,
                             .out = sums + static_cast<std::ptrdiff_t>(i) * columns});
  }
  return {sums, elements};
}

float IntegerExecutor::output_scale() const {
  const Graph& graph = impl_->data->graph;
  const QuantizedOp& op = impl_->data->integer->ops[static_cast<std::size_t>(graph.hidden())];
  const auto* norm = std::get_if<QuantizedLayerNorm>(&op);
  return norm ? norm->stream.encoding.scale : std::get<QuantizedLinearAdd>(op).block.encoding.scale;
}

}  // namespace octavo

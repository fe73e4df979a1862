#include "integer/integer_run.h"

namespace octavo {

using namespace kernels;

IntegerExecutor::Impl::Impl(std::shared_ptr<const Model::Data> model, Isa isa)
    : data(std::move(model)), table(table_for(isa)) {
  std::size_t layers = 0;
  for (const Node& node : data->graph.nodes) {
    measure(node);
    layer_of.push_back(layers);
    if (std::holds_alternative<AttentionOp>(node.op)) ++layers;
  }
  qkv_stride = round_up(qkv_columns, kTileDepth);
  gate_stride = round_up(std::max(heads, 1), kPanelColumns);
  stream_stride = round_up(stream_columns, kPanelColumns);
}

void IntegerExecutor::Impl::measure(const Node& node) {
  const Op& op = node.op;
  if (std::holds_alternative<EmbedTokens>(op) || std::holds_alternative<LinearAdd>(op) ||
      std::holds_alternative<LayerNormOp>(op) || std::holds_alternative<EmbedPatches>(op)) {
    stream_columns = std::max(stream_columns, columns(node));
    const auto* norm = std::get_if<QuantizedLayerNorm>(&data->integer->ops[index(node)]);
    norm_depth = std::max(norm_depth, refined_depth(columns(node), norm ? norm->refined : Refined{}));
    fine_norms = fine_norms || (norm && norm->refined.fine_bits > 0);
  } else if (std::holds_alternative<Linear>(op)) {
    const auto& linear = std::get<QuantizedLinear>(data->integer->ops[index(node)]);
    hidden_depth = std::max(hidden_depth, refined_depth(linear.block.columns, linear.refined));
  } else if (const auto* attention = std::get_if<QuantizedAttention>(&data->integer->ops[index(node)])) {
    context_depth = std::max(context_depth, refined_depth(columns(node), attention->refined));
  } else if (const auto* qkv = std::get_if<QkvProduct>(&op)) {
    qkv_columns = std::max(qkv_columns, qkv->heads * qkv->head_size);
    heads = std::max(heads, qkv->heads);
    head_size = std::max(head_size, qkv->head_size);
    if (!qkv->gate_output.empty()) gate_units = std::max(gate_units, gate_columns(*qkv));
    gate_means = gate_means || qkv->gate_mean;
  }
}

IntegerRun IntegerExecutor::Impl::prepare(const RaggedBatch& batch, Workspace::Data& workspace) const {
  const auto rows = static_cast<std::size_t>(round_up(batch.rows(), kTileRows));
  const auto bytes = [&](const char* buffer, int columns) {
    return workspace.get<std::uint8_t>(buffer, rows * static_cast<std::size_t>(round_up(columns, kTileDepth)));
  };
  int longest = 1;
  for (int i = 0; i < batch.sequences(); ++i) longest = std::max(longest, batch.past(i) + batch.length(i));
  const std::size_t scratch = (attention_scratch_bytes(longest, std::max(head_size, 4)) + 63) / 64 * 64;
  const auto threads = static_cast<std::size_t>(workspace.pool.threads());
  return {.batch = batch,
          .pool = workspace.pool,
          .rows = batch.rows(),
          .norm = bytes("norm", norm_depth),
          .context = bytes("context", context_depth),
          .hidden = bytes("hidden", hidden_depth),
          .query = bytes("query", qkv_stride),
          .key = bytes("key", qkv_stride),
          .value = bytes("value", qkv_stride),
          .gate = workspace.get<std::int16_t>("gate", rows * static_cast<std::size_t>(gate_stride)),
          .stream = workspace.get<std::int16_t>("stream", rows * static_cast<std::size_t>(stream_stride)),
          .eleven_bits = workspace.get<std::int16_t>("eleven_bits",
                                                     fine_norms ? rows * static_cast<std::size_t>(stream_stride) : 0),
          .gate_hidden = bytes("gate_hidden", gate_units),
          .gate_accumulator = workspace.get<std::int32_t>(
              "gate_accumulator", gate_means ? rows * static_cast<std::size_t>(gate_stride) : 0),
          .scratch = workspace.get<std::uint8_t>("scratch", scratch * threads),
          .scratch_bytes = scratch,
          .workspace = workspace};
}

const std::uint8_t* IntegerExecutor::Impl::input(const IntegerRun& run, const Node& node) const {
  const Op& producer = data->graph.nodes[static_cast<std::size_t>(node.inputs[0])].op;
  if (std::holds_alternative<AttentionOp>(producer)) return run.context;
  return std::holds_alternative<Linear>(producer) ? run.hidden : run.norm;
}

void IntegerExecutor::Impl::write_coarse(IntegerRun& run, const ByteMatrix& first, int columns,
                                         const Refined& refined) const {
  if (!refined.coarse) return;
  for_rows(run.pool, run.rows, columns,
           [&](int row, int rows) { table.shift_tiles(coarse_tiles(first, columns, refined, row, rows)); });
}

NodeCodes IntegerExecutor::Impl::run(IntegerRun& run, std::size_t index) const {
  const Node& node = data->graph.nodes[index];
  NodeCodes codes;
  run.workspace.node(index, [&] {
    codes = std::visit([&](const auto& op, const auto& constants) { return (*this)(run, node, op, constants); },
                       node.op, data->integer->ops[index]);
  });
  return codes;
}

IntegerExecutor::IntegerExecutor(std::shared_ptr<const Model::Data> data, Isa isa)
    : impl_(std::make_unique<Impl>(std::move(data), isa)) {}
IntegerExecutor::~IntegerExecutor() = default;
IntegerExecutor::IntegerExecutor(IntegerExecutor&&) noexcept = default;
IntegerExecutor& IntegerExecutor::operator=(IntegerExecutor&&) noexcept = default;

std::span<const std::int16_t> IntegerExecutor::forward(const RaggedBatch& batch, Workspace::Data& workspace,
                                                       CodeObserver observer, void* context) const {
  const Graph& graph = impl_->data->graph;
  IntegerRun run = impl_->prepare(batch, workspace);
  run.observed = observer != nullptr;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (is_head(node.op)) continue;
    const NodeCodes codes = impl_->run(run, i);
    if (observer) observer(context, i, codes);
  }
  const auto columns = static_cast<std::size_t>(impl_->data->info.hidden_size),
             rows = static_cast<std::size_t>(run.rows);
  const auto stride = static_cast<std::size_t>(impl_->stream_stride);
  for (std::size_t i = 1; columns != stride && i < rows; ++i) {  // close the gaps between rows
    std::copy_n(run.stream + i * stride, columns, run.stream + i * columns);
  }
  return {run.stream, rows * columns};
}

std::span<const std::int32_t> IntegerExecutor::logits(const RaggedBatch& batch, Workspace::Data& workspace) const {
  const Graph& graph = impl_->data->graph;
  const Node& head = *graph.head();
  IntegerRun run = impl_->prepare(batch, workspace);
  for (std::size_t i = 0;; ++i) {
    impl_->run(run, i);
    if (&graph.nodes[i] == &head) break;
  }
  return {run.logits,
          static_cast<std::size_t>(batch.sequences()) * static_cast<std::size_t>(graph.columns(head.output))};
}

float IntegerExecutor::logit_scale() const {
  const Graph& graph = impl_->data->graph;
  return std::get<QuantizedHead>(impl_->data->integer->ops[static_cast<std::size_t>(graph.head() - graph.nodes.data())])
      .block.encoding.scale;
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

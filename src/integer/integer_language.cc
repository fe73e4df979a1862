// The language head in integers: 16-bit rows times 8-bit weights, in one pass over the weights.
#include "integer/integer_run.h"

namespace octavo {

using namespace kernels;

namespace {

constexpr std::size_t kLogitRows = 32;  // whose logits are made at once: they need not all fit into memory

/// Up to kLogitRows rows on their way through the head.
struct HeadRun {
  const KernelTable& table;
  Workspace::Data& workspace;

  std::size_t elements(int rows, int columns) const {
    return static_cast<std::size_t>(round_up(rows, kTileRows)) * static_cast<std::size_t>(columns);
  }

  ByteMatrix inputs(int rows, int depth) {
    return tile_order(workspace.get<std::uint8_t>("language.bytes", elements(rows, depth)), depth);
  }

  /// s16 rows as pairs of u8 rows times the weights; each pair of results becomes a row of `out`.
  template <typename Code>
  void wide_product(const Product& product, const QuantizedBlock& block, const std::int16_t* rows, int count,
                    int columns, void (*join)(const JoinedRow&, Code*), Code* out) {
    const ByteMatrix bytes = inputs(2 * count, product.depth);
    table.split_s16({.rows = count, .columns = columns, .in = rows, .stride = columns, .out = bytes});
    multiply(product, block, bytes, 2 * count, [&](std::int32_t* sums, int stride, const Part& part) {
      for (int row = part.row; row < part.row + part.rows; row += 2) {
        const std::int32_t* high = sums + std::ptrdiff_t{row} * stride + part.column;
        join({.columns = std::min(part.columns, block.columns - part.column),
              .high = high,
              .low = high + stride,
              .multiplier = product.multiplier + part.column,
              .shift = block.shift},
             out + std::ptrdiff_t{row / 2} * block.columns + part.column);
      }
    });
  }

  /// u8 rows times the weights.
  void product_of_bytes(const Product& product, const QuantizedBlock& block, const QuantizedBytes& to,
                        const std::int16_t* rows, int count, int columns, std::int32_t* out) {
    const ByteMatrix bytes = inputs(count, product.depth);
    table.requantize_s16({.rows = count,
                          .columns = columns,
                          .in = rows,
                          .stride = columns,
                          .multiplier = to.multiplier,
                          .shift = to.shift,
                          .zero_point = to.encoding.zero_point,
                          .out = bytes});
    multiply(product, block, bytes, count, [&](std::int32_t* sums, int stride, const Part& part) {
      for (int row = part.row; row < part.row + part.rows; ++row) {
        table.scale_s32({.columns = std::min(part.columns, block.columns - part.column),
                         .in = sums + std::ptrdiff_t{row} * stride + part.column,
                         .multiplier = product.multiplier + part.column,
                         .shift = block.shift,
                         .out = out + std::ptrdiff_t{row} * block.columns + part.column});
      }
    });
  }

  /// Accumulators part by part, and what `finish` makes of a part while it is in the cache.
  template <typename Finish>
  void multiply(const Product& product, const QuantizedBlock& block, const ByteMatrix& bytes, int rows,
                const Finish& finish) {
    const int stride = round_up(block.columns, kPanelColumns);
    auto* sums = workspace.get<std::int32_t>("language.sums", elements(rows, stride));
    for_parts(workspace.pool, rows, block.columns, product.depth, [&](const Part& part) {
      table.gemm_to_s32(product.part(block, bytes.data, part),
                        {.out = sums + std::ptrdiff_t{part.row} * stride + part.column, .stride = stride});
      finish(sums, stride, part);
    });
  }
};

}  // namespace

void IntegerExecutor::token_logits(const RaggedBatch& batch, std::span<const std::int32_t> rows,
                                   Workspace::Data& workspace, const IntegerLogits& visit) const {
  const Node& node = *impl_->data->graph.language_head();
  const auto& constants = std::get<QuantizedLanguageHead>(impl_->data->integer->ops[impl_->index(node)]);
  const std::span<const std::int16_t> codes = forward(batch, workspace);
  HeadRun run{.table = impl_->table, .workspace = workspace};
  const QuantizedBlock& block = constants.head.block;
  const Product head(impl_->data->tensors, impl_->name(node), constants.head.depth);
  const int width = impl_->data->graph.columns(node.inputs[0]),
            inputs = constants.projection ? constants.projection->block.columns : width;
  const auto vocabulary = static_cast<std::size_t>(block.columns);
  auto* chosen = workspace.get<std::int16_t>("language.rows", kLogitRows * static_cast<std::size_t>(width));
  auto* projected = workspace.get<std::int16_t>("language.projected", kLogitRows * static_cast<std::size_t>(inputs));
  auto* logits = workspace.get<std::int32_t>("language.logits", std::min(kLogitRows, rows.size()) * vocabulary);
  for (std::size_t first = 0; first < rows.size(); first += kLogitRows) {
    const int count = static_cast<int>(std::min(rows.size() - first, kLogitRows));
    for (int i = 0; i < count; ++i) {
      const std::int16_t* row = codes.data() + std::ptrdiff_t{rows[first + static_cast<std::size_t>(i)]} * width;
      std::copy_n(row, width, chosen + std::ptrdiff_t{i} * width);
    }
    workspace.node(impl_->index(node), [&] {
      const std::int16_t* in = chosen;
      if (constants.projection) {
        const Product projection(impl_->data->tensors, impl_->name(node) + ".projection", constants.projection->depth);
        run.wide_product(projection, constants.projection->block, chosen, count, width, run.table.join_to_s16,
                         projected);
        in = projected;
      }
      if (constants.bytes)
        run.product_of_bytes(head, block, *constants.bytes, in, count, inputs, logits);
      else
        run.wide_product(head, block, in, count, inputs, run.table.join_to_s32, logits);
    });
    workspace.pool.run(count, [&](int i, int thread) {
      visit(first + static_cast<std::size_t>(i), thread,
            {logits + static_cast<std::size_t>(i) * vocabulary, vocabulary});
    });
  }
}

float IntegerExecutor::token_logit_scale() const {
  const Node& node = *impl_->data->graph.language_head();
  return std::get<QuantizedLanguageHead>(impl_->data->integer->ops[impl_->index(node)]).head.block.encoding.scale;
}

}  // namespace octavo

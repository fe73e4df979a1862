// Where a network begins with patches, and where its heads begin with rows of tokens, in integers.
#include "graph/names.h"
#include "integer/integer_pass.h"

#include <optional>

namespace octavo {

using namespace kernels;

namespace {

class BoundEmbedPatches : public BoundOp {
 public:
  BoundEmbedPatches(const EmbedPatches& op, const QuantizedEmbedPatches& constants, Binder& binder)
      : op_(op),
        product_(binder.product(constants.depth)),
        block_(constants.block),
        positions_(binder.get<std::int16_t>(part::kRows)),
        low_(constants.low),
        high_(constants.high),
        out_(binder.need_rows16(binder.columns())) {
    binder.made().s16 = out_;
    if (!op.norm) return;
    norm_ = Binder::layer_norm(binder.columns(), constants.epsilon, out_.stride);
    norm_->s16 = binder.norm_constants(part::kS16Output, constants.norm);
  }
  NodeCodes run(IntegerPass& pass, RowKind kind) const override;

 private:
  EmbedPatches op_;
  Product product_;
  QuantizedBlock block_;
  std::optional<LayerNorm> norm_ = {};  // without rows and places
  const std::int16_t* positions_;       // of all rows of an image
  int low_, high_;
  Rows16 out_;
};

NodeCodes BoundEmbedPatches::run(IntegerPass& pass, RowKind kind) const {
  const EmbedPatches& op = op_;
  const KernelTable& table = pass.table();
  const RaggedBatch& batch = pass.batch();
  const int images = batch.sequences(), count = images * op.patches(), columns = out_.columns;
  const std::ptrdiff_t stride = out_.stride;
  const RowBlock all{.first = 0, .count = count};
  const auto rows = static_cast<std::size_t>(round_up(count, kTileRows));
  const ByteMatrix pixels = tile_order(
      pass.workspace().get<std::uint8_t>("pixels", rows * static_cast<std::size_t>(product_.depth)), product_.depth);
  auto* patches = pass.workspace().get<std::int16_t>("patches", rows * static_cast<std::size_t>(stride));
  pass.for_rows(all, product_.depth, [&](int first, int part_rows) {
    for (int row = first; row < first + part_rows; ++row) {
      const int image = row / op.patches(), patch = row % op.patches();
      table.copy_patch(
          {.pixels = batch.pixel(image, patch % op.grid_width * op.patch_size, patch / op.grid_width * op.patch_size),
           .stride = batch.image_stride(),
           .patch_size = op.patch_size,
           .out = pixels,
           .row = row});
    }
  });
  pass.for_parts(all, block_.columns, product_.depth, [&](const Part& part) {
    table.gemm_to_s16(product_.part(block_, pixels.data, part),
                      {.zero_point = 0, .out = patches + part.row * stride + part.column, .stride = stride});
  });
  if (norm_) {
    pass.for_rows(all, columns, [&](int row, int part_rows) {
      LayerNorm part = *norm_;
      part.rows = part_rows;
      part.in = part.s16_output = patches + row * stride;
      table.layer_norm(part);
    });
  }
  const int per_image = op.prefix_rows() + op.patches();
  pass.for_rows(pass.block_of(kind), columns, [&](int first, int part_rows) {
    for (int row = first; row < first + part_rows; ++row) {
      const int image = row / per_image, of_image = row % per_image, patch = of_image - op.prefix_rows();
      const std::ptrdiff_t first_patch = std::ptrdiff_t{image} * op.patches();
      table.add_patch({.columns = columns,
                       .position = positions_ + std::ptrdiff_t{of_image} * columns,
                       .patch = patch < 0 ? nullptr : patches + (first_patch + patch) * stride,
                       .low = low_,
                       .high = high_,
                       .out = pass.rows_at(out_, batch.start[static_cast<std::size_t>(image)] + of_image)});
    }
  });
  return {.stream = pass.rows_at(out_), .stream_stride = stride};
}

class BoundSelectRows : public BoundOp {
 public:
  BoundSelectRows(const SelectRows& op, const QuantizedSelectRows& constants, Binder& binder)
      : op_(op), in_(binder.input(0).s16), out_(binder.need_rows16(binder.columns())) {
    binder.made().s16 = out_;
    if (op.selection == Selection::weighted) {
      scores_ = binder.input(1).s16;
      constants_ = constants;
      sums_ = binder.need_scratch(sizeof(std::int64_t) * static_cast<std::size_t>(binder.columns()));
    }
    if (op.selection == Selection::mean || op.selection == Selection::first_and_mean)
      sums_ = binder.need_scratch(sizeof(std::int32_t) * static_cast<std::size_t>(binder.columns()));
  }
  NodeCodes run(IntegerPass& pass, RowKind kind) const override;

 private:
  void select_sequence(IntegerPass& pass, int sequence) const;

  SelectRows op_;
  Rows16 in_, out_;
  Rows16 scores_ = {};
  QuantizedSelectRows constants_ = {};
  BufferId sums_ = -1;  // scratch
};

NodeCodes BoundSelectRows::run(IntegerPass& pass, RowKind kind) const {
  const int rows = pass.rows_of(kind);
  for (int i = 0; i < rows; ++i) {
    if (op_.selection == Selection::chosen)
      std::copy_n(pass.rows_at(in_, pass.chosen()[static_cast<std::size_t>(i)]), in_.columns, pass.rows_at(out_, i));
    else
      select_sequence(pass, i);
  }
  return {.stream = pass.rows_at(out_), .stream_stride = out_.stride};
}

void BoundSelectRows::select_sequence(IntegerPass& pass, int sequence) const {
  const RaggedBatch& batch = pass.batch();
  const int first = batch.start[static_cast<std::size_t>(sequence)], width = in_.columns, skip = op_.count;
  std::int16_t* out = pass.rows_at(out_, sequence);
  if (op_.selection == Selection::weighted) {
    pass.table().weighted_mean({.rows = batch.length(sequence),
                                .columns = width,
                                .in = pass.rows_at(in_, first),
                                .stride = in_.stride,
                                .score = pass.rows_at(scores_, first),
                                .score_stride = scores_.stride,
                                .score_multiplier = static_cast<std::uint16_t>(constants_.score_multiplier),
                                .score_shift = constants_.score_shift,
                                .sums = pass.at<std::int64_t>(sums_) + std::ptrdiff_t{sequence} * width,
                                .out = out});
    return;
  }
  const int copied = op_.selection == Selection::first ? op_.count : op_.side_by_side() - 1;
  for (int row = 0; row < copied; ++row, out += width) std::copy_n(pass.rows_at(in_, first + row), width, out);
  if (op_.selection == Selection::first) return;
  auto* sums = pass.at<std::int32_t>(sums_) + std::ptrdiff_t{sequence} * width;
  const int count = batch.length(sequence) - skip;
  pass.table().column_sum(
      {.rows = count, .columns = width, .in = pass.rows_at(in_, first + skip), .stride = in_.stride, .out = sums});
  pass.table().divide_sums({.count = count, .columns = width, .sums = sums, .out = out});
}

}  // namespace

template <>
std::unique_ptr<const BoundOp> bind_op(const EmbedPatches& op, const QuantizedEmbedPatches& constants, Binder& binder) {
  return std::make_unique<const BoundEmbedPatches>(op, constants, binder);
}

template <>
std::unique_ptr<const BoundOp> bind_op(const SelectRows& op, const QuantizedSelectRows& constants, Binder& binder) {
  return std::make_unique<const BoundSelectRows>(op, constants, binder);
}

}  // namespace octavo

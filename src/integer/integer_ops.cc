// Ops on rows of tokens in integers: embeddings, sums of the residual stream, LayerNorm.
#include "graph/names.h"
#include "integer/integer_pass.h"

#include <optional>
#include <utility>

namespace octavo {

using namespace kernels;

namespace {

class BoundEmbedTokens : public BoundOp {
 public:
  BoundEmbedTokens(const EmbedTokens& op, const QuantizedEmbedTokens& constants, Binder& binder);
  NodeCodes run(IntegerPass& pass, RowKind kind) const override;

 private:
  EmbeddingSum sum_;       // without rows, indices and output
  bool positions_ = true;  // are added
  int words_fine_ = -1;    // which table has the fine codes of words; none: -1
  std::optional<StaticW8A8EmbeddingSum> static_w8a8_ = {};
  std::optional<QuantizedBytes> bytes_;
  ValueBuffers out_ = {};
};

BoundEmbedTokens::BoundEmbedTokens(const EmbedTokens& op, const QuantizedEmbedTokens& constants, Binder& binder)
    : sum_{.rows = 0, .columns = binder.columns(), .tables = 0, .table = {}, .out = nullptr, .stride = 0},
      bytes_(constants.bytes) {
  ValueBuffers& made = binder.made();
  made.s16 = binder.need_rows16(binder.columns());
  if (constants.bytes) made.u8 = binder.need_rows8(binder.columns());
  out_ = made;
  sum_.stride = out_.s16.stride;
  const auto add = [&](const std::string& of) {
    sum_.table[sum_.tables++] = {binder.get<std::int8_t>(of), binder.get<std::int32_t>(of + kRowMultiplier), nullptr};
  };
  add(part::kWord);
  if (!op.position.empty()) add(part::kPosition);
  if (!op.type.empty()) add(part::kType);
  positions_ = !op.position.empty();
  if (constants.fine_words) {
    words_fine_ = sum_.tables;
    add(part::kWordFine);
  }
  if (constants.partial) {
    static_w8a8_ = StaticW8A8EmbeddingSum{.partial_low = -constants.partial->zero_point,
                                          .partial_high = 255 - constants.partial->zero_point,
                                          .partial_multiplier = constants.partial_multiplier,
                                          .low = -constants.sum.zero_point,
                                          .high = 255 - constants.sum.zero_point};
  }
}

NodeCodes BoundEmbedTokens::run(IntegerPass& pass, RowKind kind) const {
  const ByteMatrix bytes = bytes_ ? pass.bytes_at(out_.u8) : ByteMatrix{};
  const RaggedBatch& batch = pass.batch();
  const std::int32_t *types = batch.types.data(), *positions = positions_ ? batch.positions.data() : types;
  const std::int32_t* indices[] = {batch.ids.data(), positions, types, nullptr};
  if (words_fine_ >= 0) indices[words_fine_] = batch.ids.data();
  pass.for_rows(pass.block_of(kind), sum_.columns, [&](int row, int rows) {
    EmbeddingSum part = sum_;
    part.rows = rows;
    part.out = pass.rows_at(out_.s16, row);
    for (int t = 0; t < part.tables; ++t) part.table[t].index = indices[t] + row;
    if (static_w8a8_)
      pass.table().embedding_sum_static_w8a8(part, *static_w8a8_);
    else
      pass.table().embedding_sum(part);
    if (!bytes_) return;
    pass.table().requantize_s16({.rows = rows,
                                 .columns = part.columns,
                                 .in = part.out,
                                 .stride = part.stride,
                                 .multiplier = bytes_->multiplier,
                                 .shift = bytes_->shift,
                                 .zero_point = bytes_->encoding.zero_point,
                                 .out = at(bytes, row, 0)});
  });
  return {.stream = pass.rows_at(out_.s16), .stream_stride = out_.s16.stride, .bytes = bytes};
}

class BoundLinearAdd : public BoundOp {
 public:
  BoundLinearAdd(const QuantizedLinearAdd& constants, Binder& binder);
  NodeCodes run(IntegerPass& pass, RowKind kind) const override;

 private:
  Product product_;
  QuantizedBlock block_;
  BufferId input_;
  Rows16 residual_, out_;  // the same rows, unless somebody else reads the residual later
  int stream_shift_;
  std::optional<AddToU8> eight_bit_ = {};  // without the stream
};

BoundLinearAdd::BoundLinearAdd(const QuantizedLinearAdd& constants, Binder& binder)
    : product_(binder.product(constants.depth)),
      block_(constants.block),
      input_(binder.input(0).u8.buffer),
      residual_(binder.input(1).s16),
      out_(binder.need_rows16(binder.columns(), residual_)),
      stream_shift_(constants.stream_shift) {
  const auto outliers = static_cast<int>(constants.outlier_columns.size());
  out_.outliers.count = outliers;
  std::copy_n(constants.outlier_columns.begin(), outliers, out_.outliers.column);
  std::copy_n(constants.outlier_shifts.begin(), outliers, out_.outliers.shift);
  binder.made().s16 = out_;
  if (!constants.eight_bit) return;
  const int zero_point = constants.block.encoding.zero_point;
  eight_bit_ = AddToU8{.zero_point = constants.product.zero_point,
                       .product_multiplier = constants.product_multiplier,
                       .stream_multiplier = constants.stream_multiplier,
                       .low = -zero_point,
                       .high = 255 - zero_point,
                       .stream = nullptr,
                       .stride = out_.stride};
}

NodeCodes BoundLinearAdd::run(IntegerPass& pass, RowKind kind) const {
  const auto* a = pass.at<std::uint8_t>(input_);
  const RowBlock block = pass.block_of(kind);
  if (pass.rows_at(residual_) != pass.rows_at(out_)) {
    pass.for_rows(block, out_.columns, [&](int row, int rows) {
      std::copy_n(pass.rows_at(residual_, row), rows * out_.stride, pass.rows_at(out_, row));
    });
  }
  if (stream_shift_ > 0) {
    pass.for_rows(block, out_.columns, [&](int row, int rows) {
      pass.table().shift_s16({.rows = rows,
                              .columns = out_.columns,
                              .data = pass.rows_at(out_, row),
                              .stride = out_.stride,
                              .shift = stream_shift_});
    });
  }
  pass.for_parts(block, out_.columns, product_.depth, [&](const Part& part) {
    std::int16_t* stream = pass.rows_at(out_, part.row) + part.column;
    if (!eight_bit_) {
      pass.table().gemm_add_to_s16(product_.part(block_, a, part), {.stream = stream, .stride = out_.stride});
      return;
    }
    AddToU8 add = *eight_bit_;
    add.stream = stream;
    pass.table().gemm_add_to_u8(product_.part(block_, a, part), add);
  });
  return {.stream = pass.rows_at(out_), .stream_stride = out_.stride};
}

class BoundLayerNorm : public BoundOp {
 public:
  BoundLayerNorm(const LayerNormOp& op, const QuantizedLayerNorm& constants, Binder& binder);
  NodeCodes run(IntegerPass& pass, RowKind kind) const override;

 private:
  void normalize_groups(IntegerPass& pass, int row, int rows) const;

  Rows16 in_;
  LayerNorm norm_;  // without rows and places
  int groups_;
  ValueBuffers out_ = {};
  BufferId eleven_bits_ = -1;  // scratch: codes that are split into first and fine ones
  BufferId slices_ = -1;       // scratch: u8 codes of a group each
};

BoundLayerNorm::BoundLayerNorm(const LayerNormOp& op, const QuantizedLayerNorm& constants, Binder& binder)
    : in_(binder.input(0).s16),
      norm_(Binder::layer_norm(binder.columns() / op.groups, constants.epsilon, in_.stride)),
      groups_(op.groups) {
  ValueBuffers& made = binder.made();
  if (constants.stream.exists) made.s16 = binder.need_rows16(binder.columns(), in_);
  if (constants.bytes.exists) made.u8 = binder.need_rows8(binder.columns(), constants.refined);
  if (constants.refined.fine_bits > 0)
    eleven_bits_ = binder.need_scratch(sizeof(std::int16_t) * static_cast<std::size_t>(in_.stride));
  if (groups_ > 1 && constants.bytes.exists)
    slices_ = binder.need_scratch(static_cast<std::size_t>(groups_ * refined_depth(norm_.columns, {})));
  out_ = made;
  norm_.rms = op.weights.rms;
  norm_.outliers = in_.outliers;
  norm_.u8 = binder.norm_constants(part::kU8Output, constants.bytes);
  norm_.s16 = binder.norm_constants(part::kS16Output, constants.stream);
}

NodeCodes BoundLayerNorm::run(IntegerPass& pass, RowKind kind) const {
  const KernelTable& table = pass.table();
  const bool has_bytes = out_.u8.buffer >= 0, has_stream = out_.s16.buffer >= 0;
  NodeCodes codes = has_bytes ? pass.codes_of(out_.u8) : NodeCodes{};
  if (has_stream) codes.stream = pass.rows_at(out_.s16);
  codes.stream_stride = in_.stride;
  pass.for_rows(pass.block_of(kind), in_.columns, [&](int row, int rows) {
    if (groups_ > 1) {
      normalize_groups(pass, row, rows);
      return;
    }
    LayerNorm part = norm_;
    part.rows = rows;
    part.in = pass.rows_at(in_, row);
    if (has_stream) part.s16_output = pass.rows_at(out_.s16, row);
    if (has_bytes) part.u8_output = at(codes.bytes, row, 0);
    if (eleven_bits_ >= 0) {
      LayerNorm eleven_bits = part;  // first: the stream may be written in place
      eleven_bits.s16 = std::exchange(part.u8, {});
      eleven_bits.u8 = {};
      eleven_bits.s16_output = pass.at<std::int16_t>(eleven_bits_) + row * in_.stride;
      table.layer_norm(eleven_bits);
      table.split_u11({.rows = rows,
                       .columns = part.columns,
                       .in = eleven_bits.s16_output,
                       .stride = in_.stride,
                       .out = at(codes.bytes, row, 0),
                       .fine = at(codes.fine, row, 0)});
    }
    if (part.u8.gain || part.s16.gain) table.layer_norm(part);
    if (out_.u8.refined.coarse) table.shift_tiles(coarse_tiles(codes.bytes, part.columns, out_.u8.refined, row, rows));
  });
  return codes;
}

/// A row is as many rows of a group each; their bytes are put together.
void BoundLayerNorm::normalize_groups(IntegerPass& pass, int row, int rows) const {
  const int width = norm_.columns, depth = refined_depth(width, {});
  for (int i = row; i < row + rows; ++i) {
    LayerNorm groups = norm_;
    groups.rows = groups_;
    groups.in = pass.rows_at(in_, i);
    groups.in_stride = groups.s16_stride = width;
    if (out_.s16.buffer >= 0) groups.s16_output = pass.rows_at(out_.s16, i);
    if (slices_ >= 0) {
      auto* own = pass.at<std::uint8_t>(slices_) + std::ptrdiff_t{i} * groups_ * depth;
      groups.u8_output = row_major(own, depth);
    }
    pass.table().layer_norm(groups);
    for (int group = 0; slices_ >= 0 && group < groups_; ++group)
      pass.table().copy_u8_row({.from = groups.u8_output,
                                .row = group,
                                .columns = width,
                                .to = pass.bytes_at(out_.u8),
                                .to_row = i,
                                .first_column = group * width});
  }
}

}  // namespace

template <>
std::unique_ptr<const BoundOp> bind_op(const EmbedTokens& op, const QuantizedEmbedTokens& constants, Binder& binder) {
  return std::make_unique<const BoundEmbedTokens>(op, constants, binder);
}

template <>
std::unique_ptr<const BoundOp> bind_op(const LinearAdd&, const QuantizedLinearAdd& constants, Binder& binder) {
  return std::make_unique<const BoundLinearAdd>(constants, binder);
}

template <>
std::unique_ptr<const BoundOp> bind_op(const LayerNormOp& op, const QuantizedLayerNorm& constants, Binder& binder) {
  return std::make_unique<const BoundLayerNorm>(op, constants, binder);
}

}  // namespace octavo

// Fewer tokens in integers (docs/fixed-point.md 13): which patches go, by what the class token reads or by how alike
// their keys are, and the rows that stay.
#include "graph/names.h"
#include "integer/integer_pass.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace octavo {

using namespace kernels;

namespace {

/// Largest integer whose square is not above x.
std::int64_t square_root(std::int64_t x) {
  std::int64_t root = 0;
  for (std::int64_t bit = std::int64_t{1} << 31; bit > 0; bit >>= 1) {
    if ((root | bit) * (root | bit) <= x) root |= bit;
  }
  return root;
}

/// A patch that may be merged: the patch most like it, and how alike they are.
struct Match {
  int from = 0, to = 0;
  std::int64_t likeness = 0;
};

class BoundReduceTokens : public BoundOp {
 public:
  BoundReduceTokens(const ReduceTokens& op, const QuantizedReduceTokens& constants, Binder& binder)
      : op_(op),
        constants_(constants),
        before_(binder.input_value(0).removed),
        heads_(binder.heads_of_input(1)),
        qkv_(binder.input(1).qkv),
        in_(binder.input(0).s16),
        out_(binder.need_rows16(binder.columns())) {
    binder.made().s16 = out_;
  }
  NodeCodes run(IntegerPass& pass, RowKind kind) const override;

 private:
  int key_columns() const { return heads_.key_value_heads * heads_.head_size; }
  const std::int8_t* key(const IntegerPass& pass, int row) const {
    return pass.at<std::int8_t>(qkv_.key) + row * qkv_.key_stride;
  }
  std::size_t scratch_bytes(int patches) const;
  std::vector<std::int64_t> shares(const IntegerPass& pass, int first, int rows) const;
  std::vector<bool> least_read(const IntegerPass& pass, int first, int rows, int prefix) const;
  std::vector<Match> most_alike(const IntegerPass& pass, int first, int patches, std::uint8_t* scratch) const;
  void prune(IntegerPass& pass, int sequence) const;
  void merge(IntegerPass& pass, int sequence, std::uint8_t* scratch) const;
  void copy_rows(IntegerPass& pass, int sequence, const std::vector<bool>& gone) const;

  ReduceTokens op_;
  QuantizedReduceTokens constants_;
  int before_;  // tokens that are gone already
  AttentionFacts heads_;
  QkvRows qkv_;
  Rows16 in_, out_;
};

NodeCodes BoundReduceTokens::run(IntegerPass& pass, RowKind) const {
  const RaggedBatch& batch = pass.batch();
  ThreadPool& pool = pass.workspace().pool;
  std::vector<std::int32_t>& sizes = pass.sizes_without(before_ + op_.removed);
  sizes.clear();
  const bool merges = op_.how == Reduction::merge;
  if (merges || !batch.sizes.empty())
    sizes.assign(static_cast<std::size_t>(pass.batch_without(before_ + op_.removed).rows()), 1);
  const std::size_t bytes = merges ? scratch_bytes(batch.length(0) - batch.prefix) : 0;
  auto* scratch = pass.workspace().get<std::uint8_t>("tokens", bytes * static_cast<std::size_t>(pool.threads()));
  pool.run(batch.sequences(), [&](int sequence, int thread) {
    if (merges)
      merge(pass, sequence, scratch + static_cast<std::size_t>(thread) * bytes);
    else
      prune(pass, sequence);
  });
  return {.stream = pass.rows_at(out_), .stream_stride = out_.stride};
}

/// Of each row, the sum over heads of its share in what the first row, the class token, reads: Q20. 2^-f of a fraction
/// f is taken as 1 - f / 2, which keeps the order within a head.
std::vector<std::int64_t> BoundReduceTokens::shares(const IntegerPass& pass, int first, int rows) const {
  std::vector<std::int64_t> result(static_cast<std::size_t>(rows));
  std::vector<std::int32_t> scores(result.size());
  std::vector<std::uint32_t> powers(result.size());
  const int zero = qkv_.query_encoding.zero_point, size = heads_.head_size, shift = constants_.score_shift;
  for (int head = 0; head < heads_.heads; ++head) {
    const std::uint8_t* q = pass.at<std::uint8_t>(qkv_.query) + first * qkv_.stride + head * size;
    for (int row = 0; row < rows; ++row) {
      const std::int8_t* k = key(pass, first + row) + heads_.key_value_head(head) * size;
      std::int32_t score = 0;
      for (int d = 0; d < size; ++d) score += (q[d] - zero) * k[d];
      scores[static_cast<std::size_t>(row)] = score;
    }
    const std::int32_t largest = *std::ranges::max_element(scores);
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const std::int64_t below = std::int64_t{largest} - scores[i];
      const std::int64_t scaled = std::min<std::int64_t>(shift >= 0 ? below >> shift : below << -shift, 65535);
      const auto distance = static_cast<std::uint32_t>((scaled * constants_.score_multiplier) >> 16);  // Q11
      powers[i] = ((1u << 20) - ((distance & 2047) << 8)) >> (distance >> 11);
      sum += powers[i];
    }
    for (std::size_t i = 0; i < scores.size(); ++i) result[i] += (std::int64_t{powers[i]} << 20) / sum;
  }
  return result;
}

/// Which rows go: those of the smallest shares, of equal ones the later.
std::vector<bool> BoundReduceTokens::least_read(const IntegerPass& pass, int first, int rows, int prefix) const {
  std::vector<bool> gone(static_cast<std::size_t>(rows), false);
  std::vector<int> order(static_cast<std::size_t>(rows - prefix));
  std::iota(order.begin(), order.end(), prefix);
  if (op_.removed < rows - prefix) {
    const std::vector<std::int64_t> share = shares(pass, first, rows);
    std::ranges::sort(order, [&](int a, int b) {
      const std::int64_t of_a = share[static_cast<std::size_t>(a)], of_b = share[static_cast<std::size_t>(b)];
      return of_a != of_b ? of_a < of_b : a > b;
    });
  }
  for (int i = 0; i < op_.removed; ++i) gone[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = true;
  return gone;
}

void BoundReduceTokens::prune(IntegerPass& pass, int sequence) const {
  const RaggedBatch& batch = pass.batch();
  copy_rows(pass, sequence,
            least_read(pass, batch.start[static_cast<std::size_t>(sequence)], batch.length(sequence), batch.prefix));
}

/// The rows that stay, in order, with the numbers of tokens in them.
void BoundReduceTokens::copy_rows(IntegerPass& pass, int sequence, const std::vector<bool>& gone) const {
  const RaggedBatch &batch = pass.batch(), &fewer = pass.batch_without(before_ + op_.removed);
  std::vector<std::int32_t>& sizes = pass.sizes_without(before_ + op_.removed);
  const int first = batch.start[static_cast<std::size_t>(sequence)];
  int to = fewer.start[static_cast<std::size_t>(sequence)];
  for (int row = 0; row < batch.length(sequence); ++row) {
    if (gone[static_cast<std::size_t>(row)]) continue;
    std::copy_n(pass.rows_at(in_, first + row), in_.stride, pass.rows_at(out_, to));
    if (!batch.sizes.empty()) sizes[static_cast<std::size_t>(to)] = batch.sizes[static_cast<std::size_t>(first + row)];
    ++to;
  }
}

/// What one thread needs to compare patches: half of them as rows, half as packed columns of a product, and its sums.
std::size_t BoundReduceTokens::scratch_bytes(int patches) const {
  const auto rows = static_cast<std::size_t>(round_up((patches + 1) / 2, kTileRows)),
             columns = static_cast<std::size_t>(round_up(patches / 2, kPanelColumns)),
             depth = static_cast<std::size_t>(round_up(key_columns(), kTileDepth));
  return (rows + columns) * depth + (2 + rows) * columns * sizeof(std::int32_t);
}

/// Of every other patch, the one between them whose key, of all heads side by side, has the largest cosine with its own
/// (Bolya et al. 2023, ToMe, 3.2: bipartite soft matching), the most alike first.
std::vector<Match> BoundReduceTokens::most_alike(const IntegerPass& pass, int first, int patches,
                                                 std::uint8_t* scratch) const {
  const int rows = (patches + 1) / 2, columns = patches / 2, depth = round_up(key_columns(), kTileDepth);
  const int all_rows = round_up(rows, kTileRows), all_columns = round_up(columns, kPanelColumns);
  const auto row_bytes = static_cast<std::size_t>(all_rows) * static_cast<std::size_t>(depth),
             column_bytes = static_cast<std::size_t>(all_columns) * static_cast<std::size_t>(depth);
  std::fill_n(scratch, row_bytes + column_bytes, std::uint8_t{0});
  auto* packed = reinterpret_cast<std::int8_t*>(scratch + row_bytes);
  auto* bias = reinterpret_cast<std::int32_t*>(scratch + row_bytes + column_bytes);
  std::int32_t *multiplier = bias + all_columns, *sums = multiplier + all_columns;
  std::fill_n(bias, 2 * all_columns, 0);
  const ByteMatrix tiles = tile_order(scratch, depth);
  std::vector<std::int64_t> inverse(static_cast<std::size_t>(patches));  // of the norm: Q27
  const int width = key_columns();
  for (int patch = 0; patch < patches; ++patch) {
    const std::int8_t* k = key(pass, first + patch);
    const int half = patch / 2;
    if (patch % 2 == 0) {
      std::uint8_t* row = tiles.data + half / kTileRows * tiles.tile_stride + half % kTileRows * tiles.row_stride;
      for (int chunk = 0; chunk < width; chunk += kTileDepth, row += tiles.chunk_stride) {
        const int count = std::min(kTileDepth, width - chunk);
        for (int d = 0; d < count; ++d) row[d] = static_cast<std::uint8_t>(k[chunk + d] + 128);
      }
    } else {
      std::int32_t sum = 0;
      for (int d = 0; d < width; ++d) sum += k[d];
      bias[half] = -128 * sum;            // of the 128 that rows have more
      for (int d = 0; d < width; d += 4)  // that lie together; a head has a multiple of 4
        std::copy_n(k + d, 4,
                    packed + packed_index(static_cast<std::size_t>(half), static_cast<std::size_t>(d),
                                          static_cast<std::size_t>(depth)));
    }
    std::int32_t square = 0;
    for (int d = 0; d < width; ++d) square += k[d] * k[d];
    inverse[static_cast<std::size_t>(patch)] =
        (std::int64_t{1} << 31) / square_root(std::int64_t{std::max(square, 1)} << 8);
  }
  pass.table().gemm_to_s32({.rows = rows,
                            .columns = all_columns,
                            .depth = depth,
                            .a = scratch,
                            .b = packed,
                            .bias = bias,
                            .multiplier = multiplier,
                            .shift = 33},
                           {.out = sums, .stride = all_columns});
  std::vector<Match> result;
  for (int row = 0; row < rows; ++row) {
    Match best{.from = 2 * row, .to = -1};
    for (int column = 0; column < columns; ++column) {
      const std::int64_t likeness =
          sums[std::ptrdiff_t{row} * all_columns + column] * inverse[static_cast<std::size_t>(2 * column + 1)];
      if (best.to >= 0 && likeness <= best.likeness) continue;
      best.to = 2 * column + 1;
      best.likeness = likeness;
    }
    best.likeness = (best.likeness >> 12) * inverse[static_cast<std::size_t>(best.from)];
    result.push_back(best);
  }
  std::ranges::stable_sort(result, std::ranges::greater(), &Match::likeness);
  return result;
}

/// A row that others are merged with is the mean over all tokens in them, rounded to the nearest.
void BoundReduceTokens::merge(IntegerPass& pass, int sequence, std::uint8_t* scratch) const {
  const RaggedBatch &batch = pass.batch(), &fewer = pass.batch_without(before_ + op_.removed);
  const int start = batch.start[static_cast<std::size_t>(sequence)], rows = batch.length(sequence),
            first = start + batch.prefix;
  std::vector<Match> matches = most_alike(pass, first, rows - batch.prefix, scratch);
  matches.resize(static_cast<std::size_t>(op_.removed));
  std::vector<bool> gone(static_cast<std::size_t>(rows), false);
  for (const Match& match : matches) gone[static_cast<std::size_t>(batch.prefix + match.from)] = true;
  copy_rows(pass, sequence, gone);

  std::ranges::sort(matches,
                    [](const Match& a, const Match& b) { return a.to != b.to ? a.to < b.to : a.from < b.from; });
  const auto size_of = [&](int patch) {
    return batch.sizes.empty() ? 1 : batch.sizes[static_cast<std::size_t>(first + patch)];
  };
  std::vector<std::int32_t>& sizes = pass.sizes_without(before_ + op_.removed);
  std::vector<std::int64_t> sum(static_cast<std::size_t>(in_.columns));
  int to = fewer.start[static_cast<std::size_t>(sequence)] + batch.prefix, patch = 0;  // row of `patch` in the result
  for (std::size_t i = 0; i < matches.size();) {
    const int kept = matches[i].to;
    for (; patch < kept; ++patch) to += gone[static_cast<std::size_t>(batch.prefix + patch)] ? 0 : 1;
    std::int64_t tokens = 0;
    std::ranges::fill(sum, 0);
    const auto add = [&](int added) {
      const std::int16_t* row = pass.rows_at(in_, first + added);
      for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += std::int64_t{size_of(added)} * row[j];
      tokens += size_of(added);
    };
    add(kept);
    for (; i < matches.size() && matches[i].to == kept; ++i) add(matches[i].from);
    std::int16_t* out = pass.rows_at(out_, to);
    for (std::size_t j = 0; j < sum.size(); ++j) {
      const std::int64_t twice = 2 * sum[j] + tokens, rest = twice % (2 * tokens);
      out[j] = static_cast<std::int16_t>((twice - (rest < 0 ? rest + 2 * tokens : rest)) / (2 * tokens));
    }
    sizes[static_cast<std::size_t>(to)] = static_cast<std::int32_t>(tokens);
  }
}

}  // namespace

template <>
std::unique_ptr<const BoundOp> bind_op(const ReduceTokens& op, const QuantizedReduceTokens& constants, Binder& binder) {
  return std::make_unique<const BoundReduceTokens>(op, constants, binder);
}

}  // namespace octavo

#include "engine/pooling.h"

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

/// The rows of one sequence that are pooled, in order.
struct PooledRows {
  const float* first;
  std::size_t count, columns;
  std::size_t position;  ///< of the first one in its sequence, from 1

  std::span<const float> row(std::size_t i) const { return {first + i * columns, columns}; }
};

void sum(const PooledRows& rows, std::span<float> out) {
  for (std::size_t i = 0; i < rows.count; ++i) {
    for (std::size_t j = 0; j < rows.columns; ++j) out[j] += rows.row(i)[j];
  }
}

void divide(std::span<float> values, float by) {
  for (float& x : values) x /= by;
}

void take_largest(const PooledRows& rows, std::span<float> out) {
  std::ranges::copy(rows.row(0), out.begin());
  for (std::size_t i = 1; i < rows.count; ++i) {
    std::ranges::transform(rows.row(i), out, out.begin(), [](float a, float b) { return std::max(a, b); });
  }
}

void weigh_by_position(const PooledRows& rows, std::span<float> out) {
  std::vector<double> sums(rows.columns);
  double weights = 0.0;
  for (std::size_t i = 0; i < rows.count; ++i) {
    const auto weight = static_cast<double>(rows.position + i);
    weights += weight;
    for (std::size_t j = 0; j < rows.columns; ++j) sums[j] += weight * static_cast<double>(rows.row(i)[j]);
  }
  std::ranges::transform(sums, out.begin(), [&](double x) { return static_cast<float>(x / weights); });
}

void pool(const PooledRows& rows, Pooling pooling, std::span<float> out) {
  switch (pooling) {
    case Pooling::mean:
      sum(rows, out);
      return divide(out, static_cast<float>(rows.count));
    case Pooling::mean_sqrt_len_tokens:
      sum(rows, out);
      return divide(out, std::sqrt(static_cast<float>(rows.count)));
    case Pooling::cls:
      std::ranges::copy(rows.row(0), out.begin());
      return;
    case Pooling::lasttoken:
      std::ranges::copy(rows.row(rows.count - 1), out.begin());
      return;
    case Pooling::max:
      return take_largest(rows, out);
    case Pooling::weightedmean:
      return weigh_by_position(rows, out);
  }
}

}  // namespace

Tensor pool_rows(const Tensor& hidden, const RaggedBatch& batch, const std::vector<Pooling>& pooling) {
  const auto columns = static_cast<std::size_t>(hidden.columns());
  Tensor result(DType::f32, {batch.sequences(), std::ssize(pooling) * hidden.columns()});
  float* out = result.writable<float>().data();
  for (int i = 0; i < batch.sequences(); ++i) {
    for (const Pooling kind : pooling) {
      // Of an image the class token is one of the rows that the others leave out.
      const int left_out = batch.prompt(i) + (kind == Pooling::cls ? 0 : batch.prefix);
      const auto first = static_cast<std::size_t>(batch.start[static_cast<std::size_t>(i)] + left_out);
      pool({.first = hidden.as<float>().data() + first * columns,
            .count = static_cast<std::size_t>(batch.length(i) - left_out),
            .columns = columns,
            .position = static_cast<std::size_t>(left_out) + 1},
           kind, {out, columns});
      out += columns;
    }
  }
  return result;
}

Tensor mean_of_sums(std::span<const std::int32_t> sums, float scale, const RaggedBatch& batch, std::int64_t columns) {
  Tensor result(DType::f32, {batch.sequences(), columns});
  const std::span<float> out = result.writable<float>();
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const int length = batch.length(static_cast<int>(i / static_cast<std::size_t>(columns))) - batch.prefix;
    out[i] = static_cast<float>(static_cast<double>(scale) * sums[i] / length);
  }
  return result;
}

}  // namespace octavo

// Rounding of embeddings, column by column.
#include "octavo/embedding_precision.h"

#include "base/finite.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

namespace octavo {
namespace {

void require_columns(std::size_t found, std::size_t expected) {
  if (found == expected) return;
  throw Error("embeddings have " + std::to_string(found) + " numbers, but their ranges are of " +
              std::to_string(expected));
}

/// 255 steps from the lowest number of a column to its highest; one of 1 where all are the same.
template <typename T>
Tensor to_steps(const Tensor& embeddings, const ColumnRanges& ranges, float first) {
  const auto columns = static_cast<std::size_t>(embeddings.columns());
  require_columns(columns, ranges.lowest.size());
  Tensor result(dtype_of<T>(), embeddings.shape());
  const std::span<T> out = result.writable<T>();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float lowest = ranges.lowest[i % columns], range = ranges.highest[i % columns] - lowest;
    const float step = range / 255.0f;
    const float steps = std::floor((embeddings.as<float>()[i] - lowest) / (step == 0.0f ? 1.0f : step));
    out[i] = static_cast<T>(std::clamp(steps, 0.0f, 255.0f) + first);
  }
  return result;
}

template <typename T>
Tensor to_bits(const Tensor& embeddings, int first) {
  const std::int64_t columns = embeddings.columns(), bytes = (columns + 7) / 8;
  Tensor result(dtype_of<T>(), {embeddings.rows(), bytes});
  T* out = result.writable<T>().data();
  for (std::int64_t i = 0; i < embeddings.rows(); ++i) {
    const std::span<const float> row = embeddings.row<float>(i);
    for (std::int64_t byte = 0; byte < bytes; ++byte) {
      int bits = 0;
      for (std::int64_t j = 8 * byte; j < 8 * byte + 8; ++j)
        bits = 2 * bits + (j < columns && row[static_cast<std::size_t>(j)] > 0.0f);
      *out++ = static_cast<T>(bits + first);
    }
  }
  return result;
}

}  // namespace

void ColumnRanges::include(const Tensor& embeddings) {
  const std::span<const float> values = embeddings.as<float>();
  if (first_not_finite(values) != values.size()) throw Error("an embedding is not a number");
  for (std::int64_t i = 0; i < embeddings.rows(); ++i) {
    const std::span<const float> row = embeddings.row<float>(i);
    if (lowest.empty()) {
      lowest.assign(row.begin(), row.end());
      highest = lowest;
    }
    require_columns(row.size(), lowest.size());
    for (std::size_t j = 0; j < row.size(); ++j) {
      lowest[j] = std::min(lowest[j], row[j]);
      highest[j] = std::max(highest[j], row[j]);
    }
  }
}

Tensor quantize_embeddings(const Tensor& embeddings, EmbeddingPrecision precision, const ColumnRanges& ranges) {
  switch (precision) {
    case EmbeddingPrecision::float32:
      break;
    case EmbeddingPrecision::int8:
      return to_steps<std::int8_t>(embeddings, ranges, -128.0f);
    case EmbeddingPrecision::uint8:
      return to_steps<std::uint8_t>(embeddings, ranges, 0.0f);
    case EmbeddingPrecision::binary:
      return to_bits<std::int8_t>(embeddings, -128);
    case EmbeddingPrecision::ubinary:
      return to_bits<std::uint8_t>(embeddings, 0);
  }
  return embeddings;
}

}  // namespace octavo

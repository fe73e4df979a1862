#include "octavo/tasks.h"

#include <cmath>

#include "octavo/error.h"

namespace octavo {
namespace {

/// Divides each row by its L2 norm; a row of zeros stays as it is.
void normalize_rows(Tensor& rows) {
  const auto columns = static_cast<std::size_t>(rows.columns());
  const std::span<float> values = rows.writable<float>();
  for (std::size_t first = 0; first < values.size(); first += columns) {
    double squares = 0.0;
    for (const float x : values.subspan(first, columns)) squares += static_cast<double>(x) * static_cast<double>(x);
    if (squares == 0.0) continue;
    const double inverse = 1.0 / std::sqrt(squares);
    for (float& x : values.subspan(first, columns)) x = static_cast<float>(static_cast<double>(x) * inverse);
  }
}

}  // namespace

Tensor embed(const Engine& engine, const TokenBatch& batch, Workspace& workspace, const EmbedOptions& options) {
  Tensor result = engine.pool(batch, options.pooling.value_or(engine.model().info().pooling), workspace);
  if (options.normalize) normalize_rows(result);
  return result;
}

}  // namespace octavo

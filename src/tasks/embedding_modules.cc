#include "tasks/embedding_modules.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <span>

namespace octavo {
namespace {

constexpr double kLayerNormEpsilon = 1e-5;  // torch.nn.LayerNorm's
constexpr double kSmallestNorm = 1e-12;     // torch.nn.functional.normalize's

/// In an order that does not depend on how many rows there are.
double dot(const float* a, const float* b, std::size_t count) {
  std::array<double, 8> sums{};
  std::size_t i = 0;
  for (; i + sums.size() <= count; i += sums.size()) {
    for (std::size_t j = 0; j < sums.size(); ++j)
      sums[j] += static_cast<double>(a[i + j]) * static_cast<double>(b[i + j]);
  }
  for (; i < count; ++i) sums[0] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

double activate(DenseActivation activation, double x) {
  switch (activation) {
    case DenseActivation::tanh:
      return std::tanh(x);
    case DenseActivation::relu:
      return std::max(x, 0.0);
    case DenseActivation::sigmoid:
      return 1.0 / (1.0 + std::exp(-x));
    case DenseActivation::gelu:
      return 0.5 * x * (1.0 + std::erf(x / std::numbers::sqrt2));
    case DenseActivation::silu:
      return x / (1.0 + std::exp(-x));
    default:
      return x;
  }
}

/// A module on rows.
struct Apply {
  const TensorMap& tensors;
  Tensor& rows;

  const float* values(const std::string& name) const { return tensor(tensors, name).as<float>().data(); }

  void operator()(const DenseModule& dense) const {
    const auto inputs = static_cast<std::size_t>(dense.in_features),
               outputs = static_cast<std::size_t>(dense.out_features);
    const float* weight = values(dense.weight());
    const float* bias = dense.has_bias ? values(dense.bias()) : nullptr;
    const float* residual = dense.has_residual() ? values(dense.residual()) : nullptr;
    Tensor result(DType::f32, {rows.rows(), dense.out_features});
    const std::span<float> out = result.writable<float>();
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::size_t column = i % outputs;
      const float* x = rows.as<float>().data() + i / outputs * inputs;
      double y = dot(x, weight + column * inputs, inputs) + (bias ? static_cast<double>(bias[column]) : 0.0);
      y = activate(dense.activation, y);
      if (residual)
        y += dot(x, residual + column * inputs, inputs);
      else if (dense.use_residual)
        y += static_cast<double>(x[column]);
      out[i] = static_cast<float>(y);
    }
    rows = std::move(result);
  }

  void operator()(const LayerNormModule& norm) const {
    const auto columns = static_cast<std::size_t>(norm.dimension);
    const float *gain = values(norm.gain()), *bias = values(norm.bias());
    const std::span<float> all = rows.writable<float>();
    for (std::size_t first = 0; first < all.size(); first += columns) {
      const std::span<float> row = all.subspan(first, columns);
      const double mean = std::accumulate(row.begin(), row.end(), 0.0) / static_cast<double>(columns);
      double squares = 0.0;
      for (const float x : row) squares += (static_cast<double>(x) - mean) * (static_cast<double>(x) - mean);
      const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(columns) + kLayerNormEpsilon);
      for (std::size_t j = 0; j < columns; ++j) {
        row[j] = static_cast<float>((static_cast<double>(row[j]) - mean) * inverse * static_cast<double>(gain[j]) +
                                    static_cast<double>(bias[j]));
      }
    }
  }

  void operator()(const NormalizeModule&) const { normalize_rows(rows); }
};

}  // namespace

Tensor apply_modules(const Model::Data& model, Tensor rows) {
  for (const EmbeddingModule& module : model.modules) std::visit(Apply{model.tensors, rows}, module);
  return rows;
}

void normalize_rows(Tensor& rows) {
  const auto columns = static_cast<std::size_t>(rows.columns());
  const std::span<float> values = rows.writable<float>();
  for (std::size_t first = 0; first < values.size(); first += columns) {
    double squares = 0.0;
    for (const float x : values.subspan(first, columns)) squares += static_cast<double>(x) * static_cast<double>(x);
    const double inverse = 1.0 / std::max(std::sqrt(squares), kSmallestNorm);
    for (float& x : values.subspan(first, columns)) x = static_cast<float>(static_cast<double>(x) * inverse);
  }
}

}  // namespace octavo

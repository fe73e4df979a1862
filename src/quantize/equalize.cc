#include "quantize/equalize.h"

#include "base/fixed_point.h"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <limits>

namespace octavo {
namespace {

constexpr double kSmoothAlpha = 0.5;     // SmoothQuant: how much of the difficulty moves into the weights
constexpr double kUnitsAlpha = 0.8;      // of gated units, whose outliers are larger: the least output_error() has it
constexpr float kFloor = 1e-5f;          // of column maxima, so that a column of zeros has a scale
constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: x + kRounder - kRounder rounds |x| < 2^22 to the nearest integer

/// max |W_:j| over all rows that read column j.
std::vector<float> weight_maxima(const EqualizationSite& site) {
  std::vector<float> result(site.input.columns(), 0.0f);
  for (const FloatRows& rows : site.readers) {
    for (std::size_t i = 0; i < rows.weight.size(); ++i) {
      float& largest = result[i % result.size()];
      largest = std::max(largest, std::abs(rows.weight[i]));
    }
  }
  return result;
}

float magnitude(const ColumnStatistics& input, std::size_t j) {
  return std::max(std::abs(input.low[j]), std::abs(input.high[j]));
}

/// s_j = max|X_j|^alpha / max|W_j|^(1 - alpha), divided by the geometric mean of all.
Equalization smoothquant(const EqualizationSite& site, double alpha) {
  const std::vector<float> weights = weight_maxima(site);
  const std::size_t columns = weights.size();
  std::vector<double> logarithm(columns);
  double mean = 0.0;
  for (std::size_t j = 0; j < columns; ++j) {
    logarithm[j] = alpha * std::log(static_cast<double>(std::max(magnitude(site.input, j), kFloor))) -
                   (1.0 - alpha) * std::log(static_cast<double>(std::max(weights[j], kFloor)));
    mean += logarithm[j] / static_cast<double>(columns);
  }
  Equalization result{.scale = {}, .shift = std::vector<float>(columns, 0.0f)};
  for (const double each : logarithm) result.scale.push_back(static_cast<float>(std::exp(each - mean)));
  return result;
}

/// Scales rounded up to powers of two.
Equalization power_of_two(Equalization result) {
  for (float& scale : result.scale) scale = std::exp2(std::ceil(std::log2(scale)));
  return result;
}

/// Squared error of the site's output when input and weights are rounded, taking the errors of columns as independent:
/// sum_k (E[dx_k^2] |W_k|^2 + E[x_k^2] |dW_k|^2) over the equalized input and weights.
double output_error(const EqualizationSite& site, const Equalization& e) {
  const std::size_t columns = site.input.columns(), rows = site.input.sample.size() / columns;
  const Range range = equalized_range(site.input, e);
  const Quantizer q = asymmetric_u8(range.low, range.high);
  // Sums over rows are taken column by column, so that the compiler can vectorize them.
  const auto width = static_cast<Eigen::Index>(columns);
  const Eigen::Map<const Eigen::ArrayXf> scale(e.scale.data(), width), shift(e.shift.data(), width);
  const auto step = static_cast<float>(q.scale), zero = static_cast<float>(q.zero_point);
  Eigen::ArrayXf input_error = Eigen::ArrayXf::Zero(width), power = Eigen::ArrayXf::Zero(width);
  for (std::size_t row = 0; row < rows; ++row) {
    const Eigen::Map<const Eigen::ArrayXf> values(site.input.sample.data() + row * columns, width);
    const Eigen::ArrayXf x = (values - shift) / (scale * step);
    input_error += ((x + kRounder - kRounder).max(-zero).min(255.0f - zero) - x).square();
    power += x.square();
  }
  const double unit = static_cast<double>(step * step) / static_cast<double>(rows);
  double total = 0.0;
  for (const FloatRows& block : site.readers) {
    const Eigen::Index count = block.columns;
    const auto row = [&](Eigen::Index n) -> Eigen::ArrayXf {
      return Eigen::Map<const Eigen::ArrayXf>(block.weight.data() + n * width, width) * scale;
    };
    float whole = 0.0f;
    for (Eigen::Index n = 0; site.weights == WeightScales::per_tensor && n < count; ++n)
      whole = std::max(whole, row(n).abs().maxCoeff());
    Eigen::ArrayXf squares = Eigen::ArrayXf::Zero(width), errors = Eigen::ArrayXf::Zero(width);
    for (Eigen::Index n = 0; n < count; ++n) {
      const Eigen::ArrayXf w = row(n);
      const float weight_step = std::max(whole > 0.0f ? whole : w.abs().maxCoeff(), 1e-12f) / 127.0f;
      squares += w.square();
      errors += (w / weight_step + kRounder - kRounder - w / weight_step).square() * (weight_step * weight_step);
    }
    total += unit * (input_error * squares + power * errors).cast<double>().sum();
  }
  return total;
}

/// Outlier Suppression+: z_j the middle of the column (or 0), s_j = max(1, half width / t) for some threshold t.
Equalization with_threshold(const ColumnStatistics& input, bool shifted, float part_of_widest) {
  const std::size_t columns = input.columns();
  Equalization e{.scale = std::vector<float>(columns), .shift = std::vector<float>(columns, 0.0f)};
  std::vector<float> width(columns);
  for (std::size_t j = 0; j < columns; ++j) {
    if (shifted) e.shift[j] = (input.low[j] + input.high[j]) / 2.0f;
    width[j] = std::max(input.high[j] - e.shift[j], e.shift[j] - input.low[j]);
  }
  const float t = std::max(*std::max_element(width.begin(), width.end()) * part_of_widest, 1e-6f);
  for (std::size_t j = 0; j < columns; ++j) e.scale[j] = std::max(1.0f, width[j] / t);
  return e;
}

/// The threshold and the shift with the least output error.
Equalization os_plus(ThreadPool& pool, const EqualizationSite& site) {
  constexpr int kSteps = 40;
  const auto candidate = [&](int index) {
    return with_threshold(site.input, index < kSteps,
                          std::pow(0.03f, static_cast<float>(index % kSteps) / (kSteps - 1)));
  };
  std::vector<double> error(2 * kSteps);
  pool.run(2 * kSteps,
           [&](int index, int) { error[static_cast<std::size_t>(index)] = output_error(site, candidate(index)); });
  return candidate(static_cast<int>(std::min_element(error.begin(), error.end()) - error.begin()));
}

/// The bounds of one column among its own and two percentiles with the least squared error of 8 bits.
Range column_range(const ColumnStatistics& input, std::size_t column) {
  std::vector<float> values;
  for (std::size_t i = column; i < input.sample.size(); i += input.columns()) values.push_back(input.sample[i]);
  std::sort(values.begin(), values.end());
  const auto error_of = [&](const Range& range) {
    const float step = std::max((range.high - range.low) / 255.0f, 1e-12f);
    double error = 0.0;
    for (const float x : values) {
      const float code = std::clamp(std::nearbyint((x - range.low) / step), 0.0f, 255.0f);
      error += std::pow(static_cast<double>(code * step + range.low - x), 2);
    }
    return error;
  };
  Range best{.low = input.low[column], .high = input.high[column]};
  double least = error_of(best);
  for (const double tail : {0.0001, 0.001}) {
    const auto skip = static_cast<std::size_t>(std::ceil(tail * static_cast<double>(values.size())));
    if (2 * skip >= values.size()) continue;
    const Range range{.low = values[skip], .high = values[values.size() - 1 - skip]};
    if (const double error = error_of(range); error < least) {
      least = error;
      best = range;
    }
  }
  return best;
}

/// RepQ: a quantizer per column, then scale and shift that turn all of them into the mean one.
EqualizedSite repq(const EqualizationSite& site) {
  const std::size_t columns = site.input.columns();
  std::vector<Range> ranges;
  double step = 0.0, zero_point = 0.0;
  std::vector<double> steps;
  for (std::size_t j = 0; j < columns; ++j) {
    ranges.push_back(column_range(site.input, j));
    steps.push_back(std::max(static_cast<double>(ranges[j].high - ranges[j].low) / 255.0, 1e-8));
    step += steps[j] / static_cast<double>(columns);
  }
  for (std::size_t j = 0; j < columns; ++j) {
    steps[j] = std::max(steps[j], step / 64.0);  // a column that hardly varies must not make its weights vanish
    zero_point -= static_cast<double>(ranges[j].low) / steps[j] / static_cast<double>(columns);
  }
  const double low = -zero_point * step;
  EqualizedSite result;
  for (std::size_t j = 0; j < columns; ++j) {
    const double ratio = steps[j] / step;
    result.equalization.scale.push_back(static_cast<float>(ratio));
    result.equalization.shift.push_back(static_cast<float>(static_cast<double>(ranges[j].low) - low * ratio));
  }
  result.range = {.low = static_cast<float>(low), .high = static_cast<float>(low + 255.0 * step)};
  return result;
}

}  // namespace

EqualizedSite equalize(ThreadPool& pool, EqualizeMethod method, const EqualizationSite& site) {
  if (method == EqualizeMethod::repq) return repq(site);
  const Equalization e = method == EqualizeMethod::os_plus        ? os_plus(pool, site)
                         : method == EqualizeMethod::power_of_two ? power_of_two(smoothquant(site, kSmoothAlpha))
                                                                  : smoothquant(site, kSmoothAlpha);
  return {.equalization = e, .range = equalized_range(site.input, e)};
}

EqualizedSite equalize_units(EqualizeMethod method, const EqualizationSite& site) {
  Equalization e = smoothquant(site, kUnitsAlpha);
  if (method == EqualizeMethod::power_of_two) e = power_of_two(std::move(e));
  return {.equalization = e, .range = equalized_range(site.input, e)};
}

EqualizedSite equalize_columns(EqualizeMethod method, const ColumnStatistics& input) {
  const std::size_t columns = input.columns();
  double mean = 0.0;
  for (std::size_t j = 0; j < columns; ++j) {
    mean += std::log(static_cast<double>(std::max(magnitude(input, j), kFloor))) / static_cast<double>(columns);
  }
  Equalization e{.scale = {}, .shift = std::vector<float>(columns, 0.0f)};
  for (std::size_t j = 0; j < columns; ++j)
    e.scale.push_back(std::max(magnitude(input, j), kFloor) / static_cast<float>(std::exp(mean)));
  if (method == EqualizeMethod::power_of_two) e = power_of_two(std::move(e));
  return {.equalization = e, .range = equalized_range(input, e)};
}

void fold(const Equalization& e, FloatRows& rows) {
  const auto columns = static_cast<std::size_t>(rows.inputs);
  for (std::size_t n = 0; n < rows.bias.size(); ++n) {
    for (std::size_t k = 0; k < columns; ++k) {
      float& weight = rows.weight[n * columns + k];
      rows.bias[n] += weight * e.shift[k];
      weight *= e.scale[k];
    }
  }
}

Range equalized_range(const ColumnStatistics& input, const Equalization& e) {
  Range range{.low = std::numeric_limits<float>::infinity(), .high = -std::numeric_limits<float>::infinity()};
  for (std::size_t j = 0; j < input.columns(); ++j) {
    range.low = std::min(range.low, (input.low[j] - e.shift[j]) / e.scale[j]);
    range.high = std::max(range.high, (input.high[j] - e.shift[j]) / e.scale[j]);
  }
  return range;
}

Histogram equalized_histogram(const ColumnStatistics& input, const Equalization& e) {
  Histogram result;
  for (std::size_t j = 0; j < input.columns(); ++j) result.add_transformed(input.histograms[j], e.shift[j], e.scale[j]);
  return result;
}

ColumnStatistics equalized_statistics(const ColumnStatistics& input, const Equalization& e) {
  ColumnStatistics result = input;
  const std::size_t columns = input.columns();
  for (std::size_t j = 0; j < columns; ++j) {
    const double shift = static_cast<double>(e.shift[j]), scale = static_cast<double>(e.scale[j]);
    result.low[j] = (input.low[j] - e.shift[j]) / e.scale[j];
    result.high[j] = (input.high[j] - e.shift[j]) / e.scale[j];
    result.sum[j] = (input.sum[j] - static_cast<double>(input.rows) * shift) / scale;
    result.moment_sum[j] = (input.moment_sum[j] - static_cast<double>(input.moment_rows) * shift) / scale;
  }
  for (std::size_t i = 0; i < result.sample.size(); ++i) {
    const std::size_t j = i % columns;
    result.sample[i] = (input.sample[i] - e.shift[j]) / e.scale[j];
  }
  for (std::size_t index = 0; index < result.second_moment.size(); ++index) {
    const std::size_t i = index / columns, j = index % columns;
    if (j < i) continue;
    const double zi = static_cast<double>(e.shift[i]), zj = static_cast<double>(e.shift[j]);
    const double moved = static_cast<double>(input.second_moment[index]) - zi * input.moment_sum[j] -
                         zj * input.moment_sum[i] + static_cast<double>(input.moment_rows) * zi * zj;
    result.second_moment[index] =
        static_cast<float>(moved / (static_cast<double>(e.scale[i]) * static_cast<double>(e.scale[j])));
  }
  return result;
}

}  // namespace octavo

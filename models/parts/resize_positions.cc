#include "models/parts/resize_positions.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace octavo {
namespace {

/// What one place along an edge is made of.
struct Taps {
  int first = 0;                ///< before the first place the first one counts, behind the last one the last
  std::vector<double> weights;  ///< of places from `first` on
};

/// Keys' cubic, which is 1 - (a + 3) x^2 + ... near 0 and ends at 2.
double cubic(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

/// torch's: four neighbours, whatever the scale.
Taps four_neighbours(int to, double scale) {
  const double centre = scale * (to + 0.5) - 0.5, below = std::floor(centre);
  Taps taps{.first = static_cast<int>(below) - 1, .weights = {}};
  for (int i = -1; i <= 2; ++i) taps.weights.push_back(cubic(centre - below - i, -0.75));
  return taps;
}

/// torch's with antialias=True, which is Pillow's: as many as the scale asks for.
Taps antialiased(int to, double scale, int from) {
  const double stretch = std::max(scale, 1.0), support = 2 * stretch, centre = scale * (to + 0.5);
  const int first = std::max(static_cast<int>(centre - support + 0.5), 0),
            end = std::min(static_cast<int>(centre + support + 0.5), from);
  Taps taps{.first = first, .weights = {}};
  double sum = 0;
  for (int i = first; i < end; ++i) {
    taps.weights.push_back(cubic((i - centre + 0.5) / stretch, -0.5));
    sum += taps.weights.back();
  }
  for (double& weight : taps.weights) weight /= sum;
  return taps;
}

std::vector<Taps> taps_of(int from, int to, bool antialias) {
  const double scale = static_cast<double>(from) / to;
  std::vector<Taps> result;
  for (int i = 0; i < to; ++i) result.push_back(antialias ? antialiased(i, scale, from) : four_neighbours(i, scale));
  return result;
}

}  // namespace

Tensor resize_positions(const Tensor& table, const PositionResize& resize) {
  const auto columns = static_cast<std::size_t>(table.shape().back());
  const auto rows = [columns](int count) { return static_cast<std::size_t>(count) * columns; };
  Tensor result(DType::f32, {resize.prefix + resize.width * resize.height, table.shape().back()});
  const float* in = table.as<float>().data();
  float* out = std::copy_n(in, rows(resize.prefix), result.writable<float>().data());
  in += rows(resize.prefix);
  const std::vector<Taps> across = taps_of(resize.from, resize.width, resize.antialias),
                          down = taps_of(resize.from, resize.height, resize.antialias);
  std::vector<double> sums(columns);
  const auto inside = [&](int place) { return std::clamp(place, 0, resize.from - 1); };
  for (const Taps& y : down) {
    for (const Taps& x : across) {
      std::fill(sums.begin(), sums.end(), 0.0);
      for (std::size_t i = 0; i < y.weights.size(); ++i) {
        for (std::size_t j = 0; j < x.weights.size(); ++j) {
          const float* row =
              in + rows(inside(y.first + static_cast<int>(i)) * resize.from + inside(x.first + static_cast<int>(j)));
          const double weight = y.weights[i] * x.weights[j];
          for (std::size_t k = 0; k < columns; ++k) sums[k] += weight * static_cast<double>(row[k]);
        }
      }
      out = std::transform(sums.begin(), sums.end(), out, [](double sum) { return static_cast<float>(sum); });
    }
  }
  return result;
}

}  // namespace octavo

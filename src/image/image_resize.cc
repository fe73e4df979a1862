// Resizing with antialiasing, bit for bit as Pillow's resampling of 8-bit pictures defines it: first along rows, then
// along columns (the other way round where that makes it wider and lower), each with weights in Q22 and one rounding.
#include "octavo/error.h"
#include "octavo/image.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

namespace octavo {
namespace {

constexpr int kWeightBits = 22;

double sinc(double x) { return x == 0.0 ? 1.0 : std::sin(x * std::numbers::pi) / (x * std::numbers::pi); }

/// Keys' cubic with a = -1/2.
double cubic(double x) {
  constexpr double a = -0.5;
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * a : 0.0;
}

/// How far a filter reaches, in inputs of a picture that keeps its size.
double reach(Interpolation interpolation) {
  if (interpolation == Interpolation::lanczos) return 3.0;
  if (interpolation == Interpolation::bicubic) return 2.0;
  return interpolation == Interpolation::box ? 0.5 : 1.0;
}

double kernel(Interpolation interpolation, double x) {
  if (interpolation == Interpolation::box) return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
  if (interpolation == Interpolation::lanczos) return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
  x = std::abs(x);
  if (interpolation == Interpolation::bicubic) return cubic(x);
  if (interpolation == Interpolation::bilinear) return std::max(1.0 - x, 0.0);
  // Pillow's constants are of single precision.
  return x < 1.0 ? sinc(x) * (0.54f + 0.46f * std::cos(x * std::numbers::pi)) : 0.0;
}

/// Which inputs an output is made of.
struct Tap {
  int first = 0;
  std::vector<std::int32_t> weights;
};

/// Taps of outputs first .. first + count - 1 of `to` that `from` inputs become.
std::vector<Tap> make_taps(int from, int to, int first, int count, Interpolation interpolation) {
  const double scale = static_cast<double>(from) / to, stretch = std::max(scale, 1.0);
  const double support = reach(interpolation) * stretch, inverse = 1.0 / stretch;
  std::vector<Tap> taps;
  std::vector<double> weights;
  for (int i = first; i < first + count; ++i) {
    const double centre = (i + 0.5) * scale;
    const int low = std::max(0, static_cast<int>(centre - support + 0.5)),
              high = std::min(from, static_cast<int>(centre + support + 0.5));
    weights.clear();
    double sum = 0.0;
    for (int x = low; x < high; ++x) {
      weights.push_back(kernel(interpolation, (x - centre + 0.5) * inverse));
      sum += weights.back();
    }
    Tap tap{.first = low, .weights = {}};
    for (const double w : weights) {
      const double fixed = (sum != 0.0 ? w / sum : w) * (1 << kWeightBits);
      tap.weights.push_back(static_cast<std::int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5));
    }
    taps.push_back(std::move(tap));
  }
  return taps;
}

std::uint8_t rounded(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255)); }

constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

void resize_row(const std::uint8_t* in, const std::vector<Tap>& taps, std::uint8_t* out) {
  for (const Tap& tap : taps) {
    std::int32_t red = kHalf, green = kHalf, blue = kHalf;
    const std::uint8_t* pixel = in + 3 * std::ptrdiff_t{tap.first};
    for (const std::int32_t weight : tap.weights) {
      red += pixel[0] * weight;
      green += pixel[1] * weight;
      blue += pixel[2] * weight;
      pixel += 3;
    }
    *out++ = rounded(red);
    *out++ = rounded(green);
    *out++ = rounded(blue);
  }
}

/// One output row from the input rows that `tap` names; `sums` is scratch of as many elements.
void resize_column(const std::uint8_t* in, std::size_t row_bytes, const Tap& tap, std::vector<std::int32_t>& sums,
                   std::uint8_t* out) {
  std::fill(sums.begin(), sums.end(), kHalf);
  for (const std::int32_t weight : tap.weights) {
    for (std::size_t i = 0; i < row_bytes; ++i) sums[i] += in[i] * weight;
    in += row_bytes;
  }
  for (std::size_t i = 0; i < row_bytes; ++i) out[i] = rounded(sums[i]);
}

/// A picture's rows or columns made others by taps; `image` is `row_bytes` wide.
std::vector<std::uint8_t> across_rows(const std::uint8_t* image, std::size_t row_bytes, int rows,
                                      const std::vector<Tap>& taps) {
  std::vector<std::uint8_t> result(3 * taps.size() * static_cast<std::size_t>(rows));
  for (std::size_t y = 0; y < static_cast<std::size_t>(rows); ++y)
    resize_row(image + y * row_bytes, taps, result.data() + 3 * taps.size() * y);
  return result;
}

std::vector<std::uint8_t> down_columns(const std::uint8_t* image, std::size_t row_bytes, const std::vector<Tap>& taps) {
  std::vector<std::uint8_t> result(row_bytes * taps.size());
  std::vector<std::int32_t> sums(row_bytes);
  for (std::size_t y = 0; y < taps.size(); ++y) {
    resize_column(image + static_cast<std::size_t>(taps[y].first) * row_bytes, row_bytes, taps[y], sums,
                  result.data() + y * row_bytes);
  }
  return result;
}

bool lies_inside(const ImageWindow& w, int width, int height) {
  return w.left >= 0 && w.top >= 0 && w.width > 0 && w.height > 0 && w.left <= width - w.width &&
         w.top <= height - w.height;
}

/// Which input each of `count` outputs from `first` on is, when `from` inputs become `to`; sums as Pillow adds them up.
std::vector<int> nearest_inputs(int from, int to, int first, int count) {
  const double step = static_cast<double>(from) / to;
  std::vector<int> inputs;
  double position = step * 0.5;
  for (int i = 0; i < first + count; ++i, position += step) {
    if (i >= first) inputs.push_back(std::min(static_cast<int>(position), from - 1));
  }
  return inputs;
}

Image nearest_pixels(const Image& image, int width, int height, const ImageWindow& window) {
  const std::vector<int> columns = nearest_inputs(image.width, width, window.left, window.width);
  Image result{.width = window.width, .height = window.height};
  result.pixels.reserve(3 * columns.size() * static_cast<std::size_t>(window.height));
  for (const int row : nearest_inputs(image.height, height, window.top, window.height)) {
    const std::uint8_t* from =
        image.pixels.data() + std::size_t{3} * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(row);
    for (const int column : columns)
      result.pixels.insert(result.pixels.end(), from + std::ptrdiff_t{3} * column,
                           from + std::ptrdiff_t{3} * column + 3);
  }
  return result;
}

}  // namespace

Image resize_image(const Image& image, int width, int height, Interpolation interpolation, const ImageWindow& window) {
  const bool whole =
      image.width > 0 && image.height > 0 &&
      image.pixels.size() == 3 * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
  if (!whole || width <= 0 || height <= 0 || !lies_inside(window, width, height)) {
    throw Error("a picture of " + std::to_string(image.width) + " x " + std::to_string(image.height) +
                " pixels cannot become " + std::to_string(width) + " x " + std::to_string(height) +
                " with that window");
  }
  if (interpolation == Interpolation::nearest) return nearest_pixels(image, width, height, window);
  const std::vector<Tap> across = make_taps(image.width, width, window.left, window.width, interpolation);
  std::vector<Tap> down = make_taps(image.height, height, window.top, window.height, interpolation);
  const std::size_t in_bytes = 3 * static_cast<std::size_t>(image.width),
                    row_bytes = 3 * static_cast<std::size_t>(window.width);
  Image result{.width = window.width, .height = window.height};
  if (width > image.width && height < image.height) {
    const std::vector<std::uint8_t> columns = down_columns(image.pixels.data(), in_bytes, down);
    result.pixels = across_rows(columns.data(), in_bytes, window.height, across);
    return result;
  }
  // Only the rows that the window is made of.
  const int first = down.front().first, last = down.back().first + static_cast<int>(down.back().weights.size());
  for (Tap& tap : down) tap.first -= first;
  const std::vector<std::uint8_t> rows =
      across_rows(image.pixels.data() + static_cast<std::size_t>(first) * in_bytes, in_bytes, last - first, across);
  result.pixels = down_columns(rows.data(), row_bytes, down);
  return result;
}

}  // namespace octavo

// Pictures that octavo makes itself: shapes that cover each other, as things in photographs do ("dead leaves").
#include "octavo/error.h"
#include "octavo/samples.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>

namespace octavo {
namespace {

using Colour = std::array<int, 3>;

constexpr int kLargest = 4096;
constexpr int kShapes = 160;

/// Random numbers that are the same everywhere: the standard fixes the engine but not its distributions.
class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int below(int bound) { return static_cast<int>(engine_() % static_cast<std::uint32_t>(bound)); }
  int between(int low, int high) { return low + below(high - low + 1); }

 private:
  std::mt19937 engine_;
};

/// A number of 0 to 255 for each point of a grid.
int hash(std::uint32_t x, std::uint32_t y, std::uint32_t seed) {
  std::uint32_t h = x * 0x9E3779B1u ^ y * 0x85EBCA77u ^ seed * 0xC2B2AE3Du;
  h = (h ^ h >> 15) * 0x2C1B3C6Du;
  h = (h ^ h >> 12) * 0x297A2D39u;
  return static_cast<int>((h ^ h >> 15) >> 24);
}

/// Values of a grid with `cell` pixels between its points, bilinear between them: 0 to 255.
int smooth_noise(int x, int y, int cell, std::uint32_t seed) {
  const int column = x / cell, row = y / cell, right = x % cell, down = y % cell;
  const auto at = [&](int i, int j) {
    return hash(static_cast<std::uint32_t>(column + i), static_cast<std::uint32_t>(row + j), seed);
  };
  const int above = at(0, 0) * (cell - right) + at(1, 0) * right, below = at(0, 1) * (cell - right) + at(1, 1) * right;
  return (above * (cell - down) + below * down) / (cell * cell);
}

/// Noise of several scales, the coarser the stronger, as in clouds, bark and stone: about -128 to 127.
int clouds(int x, int y, int cell, std::uint32_t seed) {
  int sum = 0;
  for (int strength = 8; cell > 0 && strength > 0; cell /= 2, strength /= 2)
    sum += strength * (smooth_noise(x, y, cell, seed++) - 128);
  return sum / 15;
}

enum class Form { disc, rectangle, stripes, count };

/// One thing of a picture. Lengths are in pixels.
struct Shape {
  Form form = Form::disc;
  int x = 0, y = 0, width = 0, height = 0;  ///< its centre, half its size
  Colour colour = {}, slope = {};           ///< at the centre; how much more it is at the right end
  int grain = 0, cell = 1;                  ///< strength and size of its texture
  int period = 1;                           ///< of stripes
  std::uint32_t seed = 0;
};

bool covers(const Shape& shape, int x, int y) {
  const std::int64_t dx = x - shape.x, dy = y - shape.y, width = shape.width, height = shape.height;
  if (std::abs(dx) > width || std::abs(dy) > height) return false;
  if (shape.form == Form::disc)
    return dx * dx * height * height + dy * dy * width * width <= width * width * height * height;
  return shape.form == Form::rectangle || (dx + dy + 2 * kLargest) % shape.period * 2 < shape.period;
}

std::uint8_t shade(const Shape& shape, std::size_t channel, int x, int y) {
  const int texture = shape.grain == 0 ? 0 : clouds(x, y, shape.cell, shape.seed) * shape.grain / 64;
  const int along = shape.slope[channel] * (x - shape.x) / std::max(shape.width, 1);
  return static_cast<std::uint8_t>(std::clamp(shape.colour[channel] + along + texture, 0, 255));
}

Colour random_colour(Random& random, int saturation) {
  const int light = random.between(10, 245);
  Colour colour;
  for (int& channel : colour) channel = std::clamp(light + random.between(-saturation, saturation), 0, 255);
  return colour;
}

/// A size with as many small as large ones on every scale: from a hundredth to two thirds of the picture.
int random_size(Random& random, int size) {
  return std::max(1, size * 2 / 3 / random.between(1, random.between(1, 60)));
}

Shape random_shape(Random& random, int size, int saturation) {
  Shape shape{.form = static_cast<Form>(random.below(static_cast<int>(Form::count))),
              .x = random.below(size),
              .y = random.below(size),
              .width = random_size(random, size)};
  shape.height = std::max(1, shape.width * random.between(30, 200) / 100);
  shape.colour = random_colour(random, saturation);
  const int slope = random.between(-60, 60);
  for (int& channel : shape.slope) channel = slope + random.between(-10, 10);
  shape.grain = random.below(3) == 0 ? 0 : random.between(2, 70);
  shape.cell = std::max(1, size / random.between(4, 120));
  shape.period = std::max(2, shape.width / random.between(1, 8));
  shape.seed = static_cast<std::uint32_t>(random.below(1 << 30));
  return shape;
}

void paint(Image& picture, const Shape& shape) {
  const int top = std::max(0, shape.y - shape.height), bottom = std::min(picture.height - 1, shape.y + shape.height);
  const int left = std::max(0, shape.x - shape.width), right = std::min(picture.width - 1, shape.x + shape.width);
  for (int y = top; y <= bottom; ++y) {
    for (int x = left; x <= right; ++x) {
      if (!covers(shape, x, y)) continue;
      std::uint8_t* pixel = picture.pixels.data() + (std::size_t{3} * static_cast<std::size_t>(y * picture.width + x));
      for (std::size_t channel = 0; channel < 3; ++channel) pixel[channel] = shade(shape, channel, x, y);
    }
  }
}

}  // namespace

Image sample_picture(unsigned number, int size) {
  if (size < 1 || size > kLargest)
    throw Error("a picture of " + std::to_string(size) + " pixels is asked for, expected 1 to " +
                std::to_string(kLargest));
  Random random(number);
  Image picture{.width = size, .height = size};
  picture.pixels.resize(std::size_t{3} * static_cast<std::size_t>(size) * static_cast<std::size_t>(size));
  const int saturation = random.between(0, 4) * 20;  // some are grey
  Shape sky = random_shape(random, size, saturation);
  sky.form = Form::rectangle;
  sky.x = sky.y = size / 2;
  sky.width = sky.height = size;
  sky.cell = std::max(1, size / 3);
  paint(picture, sky);
  for (int count = random.below(random.between(1, kShapes)); count > 0; --count)
    paint(picture, random_shape(random, size, saturation));
  return picture;
}

}  // namespace octavo

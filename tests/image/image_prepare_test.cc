// What becomes of a decoded picture before a model sees it: its size, and where the centre begins.
#include "tests/support/support.h"

#include "octavo/error.h"
#include "octavo/image.h"

namespace octavo::test {
namespace {

/// Red counts columns, green counts rows, both from 1: black is nowhere.
Image numbered(int width, int height) {
  Image image{.width = width, .height = height};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (const int level : {x + 1, y + 1, 255}) image.pixels.push_back(static_cast<std::uint8_t>(level));
    }
  }
  return image;
}

ImageSettings crop_of(int width, int height, Crop crop) {
  return {.width = width, .height = height, .resize = Resize::none, .crop = crop};
}

/// Column and row, from 0, of the input that the first pixel is; -1 where that is black.
std::pair<int, int> first_pixel(const Image& image) { return {image.pixels[0] - 1, image.pixels[1] - 1}; }

}  // namespace

TEST_CASE("the centre of an odd rest begins half to even as torchvision's, or rounded down as Hugging Face's") {
  CHECK(first_pixel(prepare_image(numbered(33, 35), crop_of(30, 30, Crop::centre_rounded))) == std::pair(2, 2));
  CHECK(first_pixel(prepare_image(numbered(33, 35), crop_of(30, 30, Crop::centre_down))) == std::pair(1, 2));
}

TEST_CASE("a crop that is larger than the picture has black around it") {
  const Image rounded = prepare_image(numbered(5, 9), crop_of(8, 4, Crop::centre_rounded)),
              down = prepare_image(numbered(5, 9), crop_of(8, 4, Crop::centre_down));
  // Three columns are missing: torchvision puts one before, Hugging Face two. Five rows are too many.
  CHECK(first_pixel(rounded) == std::pair(-1, -1));
  CHECK(std::pair(rounded.pixels[3] - 1, rounded.pixels[4] - 1) == std::pair(0, 2));
  CHECK(first_pixel(down) == std::pair(-1, -1));
  CHECK(down.pixels[3] == 0);
  CHECK(std::pair(down.pixels[6] - 1, down.pixels[7] - 1) == std::pair(0, 2));
}

TEST_CASE("without a crop a picture of another size than the model's is an error that names both") {
  const ImageSettings settings = {
      .width = 16, .height = 16, .resize_height = 16, .resize = Resize::shortest_edge, .crop = Crop::none};
  CHECK(prepare_image(numbered(40, 40), settings).width == 16);
  CHECK_THROWS_WITH(prepare_image(numbered(40, 20), settings),
                    "is 40 x 20 pixels and would enter the model as 32 x 16 "
                    "pixels, which takes 16 x 16 pixels and has no crop in its "
                    "picture settings");
}

TEST_CASE("the centre of a picture that is resized by its shorter edge is what a model sees") {
  const ImageSettings settings = {.width = 16, .height = 16, .resize_height = 20, .resize = Resize::shortest_edge};
  const Image centre = prepare_image(numbered(80, 40), settings);
  // Columns 24 to 56 of 80, two of them a pixel.
  CHECK(centre.width == 16);
  CHECK(std::abs(centre.pixels[0] - 25.5) <= 1);
  CHECK(std::abs(centre.pixels[3 * 15] - 55.5) <= 1);
}

TEST_CASE("a picture of a single row or pixel is resized like any other") {
  const ImageSettings settings = {.width = 8, .height = 8, .resize_height = 8, .resize = Resize::shortest_edge};
  CHECK(first_pixel(prepare_image(numbered(1, 1), settings)) == std::pair(0, 0));
  const Image row = prepare_image(numbered(101, 1), settings);
  CHECK(std::abs(row.pixels[0] - 51) <= 1);
  CHECK_THROWS_AS(
      prepare_image(Image{.width = 4'000'000, .height = 1, .pixels = std::vector<std::uint8_t>(12'000'000)}, settings),
      Error);
}

}  // namespace octavo::test

// Pictures: decoding and resizing against Pillow, and files that mean harm.
#include "octavo/image.h"

#include "io/safetensors.h"
#include "tests/support/support.h"

#include "octavo/error.h"

#include <cstring>

namespace octavo::test {
namespace {

const SafetensorsFile& golden() {
  static const SafetensorsFile file = read_safetensors(source_dir() / "tests/golden/pictures.safetensors");
  return file;
}

std::vector<std::uint8_t> file_bytes(const std::string& name) {
  const auto bytes = golden().tensors.at("file." + name).as<std::uint8_t>();
  return {bytes.begin(), bytes.end()};
}

Image decode(const std::vector<std::uint8_t>& bytes) {
  return decode_image(std::as_bytes(std::span(bytes)), "picture");
}

Image image_of(const Tensor& tensor) {
  const auto pixels = tensor.as<std::uint8_t>();
  return {.width = static_cast<int>(tensor.shape()[1]),
          .height = static_cast<int>(tensor.shape()[0]),
          .pixels = {pixels.begin(), pixels.end()}};
}

int largest_difference(const Image& a, const Image& b) {
  REQUIRE(a.width == b.width);
  REQUIRE(a.height == b.height);
  REQUIRE(a.pixels.size() == b.pixels.size());
  int largest = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) largest = std::max(largest, std::abs(a.pixels[i] - b.pixels[i]));
  return largest;
}

std::string error_of(const std::vector<std::uint8_t>& bytes) {
  return refusal([&] { static_cast<void>(prepare_image(decode(bytes), {})); });
}

}  // namespace

TEST_CASE("pictures of every kind decode as Pillow decodes them") {
  int pictures = 0;
  for (const auto& [name, tensor] : golden().tensors) {
    if (!name.starts_with("rgb.")) continue;
    INFO(name);
    // Libraries may round what is lossy another way.
    const bool lossy = name.find("jp") != std::string::npos || name.find("lossy") != std::string::npos;
    CHECK(largest_difference(decode(file_bytes(name.substr(4))), image_of(tensor)) <= (lossy ? 1 : 0));
    ++pictures;
  }
  CHECK(pictures == 61);
}

TEST_CASE("resizing gives Pillow's pixels, whole and in a window") {
  constexpr std::pair<const char*, Interpolation> filters[] = {
      {"nearest", Interpolation::nearest}, {"box", Interpolation::box},         {"bilinear", Interpolation::bilinear},
      {"hamming", Interpolation::hamming}, {"bicubic", Interpolation::bicubic}, {"lanczos", Interpolation::lanczos}};
  const Image image = image_of(golden().tensors.at("rgb.plain.png"));
  int sizes = 0;
  for (const auto& [filter, interpolation] : filters) {
    for (const auto& [name, tensor] : golden().tensors) {
      if (!name.starts_with(std::string("resize.") + filter + ".")) continue;
      INFO(name);
      const Image expected = image_of(tensor);
      CHECK(largest_difference(resize_image(image, expected.width, expected.height, interpolation,
                                            {0, 0, expected.width, expected.height}),
                               expected) == 0);
      const Image corner =
          resize_image(image, expected.width, expected.height, interpolation, {1, 1, expected.width - 1, 1});
      CHECK(std::memcmp(corner.pixels.data(), expected.pixels.data() + 3 * (expected.width + 1),
                        corner.pixels.size()) == 0);
      ++sizes;
    }
  }
  CHECK(sizes == 24);
}

TEST_CASE("a damaged, foreign or hostile file is an error that says what is wrong, never a picture") {
  for (const char* name : {"plain.jpg", "progressive.jpg", "plain.png", "plain.ppm", "lossless.webp", "lossy.webp",
                           "plain.gif", "plain.bmp", "runs.bmp", "plain.tif", "deflate.tif", "jpeg.tif"}) {
    INFO(name);
    std::vector<std::uint8_t> bytes = file_bytes(name);
    bytes.resize(bytes.size() * 2 / 3);
    CHECK_THAT(error_of(bytes), Catch::Contains("is a damaged"));
    bytes.resize(20);
    CHECK(error_of(bytes) != "");
  }
  CHECK_THAT(error_of({}), Catch::Contains("is empty"));
  const std::string text = "These are words, not a picture.";
  CHECK_THAT(error_of({text.begin(), text.end()}),
             Catch::Contains("is no JPEG, PNG, WebP, GIF, BMP, TIFF or binary PPM"));
  const std::string large = "P6 30000 30000 255\n";
  CHECK_THAT(error_of({large.begin(), large.end()}), Catch::Contains("30000 x 30000"));

  std::vector<std::uint8_t> jpeg = file_bytes("plain.jpg");
  for (std::size_t i = 0; i + 8 < jpeg.size(); ++i) {
    if (jpeg[i] == 0xFF && jpeg[i + 1] == 0xC0) {  // the frame's height and width
      jpeg[i + 5] = jpeg[i + 7] = 30000 >> 8;
      jpeg[i + 6] = jpeg[i + 8] = 30000 & 255;
      break;
    }
  }
  CHECK_THAT(error_of(jpeg), Catch::Contains("30000 x 30000"));
  std::vector<std::uint8_t> png = file_bytes("plain.png");
  png[18] = png[22] = 30000 >> 8;
  png[19] = png[23] = 30000 & 255;
  CHECK(error_of(png) != "");  // the header's checksum no longer holds either
}

TEST_CASE("a picture that claims a huge size is refused before memory is taken") {
  const auto claim = [](const char* name, std::size_t at, int bytes) {
    std::vector<std::uint8_t> file = file_bytes(name);
    const int edge = bytes == 4 ? 2'000'000 : 60'000;
    for (int i = 0; i < 2 * bytes; ++i)
      file[at + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(edge >> 8 * (i % bytes));
    return error_of(file);
  };
  CHECK_THAT(claim("plain.gif", 6, 2), Catch::Contains("claims to be 60000 x 60000 pixels"));
  CHECK_THAT(claim("plain.bmp", 18, 4), Catch::Contains("claims to be 2000000 x 2000000 pixels"));
  CHECK_THAT(claim("frames.webp", 24, 3), Catch::Contains("claims to be 60001 x 60001 pixels"));
}

TEST_CASE("a progressive JPEG of very many scans is an error, soon") {
  std::vector<std::uint8_t> bytes = file_bytes("progressive.jpg");
  const auto marker = [&bytes](std::size_t from) {
    while (bytes[from] != 0xFF || bytes[from + 1] == 0) ++from;
    return from;
  };
  std::size_t begin = 2;
  while (bytes[begin + 1] != 0xDA) begin = marker(begin + 2);
  const std::vector<std::uint8_t> scan(bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                                       bytes.begin() + static_cast<std::ptrdiff_t>(marker(begin + 2)));
  for (int i = 0; i < 300; ++i) bytes.insert(bytes.end() - 2, scan.begin(), scan.end());
  CHECK_THAT(error_of(bytes), Catch::Contains("more than 100 scans"));
}

TEST_CASE("any byte of a picture may be wrong: the answer is a picture or an Error") {
  for (const char* name :
       {"plain.jpg", "progressive.jpg", "cmyk.jpg", "orientation_6.jpg", "palette.png", "exif_6.png", "plain.ppm",
        "lossy.webp", "frames.webp", "frames.gif", "runs.bmp", "top_down.bmp", "deflate.tif", "palette.tif"}) {
    const std::vector<std::uint8_t> whole = file_bytes(name);
    for (std::size_t i = 0; i < whole.size(); i += 1 + whole.size() / 150) {
      std::vector<std::uint8_t> bytes = whole;
      bytes[i] ^= 0xFF;
      error_of(bytes);
    }
  }
  SUCCEED("nothing else was thrown");
}

}  // namespace octavo::test

// BMP: palettes of 1, 4 and 8 bits, plain or run-length encoded, and colours of 16, 24 and 32 bits. There is no small
// well-kept library for it.
#include "image/image_decoders.h"

#include "octavo/error.h"

#include <algorithm>
#include <bit>
#include <string>

namespace octavo {
namespace {

[[noreturn]] void fail(const std::string& reason) { throw Error("is a damaged BMP: " + reason); }
[[noreturn]] void refuse(const std::string& kind) { throw Error("is a BMP " + kind + ", which is not read"); }

class Bmp {
 public:
  explicit Bmp(std::span<const std::byte> bytes) : bytes_(bytes) { read_header(); }

  Image picture() {
    Image image = bits_ > 8 ? colours() : palette_to_rgb(indices(), palette(), width_, height_);
    return bottom_up_ ? upright(std::move(image), 4) : image;
  }

 private:
  std::uint32_t number(std::size_t at, std::size_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) fail("it ends early");
    std::uint32_t value = 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8 | std::to_integer<std::uint32_t>(bytes_[at + i]);
    return value;
  }
  std::uint32_t half(std::size_t at) const { return number(at, 2); }
  std::uint32_t word(std::size_t at) const { return number(at, 4); }
  std::uint8_t byte(std::size_t at) const { return static_cast<std::uint8_t>(number(at, 1)); }

  static std::int64_t signed_edge(std::uint32_t edge, bool old) {
    return old ? std::int64_t{edge} : std::int64_t{static_cast<std::int32_t>(edge)};
  }

  void read_header() {
    header_ = word(14);
    const std::uint32_t known[] = {12, 40, 52, 56, 64, 108, 124};
    if (std::find(std::begin(known), std::end(known), header_) == std::end(known))
      refuse("with a header of " + std::to_string(header_) + " bytes");
    const bool old = header_ == 12;
    const std::int64_t height = signed_edge(old ? half(20) : word(22), old);
    const std::int64_t width = signed_edge(old ? half(18) : word(18), old);
    if (width <= 0 || height == 0) fail("it has no pixels");
    bottom_up_ = height > 0;
    check_image_size(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(std::abs(height)));
    width_ = static_cast<int>(width);
    height_ = static_cast<int>(std::abs(height));
    bits_ = static_cast<int>(half(old ? 24 : 28));
    if (bits_ != 1 && bits_ != 4 && bits_ != 8 && bits_ != 16 && bits_ != 24 && bits_ != 32)
      refuse("of " + std::to_string(bits_) + " bits a pixel");
    compression_ = old ? 0 : word(30);
    if (compression_ > 3 || (compression_ == 3 && (bits_ < 16 || header_ == 64)) || (compression_ == 1 && bits_ != 8) ||
        (compression_ == 2 && bits_ != 4))
      refuse("with compression " + std::to_string(compression_) + " of " + std::to_string(bits_) + " bits a pixel");
    colours_ = old ? 0 : word(46);
    if (colours_ == 0 || colours_ > 256) colours_ = std::uint32_t{1} << std::min(bits_, 8);
    begin_ = word(10);
    // Some programs leave the palette out of the pixels' place.
    if (bits_ <= 8 && begin_ == 14 + header_) begin_ += colours_ * (old ? 3 : 4);
  }

  Palette palette() const {
    Palette palette = {};
    const std::size_t size = header_ == 12 ? 3 : 4;
    for (std::size_t i = 0; i < colours_; ++i) {
      const std::size_t at = 14 + header_ + i * size;
      palette[i] = {byte(at + 2), byte(at + 1), byte(at)};
    }
    return palette;
  }

  std::size_t pixels() const { return static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_); }

  /// Bytes of a row, which is padded to words; all rows must be there.
  std::size_t row_bytes() const {
    const std::size_t row = (static_cast<std::size_t>(width_) * static_cast<std::size_t>(bits_) + 31) / 32 * 4;
    if (begin_ > bytes_.size() || row * static_cast<std::size_t>(height_) > bytes_.size() - begin_)
      fail("it ends before its last pixel");
    return row;
  }

  std::vector<std::uint8_t> indices() const {
    if (compression_ != 0) return run_lengths();
    const std::size_t row = row_bytes(), mask = (std::size_t{1} << bits_) - 1;
    std::vector<std::uint8_t> result;
    result.reserve(pixels());
    for (int y = 0; y < height_; ++y) {
      for (int x = 0; x < width_; ++x) {
        const int bit = x * bits_;
        const std::uint8_t packed =
            byte(begin_ + static_cast<std::size_t>(y) * row + static_cast<std::size_t>(bit / 8));
        result.push_back(static_cast<std::uint8_t>(packed >> (8 - bits_ - bit % 8) & static_cast<int>(mask)));
      }
    }
    return result;
  }

  /// Pairs of a count and an index (4 bits: two in turn); a count of 0 stands before a command or indices as they are.
  std::vector<std::uint8_t> run_lengths() const {
    std::vector<std::uint8_t> result(pixels());
    std::int64_t x = 0, y = 0;
    const auto put = [&](std::size_t i, std::uint8_t packed) {
      if (x >= width_ || y >= height_) return;
      const int shift = bits_ == 8 || i % 2 == 1 ? 0 : 4;
      result[static_cast<std::size_t>(y * width_ + x++)] =
          static_cast<std::uint8_t>(packed >> shift & (bits_ == 8 ? 255 : 15));
    };
    const std::size_t pixels_a_byte = bits_ == 8 ? 1 : 2;
    for (std::size_t at = begin_; y < height_;) {
      const std::uint8_t count = byte(at), value = byte(at + 1);
      at += 2;
      if (count > 0) {
        for (std::size_t i = 0; i < count; ++i) put(i, value);
      } else if (value == 0) {
        x = 0;
        ++y;
      } else if (value == 1) {
        break;
      } else if (value == 2) {
        x += byte(at);
        y += byte(at + 1);
        at += 2;
      } else {
        for (std::size_t i = 0; i < value; ++i) put(i, byte(at + i / pixels_a_byte));
        const std::size_t size = (value + pixels_a_byte - 1) / pixels_a_byte;
        at += size + size % 2;
      }
      // The last row need not end.
      if (y == height_ - 1 && x >= width_) break;
    }
    return result;
  }

  /// Which bits of a pixel are red, green and blue.
  std::array<std::uint32_t, 3> masks() const {
    std::array<std::uint32_t, 3> result = {0xFF0000, 0xFF00, 0xFF};
    if (bits_ == 16) result = {0x7C00, 0x3E0, 0x1F};
    if (compression_ != 3) return result;
    const std::array<std::uint32_t, 3> own = {word(54), word(58), word(62)};
    if (own != std::array<std::uint32_t, 3>{}) result = own;
    for (const std::uint32_t mask : result) {
      const std::uint32_t low = mask == 0 ? 0 : mask >> std::countr_zero(mask);
      if (low == 0 || low > 255 || (low & (low + 1)) != 0) refuse("with bit masks of another form");
    }
    return result;
  }

  Image colours() const {
    const std::array<std::uint32_t, 3> masks = this->masks();
    const std::size_t row = row_bytes(), size = static_cast<std::size_t>(bits_) / 8;
    Image image{.width = width_, .height = height_};
    image.pixels.reserve(3 * pixels());
    for (std::size_t y = 0; y < static_cast<std::size_t>(height_); ++y) {
      for (std::size_t x = 0; x < static_cast<std::size_t>(width_); ++x) {
        const std::uint32_t pixel = number(begin_ + y * row + x * size, size);
        for (const std::uint32_t mask : masks) {
          const int shift = std::countr_zero(mask);
          image.pixels.push_back(static_cast<std::uint8_t>(((pixel & mask) >> shift) * 255 / (mask >> shift)));
        }
      }
    }
    return image;
  }

  std::span<const std::byte> bytes_;
  int width_ = 0, height_ = 0, bits_ = 0;
  bool bottom_up_ = true;
  std::uint32_t header_ = 0, compression_ = 0, colours_ = 0;
  std::size_t begin_ = 0;  // of the pixels
};

}  // namespace

Image decode_bmp(std::span<const std::byte> bytes) { return Bmp(bytes).picture(); }

}  // namespace octavo

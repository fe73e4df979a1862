// TIFF by libtiff: the first picture of grey levels, RGB, a palette, CMYK or YCbCr, in strips or tiles.
#include "image/image_decoders.h"

#include "octavo/error.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <tiffio.h>

namespace octavo {
namespace {

[[noreturn]] void fail(const std::string& reason) { throw Error("is a damaged TIFF: " + reason); }
[[noreturn]] void refuse(const std::string& kind) { throw Error("is a TIFF " + kind + ", which is not read"); }

/// The file in memory, and what libtiff last complained about.
struct Source {
  std::span<const std::byte> bytes;
  std::size_t position = 0;
  std::string error = "it ends early";
};

tmsize_t read_bytes(thandle_t handle, void* out, tmsize_t count) {
  auto& source = *static_cast<Source*>(handle);
  const std::size_t rest = source.bytes.size() - std::min(source.position, source.bytes.size());
  const std::size_t size = std::min(rest, static_cast<std::size_t>(std::max<tmsize_t>(count, 0)));
  std::memcpy(out, source.bytes.data() + (source.bytes.size() - rest), size);
  source.position += size;
  return static_cast<tmsize_t>(size);
}
tmsize_t write_nothing(thandle_t, void*, tmsize_t) { return 0; }
toff_t seek(thandle_t handle, toff_t offset, int whence) {
  auto& source = *static_cast<Source*>(handle);
  source.position = offset + (whence == SEEK_CUR ? source.position : whence == SEEK_END ? source.bytes.size() : 0);
  return source.position;
}
toff_t size_of(thandle_t handle) { return static_cast<Source*>(handle)->bytes.size(); }
int close_nothing(thandle_t) { return 0; }

int note_error(TIFF*, void* source, const char*, const char* format, std::va_list values) {
  char text[256];
  std::vsnprintf(text, sizeof(text), format, values);
  static_cast<Source*>(source)->error = text;
  return 1;
}
int ignore_warning(TIFF*, void*, const char*, const char*, std::va_list) { return 1; }

using Handle = std::unique_ptr<TIFF, decltype(&TIFFClose)>;

Handle open_file(Source& source) {
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(TIFFOpenOptionsAlloc(),
                                                                                 &TIFFOpenOptionsFree);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), note_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), ignore_warning, nullptr);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), tmsize_t{1} << 30);
  // Read, not mapped.
  return {TIFFClientOpenExt("picture", "rm", &source, read_bytes, write_nothing, seek, close_nothing, size_of, nullptr,
                            nullptr, options.get()),
          &TIFFClose};
}

class Tiff {
 public:
  explicit Tiff(std::span<const std::byte> bytes) : source_{.bytes = bytes}, file_(open_file(source_)) {
    if (!file_) fail(source_.error);
    width_ = number32(TIFFTAG_IMAGEWIDTH);
    height_ = number32(TIFFTAG_IMAGELENGTH);
    check_image_size(width_, height_);
    bits_ = number16(TIFFTAG_BITSPERSAMPLE);
    samples_ = number16(TIFFTAG_SAMPLESPERPIXEL);
    photometric_ = number16(TIFFTAG_PHOTOMETRIC);
    planes_apart_ = number16(TIFFTAG_PLANARCONFIG) == PLANARCONFIG_SEPARATE;
    const int format = number16(TIFFTAG_SAMPLEFORMAT);
    if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID) refuse("of signed or float samples");
    if (samples_ < 1 || samples_ > 8) refuse("of " + std::to_string(samples_) + " samples a pixel");
  }

  Image picture() {
    Image image = stored();
    Metadata metadata;
    std::uint32_t size = 0;
    void* xmp = nullptr;
    if (TIFFGetField(file_.get(), TIFFTAG_XMLPACKET, &size, &xmp) == 1) {
      const auto* bytes = static_cast<const std::byte*>(xmp);
      metadata.xmp.assign(bytes, bytes + size);
    }
    std::uint16_t orientation = 0;
    const bool has_tag = TIFFGetField(file_.get(), TIFFTAG_ORIENTATION, &orientation) == 1;
    return upright(std::move(image), has_tag && orientation >= 1 && orientation <= 8 ? orientation
                                     : has_tag                                       ? 1
                                                                                     : orientation_of(metadata));
  }

 private:
  std::uint32_t number32(std::uint32_t tag) const {
    std::uint32_t value = 0;
    TIFFGetFieldDefaulted(file_.get(), tag, &value);
    return value;
  }
  int number16(std::uint32_t tag) const {
    std::uint16_t value = 0;
    TIFFGetFieldDefaulted(file_.get(), tag, &value);
    return value;
  }

  /// The picture as its rows lie in the file.
  Image stored() {
    if (photometric_ == PHOTOMETRIC_YCBCR) return from_ycbcr();
    const int colours = photometric_ == PHOTOMETRIC_SEPARATED ? 4 : photometric_ == PHOTOMETRIC_RGB ? 3 : 1;
    if (samples_ < colours) fail("it has " + std::to_string(samples_) + " samples a pixel");
    const bool grey = photometric_ == PHOTOMETRIC_MINISWHITE || photometric_ == PHOTOMETRIC_MINISBLACK;
    const bool small = (bits_ == 1 || bits_ == 2 || bits_ == 4) && colours == 1 && samples_ == 1;
    if (!(bits_ == 8 || small || (bits_ == 16 && photometric_ != PHOTOMETRIC_PALETTE)))
      refuse("of " + std::to_string(bits_) + " bits a sample");
    if (photometric_ == PHOTOMETRIC_SEPARATED && number16(TIFFTAG_INKSET) != INKSET_CMYK)
      refuse("of inks that are not CMYK");
    if (photometric_ != PHOTOMETRIC_RGB && multiplied_by_alpha()) refuse("of levels multiplied by alpha");
    if (grey) return grey_to_rgb(grey_levels(), width(), height());
    if (photometric_ == PHOTOMETRIC_PALETTE) return palette_to_rgb(samples(1), palette(), width(), height());
    if (photometric_ == PHOTOMETRIC_SEPARATED) return cmyk_to_rgb(samples(4), width(), height());
    if (photometric_ == PHOTOMETRIC_RGB) return from_rgb();
    refuse("of photometric interpretation " + std::to_string(photometric_));
  }

  int width() const { return static_cast<int>(width_); }
  int height() const { return static_cast<int>(height_); }

  std::vector<std::uint8_t> grey_levels() {
    std::vector<std::uint8_t> levels = samples(1);
    if (bits_ < 8) {
      const int step = 255 / ((1 << bits_) - 1);
      for (std::uint8_t& level : levels) level = static_cast<std::uint8_t>(level * step);
    }
    // Pillow takes 16-bit levels as they are.
    if (photometric_ == PHOTOMETRIC_MINISWHITE && bits_ <= 8) {
      for (std::uint8_t& level : levels) level = static_cast<std::uint8_t>(255 - level);
    }
    return levels;
  }

  bool multiplied_by_alpha() const {
    std::uint16_t count = 0, *kinds = nullptr;
    return TIFFGetField(file_.get(), TIFFTAG_EXTRASAMPLES, &count, &kinds) == 1 && count > 0 &&
           kinds[0] == EXTRASAMPLE_ASSOCALPHA;
  }

  /// Colours that were multiplied by alpha are divided by it.
  Image from_rgb() {
    if (samples_ < 4 || !multiplied_by_alpha()) return {.width = width(), .height = height(), .pixels = samples(3)};
    const std::vector<std::uint8_t> rgba = samples(4);
    Image image{.width = width(), .height = height()};
    image.pixels.resize(rgba.size() / 4 * 3);
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
      const int colour = rgba[i / 3 * 4 + i % 3], alpha = rgba[i / 3 * 4 + 3];
      image.pixels[i] = static_cast<std::uint8_t>(alpha == 0 ? 0 : std::min(255 * colour / alpha, 255));
    }
    return image;
  }

  Palette palette() {
    std::uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
    if (TIFFGetField(file_.get(), TIFFTAG_COLORMAP, &red, &green, &blue) != 1) fail("it has no palette");
    Palette palette = {};
    for (std::size_t i = 0; i < (std::size_t{1} << bits_); ++i) {
      palette[i] = {static_cast<std::uint8_t>(red[i] >> 8), static_cast<std::uint8_t>(green[i] >> 8),
                    static_cast<std::uint8_t>(blue[i] >> 8)};
    }
    return palette;
  }

  /// libtiff's own conversion.
  Image from_ycbcr() {
    if (number16(TIFFTAG_COMPRESSION) != COMPRESSION_JPEG) refuse("of YCbCr without JPEG compression");
    char message[1024] = "";
    TIFFRGBAImage rgba;
    if (TIFFRGBAImageBegin(&rgba, file_.get(), 1, message) == 0) fail(message);
    rgba.req_orientation = rgba.orientation;
    std::vector<std::uint32_t> raster(std::size_t{width_} * height_);
    const int done = TIFFRGBAImageGet(&rgba, raster.data(), width_, height_);
    TIFFRGBAImageEnd(&rgba);
    if (done == 0) fail(source_.error);
    Image image{.width = width(), .height = height()};
    image.pixels.reserve(3 * raster.size());
    for (const std::uint32_t pixel : raster) {
      for (int shift = 0; shift < 24; shift += 8) image.pixels.push_back(static_cast<std::uint8_t>(pixel >> shift));
    }
    return image;
  }

  /// The first `count` samples of every pixel: of 16 bits the upper half (grey: at most 255), of fewer than 8 the bits.
  std::vector<std::uint8_t> samples(int count) {
    std::vector<std::uint8_t> result(std::size_t{width_} * height_ * static_cast<std::size_t>(count));
    for (int plane = 0; plane < (planes_apart_ ? count : 1); ++plane) {
      if (TIFFIsTiled(file_.get()) != 0)
        read_tiles(plane, count, result);
      else
        read_strips(plane, count, result);
    }
    return result;
  }

  void read_strips(int plane, int count, std::vector<std::uint8_t>& result) {
    const std::uint32_t rows_a_strip = std::min(number32(TIFFTAG_ROWSPERSTRIP), height_);
    const tmsize_t row_bytes = TIFFScanlineSize(file_.get());
    if (rows_a_strip == 0 || row_bytes <= 0) fail(source_.error);
    std::vector<std::uint8_t> strip(static_cast<std::size_t>(row_bytes) * rows_a_strip);
    for (std::uint32_t y = 0; y < height_; y += rows_a_strip) {
      const std::uint32_t rows = std::min(rows_a_strip, height_ - y);
      const tmsize_t expected = row_bytes * static_cast<tmsize_t>(rows);
      if (TIFFReadEncodedStrip(file_.get(), TIFFComputeStrip(file_.get(), y, static_cast<std::uint16_t>(plane)),
                               strip.data(), expected) != expected)
        fail(source_.error);
      for (std::uint32_t i = 0; i < rows; ++i)
        unpack(strip.data() + static_cast<std::size_t>(row_bytes) * i, {0, y + i, width_}, plane, count, result);
    }
  }

  void read_tiles(int plane, int count, std::vector<std::uint8_t>& result) {
    const std::uint32_t tile_width = number32(TIFFTAG_TILEWIDTH), tile_height = number32(TIFFTAG_TILELENGTH);
    check_image_size(tile_width, tile_height);
    const tmsize_t row_bytes = TIFFTileRowSize(file_.get()), size = TIFFTileSize(file_.get());
    if (row_bytes <= 0 || size <= 0) fail(source_.error);
    std::vector<std::uint8_t> tile(static_cast<std::size_t>(size));
    for (std::uint32_t y = 0; y < height_; y += tile_height) {
      for (std::uint32_t x = 0; x < width_; x += tile_width) {
        if (TIFFReadEncodedTile(file_.get(), TIFFComputeTile(file_.get(), x, y, 0, static_cast<std::uint16_t>(plane)),
                                tile.data(), size) != size)
          fail(source_.error);
        for (std::uint32_t i = 0; i < std::min(tile_height, height_ - y); ++i) {
          unpack(tile.data() + static_cast<std::size_t>(row_bytes) * i, {x, y + i, std::min(tile_width, width_ - x)},
                 plane, count, result);
        }
      }
    }
  }

  struct Run {
    std::uint32_t x, y, pixels;
  };

  /// A row's samples to their place: those of one plane, or all that are wanted.
  void unpack(const std::uint8_t* row, Run run, int plane, int count, std::vector<std::uint8_t>& result) const {
    const std::size_t stride = planes_apart_ ? 1 : static_cast<std::size_t>(samples_);
    std::uint8_t* out = result.data() + (std::size_t{run.y} * width_ + run.x) * static_cast<std::size_t>(count);
    for (std::size_t i = 0; i < run.pixels; ++i, out += count) {
      if (planes_apart_) {
        out[plane] = sample(row, i * stride);
        continue;
      }
      for (int c = 0; c < count; ++c) out[c] = sample(row, i * stride + static_cast<std::size_t>(c));
    }
  }

  std::uint8_t sample(const std::uint8_t* row, std::size_t i) const {
    if (bits_ == 8) return row[i];
    if (bits_ == 16) {
      std::uint16_t value = 0;
      std::memcpy(&value, row + 2 * i, 2);
      const bool grey = photometric_ == PHOTOMETRIC_MINISWHITE || photometric_ == PHOTOMETRIC_MINISBLACK;
      return static_cast<std::uint8_t>(grey ? std::min<int>(value, 255) : value >> 8);
    }
    const std::size_t bit = i * static_cast<std::size_t>(bits_);
    return static_cast<std::uint8_t>(row[bit / 8] >> (8 - bits_ - static_cast<int>(bit % 8)) & ((1 << bits_) - 1));
  }

  Source source_;
  Handle file_;
  std::uint32_t width_ = 0, height_ = 0;
  int bits_ = 0, samples_ = 0, photometric_ = 0;
  bool planes_apart_ = false;
};

}  // namespace

Image decode_tiff(std::span<const std::byte> bytes) { return Tiff(bytes).picture(); }

}  // namespace octavo

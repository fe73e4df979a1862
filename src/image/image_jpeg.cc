// JPEG by libjpeg(-turbo): grey, YCbCr, RGB, CMYK and YCCK pictures.
#include "image/image_decoders.h"

#include "octavo/error.h"

#include <csetjmp>
#include <cstdio>
#include <jerror.h>
#include <jpeglib.h>
#include <optional>
#include <string>

namespace octavo {
namespace {

/// libjpeg reports errors by a function that must not return.
struct ErrorHandler {
  jpeg_error_mgr manager;  // first: libjpeg hands back a pointer to it
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void fail(j_common_ptr info) {
  auto* handler = reinterpret_cast<ErrorHandler*>(info->err);
  (*info->err->format_message)(info, handler->message);
  std::longjmp(handler->jump, 1);
}

/// A warning that means missing data is an error: the rest of the picture would be grey.
void emit(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER)) fail(info);
}

/// A decompressor that is always destroyed. Between setjmp() and longjmp() no object with a destructor is made.
struct Decompressor {
  jpeg_decompress_struct info = {};
  ErrorHandler handler = {};
  Decompressor() {
    info.err = jpeg_std_error(&handler.manager);
    handler.manager.error_exit = fail;
    handler.manager.emit_message = emit;
  }
  ~Decompressor() { jpeg_destroy_decompress(&info); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
};

bool read_header(Decompressor& d, std::span<const std::byte> bytes) {
  if (setjmp(d.handler.jump) != 0) return false;
  jpeg_create_decompress(&d.info);
  jpeg_mem_src(&d.info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_save_markers(&d.info, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&d.info, TRUE);
  const bool four = d.info.jpeg_color_space == JCS_CMYK || d.info.jpeg_color_space == JCS_YCCK;
  d.info.out_color_space = four ? JCS_CMYK : d.info.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
  return true;
}

bool read_pixels(Decompressor& d, std::uint8_t* pixels, std::size_t row_bytes) {
  if (setjmp(d.handler.jump) != 0) return false;
  jpeg_start_decompress(&d.info);
  while (d.info.output_scanline < d.info.output_height) {
    JSAMPROW row = pixels + d.info.output_scanline * row_bytes;
    jpeg_read_scanlines(&d.info, &row, 1);
  }
  jpeg_finish_decompress(&d.info);
  return true;
}

/// a * b / 255, rounded.
int product_of_bytes(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/// CMYK to RGB without a colour profile; Adobe's files hold the inverse of each component.
void cmyk_to_rgb(const std::uint8_t* from, std::size_t pixels, bool inverted, std::uint8_t* to) {
  for (std::size_t i = 0; i < pixels; ++i, from += 4, to += 3) {
    const int white = inverted ? from[3] : 255 - from[3];
    for (int c = 0; c < 3; ++c) {
      const int ink = inverted ? 255 - from[c] : from[c];
      to[c] = static_cast<std::uint8_t>(white - product_of_bytes(ink, white));
    }
  }
}

Image to_rgb(const std::vector<std::uint8_t>& pixels, int width, int height, int components, bool inverted) {
  Image image{.width = width, .height = height};
  const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  image.pixels.resize(3 * count);
  if (components == 4) {
    cmyk_to_rgb(pixels.data(), count, inverted, image.pixels.data());
  } else {
    for (std::size_t i = 0; i < 3 * count; ++i) image.pixels[i] = pixels[i / 3];
  }
  return image;
}

}  // namespace

Image decode_jpeg(std::span<const std::byte> bytes) {
  Decompressor d;
  if (!read_header(d, bytes)) throw Error(std::string("is a damaged JPEG: ") + d.handler.message);
  check_image_size(d.info.image_width, d.info.image_height);
  int orientation = 1;
  for (auto* marker = d.info.marker_list; marker != nullptr; marker = marker->next) {
    if (orientation == 1) orientation = exif_orientation(std::as_bytes(std::span(marker->data, marker->data_length)));
  }
  const int width = static_cast<int>(d.info.image_width), height = static_cast<int>(d.info.image_height);
  const int components = d.info.out_color_space == JCS_CMYK ? 4 : d.info.out_color_space == JCS_GRAYSCALE ? 1 : 3;
  const std::size_t row_bytes = static_cast<std::size_t>(width) * static_cast<std::size_t>(components);
  std::vector<std::uint8_t> pixels(row_bytes * static_cast<std::size_t>(height));
  if (!read_pixels(d, pixels.data(), row_bytes)) throw Error(std::string("is a damaged JPEG: ") + d.handler.message);
  if (components == 3) return upright({.width = width, .height = height, .pixels = std::move(pixels)}, orientation);
  return upright(to_rgb(pixels, width, height, components, d.info.saw_Adobe_marker != 0), orientation);
}

}  // namespace octavo

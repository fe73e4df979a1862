// JPEG by libjpeg(-turbo): grey, YCbCr, RGB, CMYK and YCCK pictures.
#include "image/image_decoders.h"

#include "octavo/error.h"

#include <csetjmp>
#include <cstdio>
#include <jerror.h>
#include <jpeglib.h>
#include <string>
#include <string_view>

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

/// Every scan of a progressive picture walks over all of it: a small file of very many would take forever.
void limit_scans(j_common_ptr info) {
  constexpr int kMostScans = 100;
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMostScans) return;
  auto* handler = reinterpret_cast<ErrorHandler*>(info->err);
  std::snprintf(handler->message, sizeof(handler->message), "it has more than %d scans", kMostScans);
  std::longjmp(handler->jump, 1);
}

/// A decompressor that is always destroyed. Between setjmp() and longjmp() no object with a destructor is made.
struct Decompressor {
  jpeg_decompress_struct info = {};
  ErrorHandler handler = {};
  jpeg_progress_mgr progress = {};
  Decompressor() {
    info.err = jpeg_std_error(&handler.manager);
    handler.manager.error_exit = fail;
    handler.manager.emit_message = emit;
    progress.progress_monitor = limit_scans;
  }
  ~Decompressor() { jpeg_destroy_decompress(&info); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
};

bool read_header(Decompressor& d, std::span<const std::byte> bytes) {
  if (setjmp(d.handler.jump) != 0) return false;
  jpeg_create_decompress(&d.info);
  d.info.progress = &d.progress;
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

/// EXIF of all its segments together, and XMP.
Metadata metadata_of(const jpeg_decompress_struct& info) {
  constexpr std::string_view exif("Exif\0\0", 6), xmp("http://ns.adobe.com/xap/1.0/\0", 29);
  Metadata metadata;
  for (auto* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const auto bytes = std::as_bytes(std::span(marker->data, marker->data_length));
    const std::string_view text(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (text.starts_with(exif)) {
      metadata.exif.insert(metadata.exif.end(), bytes.begin() + (metadata.exif.empty() ? 0 : exif.size()), bytes.end());
    } else if (text.starts_with(xmp)) {
      metadata.xmp.assign(bytes.begin() + xmp.size(), bytes.end());
    }
  }
  return metadata;
}

}  // namespace

Image decode_jpeg(std::span<const std::byte> bytes) {
  Decompressor d;
  if (!read_header(d, bytes)) throw Error(std::string("is a damaged JPEG: ") + d.handler.message);
  check_image_size(d.info.image_width, d.info.image_height);
  const int orientation = orientation_of(metadata_of(d.info));
  const int width = static_cast<int>(d.info.image_width), height = static_cast<int>(d.info.image_height);
  const int components = d.info.out_color_space == JCS_CMYK ? 4 : d.info.out_color_space == JCS_GRAYSCALE ? 1 : 3;
  const std::size_t row_bytes = static_cast<std::size_t>(width) * static_cast<std::size_t>(components);
  std::vector<std::uint8_t> pixels(row_bytes * static_cast<std::size_t>(height));
  if (!read_pixels(d, pixels.data(), row_bytes)) throw Error(std::string("is a damaged JPEG: ") + d.handler.message);
  if (components == 3) return upright({.width = width, .height = height, .pixels = std::move(pixels)}, orientation);
  if (components == 1) return upright(grey_to_rgb(pixels, width, height), orientation);
  // Programs write inverse inks, with Adobe's marker or without; Pillow takes them so too.
  for (std::uint8_t& ink : pixels) ink = static_cast<std::uint8_t>(255 - ink);
  return upright(cmyk_to_rgb(pixels, width, height), orientation);
}

}  // namespace octavo

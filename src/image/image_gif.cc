// GIF by giflib: the first picture on the file's canvas.
#include "image/image_decoders.h"

#include "octavo/error.h"

#include <algorithm>
#include <cstring>
#include <gif_lib.h>
#include <string>

namespace octavo {
namespace {

struct Reader {
  std::span<const std::byte> bytes;
};

int read_bytes(GifFileType* gif, GifByteType* out, int count) {
  auto& rest = static_cast<Reader*>(gif->UserData)->bytes;
  const std::size_t size = std::min(rest.size(), static_cast<std::size_t>(count));
  std::memcpy(out, rest.data(), size);
  rest = rest.subspan(size);
  return static_cast<int>(size);
}

[[noreturn]] void fail(int code) {
  const char* reason = GifErrorString(code);
  throw Error(std::string("is a damaged GIF: ") + (reason ? reason : "it holds no picture"));
}

class Gif {
 public:
  explicit Gif(std::span<const std::byte> bytes) : reader_{.bytes = bytes} {
    int code = 0;
    file_ = DGifOpen(&reader_, read_bytes, &code);
    if (!file_) fail(code);
  }
  ~Gif() { DGifCloseFile(file_, nullptr); }
  Gif(const Gif&) = delete;
  Gif& operator=(const Gif&) = delete;

  Image first_picture() {
    find_picture();
    const GifImageDesc& frame = file_->Image;
    const int width = std::max(file_->SWidth, frame.Left + frame.Width),
              height = std::max(file_->SHeight, frame.Top + frame.Height);
    check_image_size(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height));
    check_image_size(static_cast<std::uint64_t>(frame.Width), static_cast<std::uint64_t>(frame.Height));
    std::vector<std::uint8_t> canvas(static_cast<std::size_t>(width) * static_cast<std::size_t>(height),
                                     static_cast<std::uint8_t>(std::max(transparent_, 0)));
    const int first_of_pass[] = {0, 4, 2, 1}, step_of_pass[] = {8, 8, 4, 2};
    for (int pass = 0; pass < (frame.Interlace ? 4 : 1); ++pass) {
      const int step = frame.Interlace ? step_of_pass[pass] : 1;
      for (int y = frame.Interlace ? first_of_pass[pass] : 0; y < frame.Height; y += step) {
        std::uint8_t* row = canvas.data() + static_cast<std::size_t>(frame.Top + y) * static_cast<std::size_t>(width);
        check(DGifGetLine(file_, row + frame.Left, frame.Width));
      }
    }
    return palette_to_rgb(canvas, palette(), width, height);
  }

 private:
  void check(int result) const {
    if (result == GIF_ERROR) fail(file_->Error);
  }

  /// Reads up to the first picture's description, and which index the block before it calls transparent.
  void find_picture() {
    for (GifRecordType type = UNDEFINED_RECORD_TYPE;;) {
      check(DGifGetRecordType(file_, &type));
      if (type == IMAGE_DESC_RECORD_TYPE) break;
      if (type != EXTENSION_RECORD_TYPE) fail(0);
      int code = 0;
      GifByteType* block = nullptr;
      check(DGifGetExtension(file_, &code, &block));
      if (code == GRAPHICS_EXT_FUNC_CODE && block && block[0] >= 4 && (block[1] & 1) != 0) transparent_ = block[4];
      while (block) check(DGifGetExtensionNext(file_, &block));
    }
    check(DGifGetImageDesc(file_));
  }

  /// Its own colours, else the file's, and black beyond their end; without any an index is a level of grey.
  Palette palette() const {
    Palette colours = {};
    const ColorMapObject* map = file_->Image.ColorMap ? file_->Image.ColorMap : file_->SColorMap;
    const int count = map ? std::min(map->ColorCount, 256) : 256;
    for (int i = 0; i < count; ++i) {
      std::array<std::uint8_t, 3>& colour = colours[static_cast<std::size_t>(i)];
      if (map)
        colour = {map->Colors[i].Red, map->Colors[i].Green, map->Colors[i].Blue};
      else
        colour.fill(static_cast<std::uint8_t>(i));
    }
    return colours;
  }

  Reader reader_;
  GifFileType* file_ = nullptr;
  int transparent_ = -1;
};

}  // namespace

Image decode_gif(std::span<const std::byte> bytes) { return Gif(bytes).first_picture(); }

}  // namespace octavo

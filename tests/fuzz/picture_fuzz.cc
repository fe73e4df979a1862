// Any bytes are a picture that a model can be shown, or an Error.
#include "tests/fuzz/fuzz.h"

#include "octavo/error.h"
#include "octavo/image.h"

#include <span>

using namespace octavo;

namespace {

void prepare(const Image& image, Resize resize, Crop crop) {
  try {
    const Image prepared = prepare_image(image, {.width = 16,
                                                 .height = 12,
                                                 .resize_width = 24,
                                                 .resize_height = 20,
                                                 .resize = resize,
                                                 .crop = crop,
                                                 .interpolation = Interpolation::lanczos});
    fuzz::expect(prepared.width == 16 && prepared.height == 12 && prepared.pixels.size() == 3 * 16 * 12,
                 "a prepared picture has the model's size");
  } catch (const Error&) {  // the picture is too small, or is not cropped to that size
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const Image image = decode_image(std::as_bytes(std::span(data, size)));
    fuzz::expect(image.width > 0 && image.height > 0, "a picture has pixels");
    fuzz::expect(
        image.pixels.size() == 3 * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height),
        "a picture has three bytes a pixel");
    constexpr std::size_t kMostBytes = 3 << 20;  // nine times over, a large picture takes an instrumented build minutes
    if (image.pixels.size() > kMostBytes) return 0;
    for (const Resize resize : {Resize::none, Resize::both_edges, Resize::shortest_edge}) {
      for (const Crop crop : {Crop::none, Crop::centre_rounded, Crop::centre_down}) prepare(image, resize, crop);
    }
  } catch (const Error&) {
  }
  return 0;
}

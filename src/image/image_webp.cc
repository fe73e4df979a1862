// WebP by libwebp: lossy, lossless, and the first picture of an animation.
#include "image/image_decoders.h"

#include "octavo/error.h"

#include <memory>
#include <webp/decode.h>
#include <webp/demux.h>

namespace octavo {
namespace {

using Decoder = std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)>;

std::vector<std::byte> chunk(const WebPDemuxer* demuxer, const char* name) {
  WebPChunkIterator at;
  std::vector<std::byte> bytes;
  if (WebPDemuxGetChunk(demuxer, name, 1, &at) != 0) {
    const auto found = std::as_bytes(std::span(at.chunk.bytes, at.chunk.size));
    bytes.assign(found.begin(), found.end());
  }
  WebPDemuxReleaseChunkIterator(&at);
  return bytes;
}

}  // namespace

Image decode_webp(std::span<const std::byte> bytes) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, bytes.size(), &features) != VP8_STATUS_OK) throw Error("is a damaged WebP");
  check_image_size(static_cast<std::uint64_t>(features.width), static_cast<std::uint64_t>(features.height));
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);
  options.color_mode = MODE_RGBA;
  const WebPData file{.bytes = data, .size = bytes.size()};
  const Decoder decoder(WebPAnimDecoderNew(&file, &options), &WebPAnimDecoderDelete);
  std::uint8_t* pixels = nullptr;
  int time = 0;
  WebPAnimInfo info;
  if (!decoder || WebPAnimDecoderGetInfo(decoder.get(), &info) == 0 ||
      WebPAnimDecoderGetNext(decoder.get(), &pixels, &time) == 0)
    throw Error("is a damaged WebP");
  Image image{.width = static_cast<int>(info.canvas_width), .height = static_cast<int>(info.canvas_height)};
  image.pixels.resize(3 * std::size_t{info.canvas_width} * info.canvas_height);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = pixels[i / 3 * 4 + i % 3];
  const WebPDemuxer* demuxer = WebPAnimDecoderGetDemuxer(decoder.get());
  return upright(std::move(image), orientation_of({.exif = chunk(demuxer, "EXIF"), .xmp = chunk(demuxer, "XMP ")}));
}

}  // namespace octavo

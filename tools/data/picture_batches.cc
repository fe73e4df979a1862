#include "data/picture_batches.h"

#include <algorithm>

namespace octavo::tools {

void for_each_picture_batch(const std::vector<std::string>& files, const ModelInfo& info, const BatchLimits& limits,
                            const LoaderOptions& loading, const PictureHandler& handle) {
  const auto size =
      static_cast<std::size_t>(std::clamp<std::int64_t>(limits.tokens / info.max_positions, 1, limits.sequences));
  PictureLoader loader(files, *info.image, {.threads = loading.threads, .ahead = 2 * size, .load = loading.load});
  ImageBatch batch;
  std::vector<LoadedPicture> pictures;
  const auto run = [&] {
    handle(batch, pictures);
    batch.images.clear();
    pictures.clear();
  };
  while (std::optional<LoadedPicture> picture = loader.next()) {
    if (picture->error.empty()) batch.images.push_back(std::move(picture->image));
    pictures.push_back(*std::move(picture));
    if (pictures.size() == size) run();
  }
  if (!pictures.empty()) run();
}

}  // namespace octavo::tools

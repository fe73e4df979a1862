#include "data/picture_loader.h"

#include "octavo/error.h"

#include <algorithm>
#include <new>
#include <utility>

namespace octavo::tools {

PictureLoader::PictureLoader(std::vector<std::string> files, const ImageSettings& settings,
                             const LoaderOptions& options)
    : files_(std::move(files)), settings_(settings), options_(options) {
  const std::size_t count = std::min(static_cast<std::size_t>(std::max(options.threads, 1)), files_.size());
  for (std::size_t i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
}

PictureLoader::~PictureLoader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  room_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void PictureLoader::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    room_.wait(lock, [&] {
      return stopping_ || started_ == files_.size() || started_ < taken_ + std::max<std::size_t>(options_.ahead, 1);
    });
    if (stopping_ || started_ == files_.size()) return;
    const std::size_t index = started_++;
    lock.unlock();
    LoadedPicture picture = options_.load(files_[index], settings_);
    lock.lock();
    ready_.emplace(index, std::move(picture));
    loaded_.notify_all();
  }
}

LoadedPicture load_picture(const std::string& file, const ImageSettings& settings) {
  LoadedPicture picture{.file = file};
  try {
    const Image image = read_image(file);
    try {
      picture.image = prepare_image(image, settings);
    } catch (const Error& error) {
      picture.error = file + ": " + error.what();
    }
  } catch (const Error& error) {
    picture.error = error.what();
  } catch (const std::bad_alloc&) {
    picture.error = file + ": there is not enough memory for it";
  }
  return picture;
}

std::optional<LoadedPicture> PictureLoader::next() {
  std::unique_lock lock(mutex_);
  if (taken_ == files_.size()) return {};
  loaded_.wait(lock, [&] { return ready_.contains(taken_); });
  std::optional<LoadedPicture> picture = std::move(ready_.extract(taken_).mapped());
  ++taken_;
  room_.notify_all();
  return picture;
}

}  // namespace octavo::tools

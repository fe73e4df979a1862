// Pictures read, decoded and resized ahead of the model, by threads of their own, and handed out in order.
#pragma once

#include "octavo/image.h"

#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace octavo::tools {

struct LoadedPicture {
  std::string file;
  Image image = {};
  std::string error = {};  ///< why there is no image; empty when there is
};

/// Reads a file and makes it the picture that a model takes, or says why that cannot be.
LoadedPicture load_picture(const std::string& file, const ImageSettings& settings);

struct LoaderOptions {
  int threads = 1;
  std::size_t ahead = 64;  ///< pictures held at most
  LoadedPicture (*load)(const std::string& name, const ImageSettings& settings) = load_picture;
};

class PictureLoader {
 public:
  PictureLoader(std::vector<std::string> files, const ImageSettings& settings, const LoaderOptions& options);
  ~PictureLoader();
  PictureLoader(const PictureLoader&) = delete;
  PictureLoader& operator=(const PictureLoader&) = delete;

  /// The next picture in the order of the files; waits until it is there. Nothing after the last.
  std::optional<LoadedPicture> next();

 private:
  void work();

  const std::vector<std::string> files_;
  const ImageSettings settings_;
  const LoaderOptions options_;
  std::mutex mutex_;
  std::condition_variable room_, loaded_;
  std::map<std::size_t, LoadedPicture> ready_;  // by index
  std::size_t started_ = 0, taken_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;  // last: they use the rest
};

}  // namespace octavo::tools

#include "data/picture_files.h"

#include "octavo/error.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace octavo::tools {
namespace {

bool is_picture(const std::filesystem::path& file) {
  std::string extension = file.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const char* known[] = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"};
  return std::find(std::begin(known), std::end(known), extension) != std::end(known);
}

}  // namespace

std::vector<std::string> expand_folders(const std::vector<std::string>& names) {
  std::vector<std::string> files;
  for (const std::string& name : names) {
    std::error_code error;
    if (!std::filesystem::is_directory(name, error)) {
      files.push_back(name);
      continue;
    }
    const auto first = static_cast<std::ptrdiff_t>(files.size());
    std::filesystem::directory_iterator entries(name, error);
    if (error) throw Error(name + ": cannot be read: " + error.message() + ".");
    for (const auto& entry : entries) {
      if (is_picture(entry.path())) files.push_back(entry.path().string());
    }
    if (std::ssize(files) == first)
      throw Error(name + ": holds no picture (.jpg, .jpeg, .png, .webp, .gif, .bmp, .tif, .tiff, .ppm, .pgm).");
    std::sort(files.begin() + first, files.end());
  }
  return files;
}

}  // namespace octavo::tools

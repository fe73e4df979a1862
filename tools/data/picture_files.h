// Which files the words of a command line or a list mean.
#pragma once

#include <string>
#include <vector>

namespace octavo::tools {

/// Each folder replaced by the pictures in it (.jpg, .jpeg, .png, .ppm, .pgm, whatever the case), sorted by name. Other
/// names stay as they are. Throws octavo::Error for a folder that has none or cannot be read.
std::vector<std::string> expand_folders(const std::vector<std::string>& names);

}  // namespace octavo::tools

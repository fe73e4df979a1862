// The version of the library that these headers belong to.
#pragma once

#include <string_view>

#define OCTAVO_VERSION "0.1.0"
#define OCTAVO_VERSION_MAJOR 0
#define OCTAVO_VERSION_MINOR 1
#define OCTAVO_VERSION_PATCH 0

namespace octavo {

/// MAJOR.MINOR.PATCH, after https://semver.org.
inline constexpr std::string_view kVersion = OCTAVO_VERSION;

}  // namespace octavo

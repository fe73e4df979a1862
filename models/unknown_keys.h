// Keys of a checkpoint's JSON files that octavo does not know: a warning each.
#pragma once

#include "io/json_object.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// Adds a warning for every key of `object` that nobody has asked for and that is not among `harmless`, the keys known
/// not to change results. To be called when everything has been read.
void warn_of_unknown_keys(const JsonObject& object, std::span<const std::string_view> harmless,
                          std::vector<std::string>& warnings);

}  // namespace octavo

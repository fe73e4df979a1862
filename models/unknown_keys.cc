#include "models/unknown_keys.h"

#include <algorithm>

namespace octavo {

void warn_of_unknown_keys(const JsonObject& object, std::span<const std::string_view> harmless,
                          std::vector<std::string>& warnings) {
  for (const std::string& key : object.unread()) {
    if (std::find(harmless.begin(), harmless.end(), key) != harmless.end()) continue;
    warnings.push_back(object.where() + ": " + key + " is not known to octavo and has no effect");
  }
}

}  // namespace octavo

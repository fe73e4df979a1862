// An object of an answer as a line of JSON.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace octavo::tools {

using ordered_json = nlohmann::ordered_json;

/// With a line end; what is no UTF-8 becomes U+FFFD.
inline std::string json_line(const ordered_json& object) {
  return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace octavo::tools

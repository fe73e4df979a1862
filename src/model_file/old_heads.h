// Heads in files of before, which were one op each, as the nodes that they are made of today.
#pragma once

#include "io/json_object.h"
#include "model_file/graph_json.h"

#include <vector>

namespace octavo {

struct TodaysNodes {
  std::vector<nlohmann::json> nodes = {};  ///< each reads the one before, the first what the head read
  std::vector<Renamed> renamed = {};
};

/// Whether the node is such a head.
bool is_old_head(const JsonObject& node);

/// `scale`: of the codes that the head reads. Throws Error naming the key.
TodaysNodes todays_nodes(const JsonObject& head, float scale);

}  // namespace octavo

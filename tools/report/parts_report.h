// What a report says of sublayers that a model can do without.
#pragma once

#include "octavo/sublayers.h"

#include <nlohmann/json.hpp>

#include <string>

namespace octavo::tools {

/// Lines of a table: the frontier, a line for each sublayer that went.
std::string to_text(const SublayerChoice& choice);

nlohmann::ordered_json to_json(const SublayerChoice& choice);

/// "2 of 12 sublayers".
std::string sublayers_text(const SublayerChoice& choice);

/// "attention of layer 4, encoder.layer.4.attention.output.dense".
std::string sublayer_text(const Sublayer& sublayer);

}  // namespace octavo::tools

// What a report says of parts that a model does without, or has apart.
#pragma once

#include "octavo/parts.h"
#include "octavo/sublayers.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace octavo::tools {

struct PartsReport {
  std::optional<SublayerChoice> sublayers = {};  ///< what --drop or --drop-until removed
  std::optional<PartChoice> parts = {};          ///< what --drop-heads and --drop-neurons removed
  bool by_points = false;                        ///< distances are points that the task loses, not 1 - cosine
  int outlier_lanes = 0;
  int hard_attention_keys = 0;  ///< that queries see in
  std::vector<int> hard_attention_layers = {};
  std::vector<double> ffn_widths = {};  ///< of networks, one or one for each; none: whole

  /// Whether what is calibrated answers other than the checkpoint in float32.
  bool less() const { return sublayers || parts || hard_attention_keys > 0 || !ffn_widths.empty(); }
};

/// Lines of a table: the frontier, a line for each step; "" where nothing was removed.
std::string to_text(const PartsReport& report);

/// Adds "sublayers", "parts", "ffn_widths", "hard_attention" and "outlier_lanes" to an object: all, with null, or what
/// there is.
void add_json(nlohmann::ordered_json& object, const PartsReport& report, bool all);

/// Tables of a page, behind one that is open.
std::string to_html(const PartsReport& report);

}  // namespace octavo::tools

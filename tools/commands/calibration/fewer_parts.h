// --drop, --drop-until, --drop-heads, --drop-neurons, --ffn-width, --hard-attention, --outlier-lanes: the model that is
// calibrated in the checkpoint's place.
#pragma once

#include "cli/options.h"
#include "data/sample_batches.h"
#include "report/parts_report.h"

#include "octavo/parts.h"
#include "octavo/sublayers.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace octavo::tools {

struct PartSettings {
  std::optional<SublayerOptions> sublayers = {};
  double heads = 0.0, neurons = 0.0;    ///< shares that are removed
  std::vector<double> ffn_widths = {};  ///< shares of nested networks, one or one for each
  int hard_attention_keys = 0;          ///< that queries see in
  std::vector<int> hard_attention_layers = {};
  int outlier_lanes = 0;  ///< neurons of each network that are set apart

  bool any() const {
    return sublayers || heads > 0.0 || neurons > 0.0 || !ffn_widths.empty() || hard_attention_keys > 0 ||
           outlier_lanes > 0;
  }
};

Flags part_flags();
std::vector<Rule> part_rules();
PartSettings read_parts(const Arguments& arguments);

/// The model without what the settings remove, chosen by the first samples: by what the model answers or, with labels,
/// by how well.
class FewerParts {
 public:
  FewerParts(const Engine& whole, const PartSettings& settings, std::int64_t weight_memory, Workspace& workspace)
      : whole_(whole), settings_(settings), weight_memory_(weight_memory), workspace_(workspace) {}

  Model choose(const Samples& samples, SampleBatches& batches, const Log& log, PartsReport& found);

 private:
  Distance distance(const Samples& samples, SampleBatches& batches);
  Model without_sublayers_of(const Model& model, const Distance& distance, const Log& log, PartsReport& found);
  Model without_heads_and_neurons(const PartObserver& observed, const Distance& distance, const Log& log,
                                  PartsReport& found);
  PartObserver observe(const Model& model, const Samples& samples, SampleBatches& batches);

  const Engine& whole_;
  const PartSettings& settings_;
  std::int64_t weight_memory_;
  Workspace& workspace_;
};

}  // namespace octavo::tools

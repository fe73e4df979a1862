// The search for extra bits: how few of them make a model as close to float32 as is asked for.
#include "calibration/calibration_data.h"
#include "graph/op_facts.h"
#include "runtime/workspace.h"

#include <algorithm>

namespace octavo {
namespace {

constexpr std::size_t kSearchSamples = 64;   // by which the search judges
constexpr std::int64_t kProbeTokens = 2048;  // of those, by which it ranks
constexpr double kSearchMargin = 0.9;        // of 1 - target, for samples that it has not seen

}  // namespace

std::vector<ExtraBits> Calibrator::Data::candidates() const {
  std::vector<ExtraBits> result;
  for (const Node& node : model->graph.nodes) {
    const std::string& name = model->graph.name(node.output);
    const bool words = !facts(model->graph, node).words.empty();  // which have no weights that read them
    if (!words && !inputs.contains(name)) continue;
    result.push_back({name, false});
    if (!words) result.push_back({name, true});
  }
  return result;
}

std::vector<ExtraBits> Calibrator::extra_bits() const { return data_->candidates(); }

/// By bisection of the ranked list: each more of it is taken to come closer.
PrecisionChoice Calibrator::Data::choose(double target, const CalibrationOptions& chosen,
                                         const std::vector<ExtraBitsGain>& ranked,
                                         const std::function<double(const CalibrationOptions&)>& closeness) const {
  PrecisionChoice result;
  const double plain = product_cost(model->graph);
  const auto reaches = [&](std::size_t count) {
    CalibrationOptions with = chosen;
    double cost = plain;
    with.precision.extra_bits.clear();
    for (std::size_t i = 0; i < count; ++i) {
      with.precision.extra_bits.push_back(ranked[i].bits);
      cost += ranked[i].cost;
    }
    result.frontier.push_back({count, cost / plain, closeness(with)});
    return result.frontier.back().closeness >= target;
  };
  std::size_t count = ranked.size();
  result.reached = reaches(0);
  if (result.reached)
    count = 0;
  else
    result.reached = count > 0 && reaches(count);
  for (std::size_t below = 0; result.reached && count > below + 1;) {
    const std::size_t middle = (below + count) / 2;
    (reaches(middle) ? count : below) = middle;
  }
  for (std::size_t i = 0; i < count; ++i) result.extra_bits.push_back(ranked[i].bits);
  std::sort(result.frontier.begin(), result.frontier.end(),
            [](const FrontierPoint& a, const FrontierPoint& b) { return a.extra_bits < b.extra_bits; });
  return result;
}

PrecisionChoice Calibrator::Data::choose_extra_bits(double target, const CalibrationOptions& chosen,
                                                    Workspace& workspace) {
  const Comparison comparison = kept.answers(reference, kSearchSamples, workspace);
  Ranges chosen_ranges;
  QuantizeOptions plain = settle(chosen, chosen_ranges, data_of(workspace).pool);
  split_channels(chosen.activations.channel_splits, chosen_ranges, plain);
  const PrecisionSearch search(executor, *model, chosen_ranges, plain);
  const auto closeness = [&](const CalibrationOptions& with) {
    return comparison.closeness(engine_of(quantize(with, workspace)), workspace).mean();
  };
  PrecisionChoice choice =
      choose(1.0 - kSearchMargin * (1.0 - target), chosen,
             search.ranked(candidates(), kept.first(kProbeTokens, model->info), data_of(workspace)), closeness);
  choice.target = target;
  return choice;
}

}  // namespace octavo

// The search for extra bits: how few of them make a model as close to float32 as is asked for.
#include "calibration/calibration_data.h"
#include "graph/op_facts.h"
#include "runtime/workspace.h"

#include "octavo/error.h"

#include <algorithm>

namespace octavo {

std::vector<ExtraBits> Calibrator::extra_bits() const {
  std::vector<ExtraBits> result;
  for (const Node& node : data_->model->graph.nodes) {
    const std::string& name = data_->model->graph.name(node.output);
    const bool words = !facts(data_->model->graph, node).words.empty();  // which have no weights that read them
    if (!words && !data_->inputs.contains(name)) continue;
    result.push_back({name, false});
    if (!words) result.push_back({name, true});
  }
  return result;
}

/// By bisection of the ranked list: each more of it is taken to come closer.
PrecisionChoice Calibrator::Data::choose(double target, const CalibrationOptions& chosen,
                                         const std::vector<WorthOfBits>& ranked,
                                         const std::function<double(const CalibrationOptions&)>& closeness) const {
  PrecisionChoice result;
  const double plain = product_cost(model->graph);
  const auto reaches = [&](std::size_t count) {
    CalibrationOptions with = chosen;
    double cost = plain;
    with.extra_bits.clear();
    for (std::size_t i = 0; i < count; ++i) {
      with.extra_bits.push_back(ranked[i].bits);
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
                                                    const std::vector<ExtraBits>& candidates, const RaggedBatch& probed,
                                                    Workspace& workspace,
                                                    const std::function<double(const CalibrationOptions&)>& closeness) {
  if (chosen.paper) throw Error("the paper's setting has no extra bits");
  Ranges chosen_ranges;
  QuantizeOptions plain = settle(chosen, chosen_ranges, data_of(workspace).pool);
  copy_neurons(chosen.copies, chosen_ranges, plain);
  const PrecisionSearch search(executor, *model, chosen_ranges, plain);
  return choose(target, chosen, search.ranked(candidates, probed, data_of(workspace)), closeness);
}

PrecisionChoice Calibrator::choose_extra_bits(double target, const CalibrationOptions& options, const TokenBatch& probe,
                                              Workspace& workspace,
                                              const std::function<double(const Model&)>& closeness) const {
  return data_->choose_extra_bits(target, options, extra_bits(), make_ragged(probe, data_->model->info), workspace,
                                  [&](const CalibrationOptions& with) { return closeness(quantize(with, workspace)); });
}

PrecisionChoice Calibrator::choose_extra_bits(double target, const CalibrationOptions& options, const ImageBatch& probe,
                                              Workspace& workspace,
                                              const std::function<double(const Model&)>& closeness) const {
  return data_->choose_extra_bits(target, options, extra_bits(), make_ragged(probe, data_->model->info), workspace,
                                  [&](const CalibrationOptions& with) { return closeness(quantize(with, workspace)); });
}

}  // namespace octavo

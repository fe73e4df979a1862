// The search for extra bits: how few of them make a model as close to float32 as is asked for.
#include "calibration/calibration_data.h"
#include "graph/op_facts.h"
#include "runtime/workspace.h"

#include <algorithm>
#include <utility>

namespace octavo {
namespace {

constexpr std::size_t kSearchSamples = 64;   // by which the search judges
constexpr std::int64_t kProbeTokens = 2048;  // of those, by which it ranks
constexpr double kSearchMargin = 0.9;        // of 1 - target, for samples that it has not seen

/// Of models that were scored the one that loses least, of equal ones that with the fewest extra bits.
const FrontierPoint& least_lost(const std::vector<FrontierPoint>& frontier) {
  return *std::ranges::min_element(
      frontier, {}, [](const FrontierPoint& point) { return std::pair(point.task.value().drop(), point.extra_bits); });
}

}  // namespace

std::vector<ExtraBits> Calibrator::Data::candidates() const {
  std::vector<ExtraBits> result;
  for (const Node& node : model->graph.nodes) {
    const std::string& name = model->graph.name(node.output);
    const OpFacts known = facts(model->graph, node);
    const bool words = !known.words.empty();                             // which have no weights that read them
    const bool projected = known.depth > 0 && known.reads == Form::s16;  // whose bytes are made of 16-bit rows
    if (projected || (!words && !inputs.contains(name))) continue;
    result.push_back({name, false});
    if (!words) result.push_back({name, true});
  }
  return result;
}

std::vector<ExtraBits> Calibrator::extra_bits() const { return data_->candidates(); }

/// By bisection of the ranked list: each more of it is taken to come closer. Where all of it does not suffice, a search
/// by points looks at parts of it, too.
PrecisionChoice Calibrator::Data::choose(const CalibrationOptions& chosen, const std::vector<ExtraBitsGain>& ranked,
                                         const Judge& judged) const {
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
    result.frontier.push_back({.extra_bits = count, .work = cost / plain});
    return judged(with, result.frontier.back());
  };
  std::size_t count = ranked.size();
  result.reached = reaches(0);
  if (result.reached)
    count = 0;
  else
    result.reached = count > 0 && reaches(count);
  const bool by_points = result.frontier.front().task.has_value();
  if (by_points && !result.reached && count > 0) {  // scores need not rise with bits
    for (const std::size_t some : {count / 4, count / 2, count * 3 / 4}) {
      result.reached = reaches(some);
      if (result.reached) break;
    }
    count = result.reached ? result.frontier.back().extra_bits : least_lost(result.frontier).extra_bits;
  }
  for (std::size_t below = 0; result.reached && count > below + 1;) {
    const std::size_t middle = (below + count) / 2;
    (reaches(middle) ? count : below) = middle;
  }
  for (std::size_t i = 0; i < count; ++i) result.extra_bits.push_back(ranked[i].bits);
  std::sort(result.frontier.begin(), result.frontier.end(),
            [](const FrontierPoint& a, const FrontierPoint& b) { return a.extra_bits < b.extra_bits; });
  return result;
}

Calibrator::Data::Judge Calibrator::Data::judge(const PrecisionOptions& wanted, Workspace& workspace) {
  if (wanted.max_drop) {
    return [this, most = *wanted.max_drop, comparison = kept.task_answers(reference, workspace), &workspace](
               const CalibrationOptions& with, FrontierPoint& point) {
      point.task = comparison.closeness(engine_of(quantize(with, workspace)), workspace);
      return point.task->drop() <= most;
    };
  }
  return [this, least = 1.0 - kSearchMargin * (1.0 - *wanted.target_cosine),
          comparison = kept.answers(reference, kSearchSamples, workspace),
          &workspace](const CalibrationOptions& with, FrontierPoint& point) {
    point.closeness = comparison.closeness(engine_of(quantize(with, workspace)), workspace).mean();
    return point.closeness >= least;
  };
}

PrecisionChoice Calibrator::Data::choose_extra_bits(const PrecisionOptions& wanted, const CalibrationOptions& chosen,
                                                    Workspace& workspace) {
  Ranges chosen_ranges;
  QuantizeOptions plain = settle(chosen, chosen_ranges, data_of(workspace).pool);
  split_channels(chosen.activations.channel_splits, chosen_ranges, plain);
  const Graph& graph = model->graph;
  // Logits say more of a task than all hidden rows do; those of a vocabulary are too many.
  const GraphOutput* logits = wanted.max_drop ? graph.find_output(kLogits) : nullptr;
  const bool by_logits = logits && graph.value(logits->value).rows != RowKind::chosen_token;
  const PrecisionSearch search(executor, *model, chosen_ranges, plain, by_logits ? logits->value : graph.hidden());
  PrecisionChoice choice =
      choose(chosen, search.ranked(candidates(), kept.first(kProbeTokens, model->info), data_of(workspace)),
             judge(wanted, workspace));
  choice.by_points = wanted.max_drop.has_value();
  choice.target = wanted.max_drop ? *wanted.max_drop : *wanted.target_cosine;
  return choice;
}

}  // namespace octavo

// What calibration chooses by its observations: ranges, equalization, channel splits.
#include "calibration/auto_ranges.h"
#include "calibration/calibration_data.h"
#include "graph/names.h"
#include "graph/op_facts.h"
#include "quantize/channel_splits.h"
#include "quantize/equalize.h"
#include "quantize/float_rows.h"

#include <cmath>

namespace octavo {
namespace {

Range range_of(const Histogram& histogram, const CalibrationOptions& options) {
  return options.ranges.method == RangeMethod::mse ? histogram.least_squares()
                                                   : histogram.percentile(options.ranges.percentile);
}

Equalization identity(std::size_t columns) {
  return {.scale = std::vector<float>(columns, 1.0f), .shift = std::vector<float>(columns, 0.0f)};
}

bool is_finite(const Ranges& ranges, const std::string& name) {
  const auto found = ranges.find(name);
  return found != ranges.end() && std::isfinite(found->second.low) && std::isfinite(found->second.high);
}

}  // namespace

/// Histograms' ranges in place of min-max.
void Calibrator::Data::choose_ranges(Ranges& chosen_ranges) const {
  if (!takes_ranges(options.ranges.method)) return;
  for (const auto& [name, histogram] : histograms) {
    if (is_finite(chosen_ranges, name)) chosen_ranges[name] = range_of(histogram, options);
  }
  for (const Node& node : model->graph.nodes) {
    const std::string& name = model->graph.name(node.output);
    if (!facts(model->graph, node).normalises || !inputs.contains(name)) continue;
    const ColumnStatistics& statistics = columns.statistics().at(name);
    const Equalization none = identity(statistics.columns());
    if (is_finite(chosen_ranges, name)) {
      chosen_ranges[stage_name(name, Stage::bytes)] = range_of(equalized_histogram(statistics, none), options);
    }
  }
}

/// Solved once for all models that are made of the same observations.
const EqualizedSite& Calibrator::Data::equalized_site(const CalibrationOptions& chosen, const Node& norm,
                                                      ThreadPool& pool) {
  const std::string& name = model->graph.name(norm.output);
  const auto [found, added] = solved_sites.try_emplace({chosen.activations.equalize, chosen.weights.scales, name});
  if (!added) return found->second;
  return found->second = equalize(pool, chosen.activations.equalize,
                                  {columns.statistics().at(name), readers_of(norm.output), chosen.weights.scales});
}

std::vector<FloatRows> Calibrator::Data::readers_of(ValueId value) const {
  std::vector<FloatRows> readers;
  for (const Node& reader : model->graph.nodes) {
    if (reader.inputs.empty() || reader.inputs[0] != value) continue;
    for (FloatRows& rows : product_rows(*model, reader)) readers.push_back(std::move(rows));
  }
  return readers;
}

/// Every LayerNorm that a product reads. A value that was not finite is left to quantize(), which names it.
void Calibrator::Data::equalize_sites(const CalibrationOptions& chosen, Ranges& chosen_ranges,
                                      QuantizeOptions& result) {
  if (chosen.activations.equalize == EqualizeMethod::none) return;
  const Graph& graph = model->graph;
  for (const Node& node : graph.nodes) {
    const std::string& name = graph.name(node.output);
    if (!facts(model->graph, node).normalises || !inputs.contains(name) || !is_finite(chosen_ranges, name)) continue;
    EqualizedSite site = equalized_site(chosen, node, *result.pool);
    if (takes_ranges(options.ranges.method)) {
      site.range = range_of(equalized_histogram(columns.statistics().at(name), site.equalization), options);
    }
    chosen_ranges[stage_name(name, Stage::bytes)] = site.range;
    result.equalization[name] = std::move(site.equalization);
  }
}

/// V and context, and gated units, in scales per column, which the weights behind them take up. Ranges that come from
/// histograms are of values as they are.
void Calibrator::Data::equalize_contexts(const CalibrationOptions& chosen, Ranges& chosen_ranges,
                                         QuantizeOptions& result) const {
  if (chosen.activations.equalize == EqualizeMethod::none || uses_histograms(options.ranges.method)) return;
  const Graph& graph = model->graph;
  for (const Node& node : graph.nodes) {
    const OpFacts passing = facts(graph, node);
    if (!passing.passes_column_scales) continue;
    const OpFacts made = facts(graph, graph.producer(node.inputs[0]));
    const std::string &name = graph.name(node.output), &v = made.values.back()->name;
    if (!is_finite(chosen_ranges, name) || !is_finite(chosen_ranges, v)) continue;
    const ColumnStatistics &of_v = v_columns.statistics().at(v), &of_result = columns.statistics().at(name);
    // What has 8 bits counts: V, whatever comes behind the attention, or the units beside the weights that read them.
    const EqualizeMethod method = chosen.activations.equalize;
    const EqualizedSite site =
        made.values_form == Form::u8
            ? equalize_columns(method, of_v)
            : equalize_units(method, {of_result, readers_of(node.output), chosen.weights.scales});
    Equalization passed = identity(of_result.columns());
    for (std::size_t column = 0; column < passed.scale.size(); ++column) {
      const int from = passing.passed_column(static_cast<int>(column));
      passed.scale[column] = site.equalization.scale[static_cast<std::size_t>(from)];
    }
    chosen_ranges[v] = equalized_range(of_v, site.equalization);
    chosen_ranges[name] = equalized_range(of_result, passed);
    result.equalization[name] = std::move(passed);
  }
}

void Calibrator::Data::split_channels(int budget, Ranges& chosen_ranges, QuantizeOptions& result) const {
  for (const Node& node : model->graph.nodes) {
    const std::string& name = model->graph.name(node.output);
    if (facts(model->graph, node).activation == Activation::none || !inputs.contains(name) ||
        !is_finite(chosen_ranges, name))
      continue;
    ChannelSplits channel_splits =
        choose_channel_splits(expected_highest(columns.statistics().at(name)), chosen_ranges.at(name), budget);
    if (channel_splits.count.empty()) continue;
    chosen_ranges[name] = channel_splits.common;
    result.channel_splits[name] = std::move(channel_splits.count);
  }
}

/// Ranges of 8-bit values one by one, all others being exact; `chosen_ranges` holds min-max, `result` the equalization.
void Calibrator::Data::improve_ranges(const CalibrationOptions& chosen, Ranges& chosen_ranges, QuantizeOptions& result,
                                      Workspace& workspace) const {
  const BlockError judge(executor, model->graph, make_ragged(probe, model->info), data_of(workspace));
  const auto best = [&](const std::string& name, const Range& minmax, const Histogram& histogram,
                        const auto& rounding) {
    Range found = minmax;
    double least = judge.error(name, rounding(minmax));
    for (const Range& range : {histogram.percentile(99.99), histogram.percentile(99.999), histogram.least_squares()}) {
      if (const double error = judge.error(name, rounding(range)); error < least) {
        least = error;
        found = range;
      }
    }
    return found;
  };
  const auto bytes_rounding = [](const Range& r) { return Rounding{.quantizer = asymmetric_u8(r.low, r.high)}; };
  const auto signed_rounding = [](const Range& r) { return Rounding{.quantizer = symmetric_s8(r.low, r.high)}; };
  for (const Node& node : model->graph.nodes) {
    const std::string& name = model->graph.name(node.output);
    const OpFacts known = facts(model->graph, node);
    if (!known.values.empty()) {
      if (known.values_form != Form::u8) continue;  // 16 bits keep min-max
      for (const LinearBlock* block : known.values) {
        Range& r = chosen_ranges.at(block->name);
        const Histogram& histogram = histograms.at(block->name);
        r = block == known.values.front() ? best(block->name, r, histogram, bytes_rounding)
                                          : best(block->name, r, histogram, signed_rounding);
      }
    } else if (known.attention) {
      chosen_ranges[name] = best(name, chosen_ranges.at(name), histograms.at(name), bytes_rounding);
    } else if (known.makes == std::vector{Form::u8} && inputs.contains(name)) {
      const bool copied = known.activation != Activation::none;
      const auto channel_splits = [&](const Range& r) {
        return choose_channel_splits(expected_highest(columns.statistics().at(name)), r,
                                     copied ? chosen.activations.channel_splits : 0);
      };
      chosen_ranges[name] = best(name, chosen_ranges.at(name), histograms.at(name), [&](const Range& r) {
        const ChannelSplits c = channel_splits(r);
        return Rounding{.quantizer = asymmetric_u8(c.common.low, c.common.high), .channel_splits = c.count};
      });
    } else if (known.normalises && inputs.contains(name)) {
      const ColumnStatistics& statistics = columns.statistics().at(name);
      const auto solved = result.equalization.find(name);
      const Equalization e = solved == result.equalization.end() ? identity(statistics.columns()) : solved->second;
      const Range minmax =
          chosen_ranges.at(solved == result.equalization.end() ? name : stage_name(name, Stage::bytes));
      chosen_ranges[stage_name(name, Stage::bytes)] =
          best(name, minmax, equalized_histogram(statistics, e),
               [&](const Range& r) { return Rounding{.quantizer = asymmetric_u8(r.low, r.high), .equalization = &e}; });
    }
  }
  split_channels(chosen.activations.channel_splits, chosen_ranges, result);
}

}  // namespace octavo

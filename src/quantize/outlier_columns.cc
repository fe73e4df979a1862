// The few columns of a residual sum whose values are many times those of the others (fixed-point.md 3).
#include "kernels/kernels.h"
#include "quantize/graph_quantizer.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace octavo {
namespace {

constexpr double kOutlierGrowth = 16.0;  // of the largest column over most others, below which one scale serves all

/// Raises max |x_j| of each column.
void raise(std::vector<double>& magnitudes, const Statistics* statistics, const std::string& name) {
  if (statistics == nullptr) return;
  const auto found = statistics->find(name);
  if (found == statistics->end()) return;
  const std::vector<float>&low = found->second.low, &high = found->second.high;
  magnitudes.resize(low.size(), 0.0);
  for (std::size_t j = 0; j < low.size(); ++j)
    magnitudes[j] = std::max({magnitudes[j], -static_cast<double>(low[j]), static_cast<double>(high[j])});
}

/// Powers of two by which the scale of a sum can be smaller, and codes of its outlier columns must be worth more; empty
/// where no column is one.
std::vector<double> scales_of(const std::vector<double>& magnitudes) {
  constexpr std::size_t kMost = kernels::kMostOutlierColumns;
  if (magnitudes.size() <= kMost) return {};
  std::vector<double> largest(magnitudes);
  std::partial_sort(largest.begin(), largest.begin() + kMost + 1, largest.end(), std::greater<>());
  const double others = largest[kMost];
  if (!(largest[0] > kOutlierGrowth * others) || !(others > 0.0)) return {};
  const int halvings = std::min(std::ilogb(largest[0] / others), kernels::kLargestOutlierShift);
  const double regular = std::ldexp(largest[0], -halvings);
  std::vector<double> scales;
  for (const double magnitude : magnitudes)
    scales.push_back(
        std::exp2(std::clamp(std::ceil(std::log2(magnitude / regular)), 0.0, static_cast<double>(halvings))));
  return scales;
}

}  // namespace

bool GraphQuantizer::between_norms(const Node& sum) const {
  const auto is_output = [&](ValueId value) {
    return std::ranges::any_of(graph().outputs, [&](const GraphOutput& output) { return output.value == value; });
  };
  const auto reads = [&](const Node& node, ValueId value) {
    return std::ranges::find(node.inputs, value) != node.inputs.end();
  };
  const ValueId residual = sum.inputs[1];
  if (is_output(sum.output) || is_output(residual) || !facts(graph(), graph().producer(residual)).normalises)
    return false;
  return std::ranges::all_of(graph().nodes, [&](const Node& node) {
    const auto* norm = std::get_if<LayerNormOp>(&node.op);
    if (reads(node, sum.output)) return norm != nullptr && norm->groups == 1;
    return !reads(node, residual) || node.output == sum.output || facts(graph(), node).reads == Form::u8;
  });
}

void GraphQuantizer::separate_outliers(const Node& sum) {
  if (eight_bit() || !between_norms(sum)) return;
  std::vector<double> magnitudes;
  raise(magnitudes, options_.sums, name(sum));
  if (magnitudes.empty()) return;
  raise(magnitudes, options_.statistics, graph().name(sum.inputs[1]));  // a product may take away what it adds to
  const std::vector<double> scales = scales_of(magnitudes);
  if (scales.empty()) return;
  stream(sum.output).scale /= *std::max_element(scales.begin(), scales.end());
  column_scales_[sum.output] = column_scales_[sum.inputs[1]] = scales;
}

}  // namespace octavo

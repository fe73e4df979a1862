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

bool GraphQuantizer::between_norms(const std::vector<ValueId>& run) const {
  const auto is_output = [&](ValueId value) {
    return std::ranges::any_of(graph().outputs, [&](const GraphOutput& output) { return output.value == value; });
  };
  const auto allowed = [&](const Node& reader, std::size_t place) {
    const auto* norm = std::get_if<LayerNormOp>(&reader.op);
    if (place + 1 == run.size()) return norm != nullptr && norm->groups == 1;
    return reader.output == run[place + 1] || (place == 0 && facts(graph(), reader).reads == Form::u8);
  };
  if (!facts(graph(), graph().producer(run.front())).normalises) return false;
  for (std::size_t place = 0; place < run.size(); ++place) {
    if (is_output(run[place])) return false;
    for (const Node& node : graph().nodes) {
      if (std::ranges::find(node.inputs, run[place]) != node.inputs.end() && !allowed(node, place)) return false;
    }
  }
  return true;
}

void GraphQuantizer::separate_outliers(const std::vector<ValueId>& run) {
  if (eight_bit() || !between_norms(run)) return;
  std::vector<double> magnitudes;
  for (const ValueId sum : run) raise(magnitudes, options_.sums, graph().name(sum));
  if (magnitudes.empty()) return;
  raise(magnitudes, options_.statistics, graph().name(run.front()));  // a product may take away what it adds to
  const std::vector<double> scales = scales_of(magnitudes);
  if (scales.empty()) return;
  const double scale = stream(run.back()).scale / *std::max_element(scales.begin(), scales.end());
  for (const ValueId value : run) {
    stream(value).scale = scale;
    column_scales_[value] = scales;
  }
}

}  // namespace octavo

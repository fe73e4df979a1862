// What products are made of: rows of weights as they will be packed, and the codes that they read.
#include "graph/names.h"
#include "quantize/equalize.h"
#include "quantize/four_bit_weights.h"
#include "quantize/graph_quantizer.h"

#include "octavo/error.h"

#include <algorithm>

namespace octavo {

FloatRows GraphQuantizer::rows(const LinearBlock& block, ValueId input) {
  return prepared(block_rows(model_, block, model_.graph.columns(input)), input);
}

int GraphQuantizer::weight_bits(ValueId input) const {
  return codes_[static_cast<std::size_t>(input)].refined.times() > 1 ? 8 : options_.weight_bits;
}

FloatRows GraphQuantizer::prepared(FloatRows rows, ValueId input) {
  if (const Equalization* e = equalization(input)) fold(*e, rows);
  if (!refines_weights() && weight_bits(input) == 8) return rows;
  const GptqSolver* solver = refines_weights() ? &gptq(input) : nullptr;
  const InputCodes& codes = codes_[static_cast<std::size_t>(input)];
  if (weight_bits(input) == 4) {
    rows = with_group_multipliers(std::move(rows), codes, solver ? solver->importance() : std::span<const float>{},
                                  options_.pool);
  } else {
    rows.scales = weight_scales(rows, options_.weights, codes.quantizer.scale);
  }
  if (solver) solver->refine(rows);
  return rows;
}

FloatRows GraphQuantizer::rows_in_column_scales(const LinearBlock& block, const Node& product) {
  const ValueId x = product.inputs[0];
  FloatRows rows = block_rows(model_, block, model_.graph.columns(x));
  const auto reads = [&](const Node& other) { return !other.inputs.empty() && other.inputs[0] == product.output; };
  const auto reader = std::find_if(graph().nodes.begin(), graph().nodes.end(), reads);
  const Equalization* e = reader == graph().nodes.end() ? nullptr : equalization(reader->output);
  if (!e) return prepared(std::move(rows), x);
  std::vector<float> scales(rows.bias.size());
  const OpFacts passing = facts(graph(), *reader);
  for (std::size_t column = 0; column < e->scale.size(); ++column)
    scales[static_cast<std::size_t>(passing.passed_column(static_cast<int>(column)))] = e->scale[column];
  for (std::size_t n = 0; n < scales.size(); ++n) {
    const auto first = rows.weight.begin() + static_cast<std::ptrdiff_t>(n) * rows.inputs;
    std::for_each(first, first + rows.inputs, [&](float& weight) { weight /= scales[n]; });
    rows.bias[n] /= scales[n];
  }
  return prepared(std::move(rows), x);
}

const GptqSolver& GraphQuantizer::gptq(ValueId input) {
  if (!gptq_ || gptq_->first != input) {
    const auto index = static_cast<std::size_t>(input);
    const std::string& name = model_.graph.name(input);
    const auto found = options_.statistics->find(name);
    if (found == options_.statistics->end()) throw Error("calibration has no statistics of " + name);
    const Equalization* e = equalization(input);
    const std::optional<ColumnStatistics> equalized =
        e ? std::optional(equalized_statistics(found->second, *e)) : std::nullopt;
    const ColumnStatistics& statistics = equalized ? *equalized : found->second;
    if (codes_[index].refined.times() > 1) codes_[index].set_means(&statistics);
    const Refinement refinement{.compensate = options_.compensated_rounding, .correct_bias = options_.bias_correction};
    gptq_.reset();  // before the next: it is large
    gptq_.emplace(input, GptqSolver(*options_.pool, statistics, codes_[index], refinement));
  }
  return gptq_->second;
}

const Equalization* GraphQuantizer::equalization(ValueId value) const {
  const auto found = options_.equalization.find(model_.graph.name(value));
  return found == options_.equalization.end() ? nullptr : &found->second;
}

InputCodes& GraphQuantizer::set_codes(ValueId value, const Quantizer& quantizer) {
  InputCodes& codes = codes_[static_cast<std::size_t>(value)];
  codes.quantizer = quantizer;
  codes.columns = model_.graph.columns(value);
  const auto found = options_.refinements.find(model_.graph.name(value));
  if (found != options_.refinements.end()) {
    codes.refined = {.fine_bits = found->second.fine ? kFineBits : 0, .coarse = found->second.coarse};
  }
  return codes;
}

WeightPacker GraphQuantizer::packer(ValueId input) {
  if (refines_weights()) gptq(input);  // looks at what the codes are on average
  return {codes_[static_cast<std::size_t>(input)], options_.weights};
}

void GraphQuantizer::put_weights(const std::string& name, const WeightPacker& packer) {
  put(name + part::kWeight, packer.weight());
  put(name + part::kBias, packer.bias());
  put(name + part::kMultiplier, packer.multiplier());
  if (packer.has_four_bits()) put(name + part::kGroupMultiplier, packer.group_multiplier());
}

}  // namespace octavo

// Runs of a quantized model whose values an analysis compares with the float ones: in integers, or simulated.
#pragma once

#include "graph/model_data.h"
#include "observers/observers.h"
#include "runtime/ragged.h"
#include "runtime/workspace.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// A value of a quantized run as real numbers, and the share of its codes that are at an end of their range.
using QuantizedValue = std::function<void(std::string_view name, std::span<const float> values, double saturated)>;

/// Codes of an attention's probabilities, which only their own row gives a size: of each sequence in turn
/// [heads][length][length].
using ProbabilityCodes = std::function<void(std::string_view attention, std::span<const std::uint8_t> codes)>;

/// Runs one batch and reports its values in order.
using QuantizedRun = std::function<void(const RaggedBatch& batch, Workspace::Data& workspace,
                                        const QuantizedValue& report, const ProbabilityCodes& report_codes)>;

/// The integer executor's codes, dequantized. Throws Error when `model` has other values than `reference`.
QuantizedRun integer_run(const Model& model, const Graph& reference, const std::string& isa);

/// Every quantizer of the paper simulated in float, with these ranges.
QuantizedRun simulated_run(const Model::Data& model, const Ranges& ranges, int weight_bits, int activation_bits);

/// Mean of each sequence's rows.
std::vector<float> mean_rows(std::span<const float> rows, const RaggedBatch& batch);

}  // namespace octavo

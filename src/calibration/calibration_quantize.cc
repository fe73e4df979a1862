// From what was observed and options to a quantized model, and what is decided on the way.
#include "calibration/calibration_data.h"
#include "engine/engine_data.h"
#include "runtime/workspace.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace octavo {
namespace {

constexpr std::size_t kProbabilitySamples = 32;  // by which types of probabilities and bits of vocabularies are judged
constexpr double kWorthwhile = 0.85;             // of the error that is left with 16 bits
constexpr double kLeastVocabularyCosine = 0.99;  // of logits, with 4-bit weights of the vocabulary

/// Wherever attention can have them; gives what there then is.
ProbabilityType set_probabilities(QuantizedGraph& graph, ProbabilityType type) {
  auto found = ProbabilityType::uint8;
  for (QuantizedOp& op : graph.ops) {
    auto* attention = std::get_if<QuantizedAttention>(&op);
    if (!attention || attention->clipped || attention->by_distance || attention->static_w8a8 ||
        attention->shift < kSmallestU16Shift)
      continue;
    attention->u16_probabilities = type == ProbabilityType::uint16;
    found = type;
  }
  return found;
}

/// The same quantized model with 16 bits; nothing where attention has but one type.
std::optional<Model> with_u16_probabilities(const Model& plain) {
  Model::Data data = data_of(plain);
  if (set_probabilities(*data.integer, ProbabilityType::uint16) != ProbabilityType::uint16) return {};
  nlohmann::json provenance = nlohmann::json::parse(data.provenance);
  provenance["probabilities"] = name_of(ProbabilityType::uint16);
  data.provenance = provenance.dump();
  return Access::make<Model>(std::make_shared<const Model::Data>(std::move(data)));
}

}  // namespace

Engine Calibrator::Data::engine_of(const Model& quantized) const {
  return Engine(quantized, {.isa = std::string(kernels::isa_status()[static_cast<int>(data_of(reference).isa)].name)});
}

/// Mean of 1 - cosine of the last hidden states to float32 on the sequences held out.
double Calibrator::Data::distance(const Model& quantized, Workspace& workspace) const {
  Closeness closeness;
  closeness.add(engine_of(quantized).run(held_out, workspace),
                executor.run(make_ragged(held_out, model->info), data_of(workspace)));
  return 1.0 - closeness.mean();
}

Model Calibrator::Data::make(const CalibrationOptions& chosen, const Ranges& chosen_ranges,
                             const QuantizeOptions& result) const {
  Model::Data quantized = octavo::quantize(*model, chosen_ranges, result);
  const ProbabilityType probabilities = set_probabilities(*quantized.integer, chosen.activations.probabilities);
  std::int64_t added = 0;
  for (const auto& [name, counts] : result.channel_splits) {
    for (const int count : counts) added += count - 1;
  }
  const auto& [quantizers, methods, weights, activations, precision] = chosen;
  nlohmann::json provenance = nlohmann::json{
      {"samples", samples},
      {"tokens", tokens},
      {"method", name_of(methods.method)},
      {"weights", name_of(weights.scales)},
      {"residual", name_of(activations.residual)},
      {"head", name_of(activations.head)},
      {"equalize", name_of(activations.equalize)},
      {"added_columns", added},
      {"extra_bits", precision.extra_bits.size()},
      {"probabilities", name_of(probabilities)},
      {"bias_correction", weights.bias_correction},
      {"compensated_rounding", compensates(chosen)},
      {"paper", every_value(chosen)},
  };
  if (weights.bits != 8) provenance["weight_bits"] = weights.bits;
  if (weights.vocabulary_bits) provenance["vocabulary_bits"] = *weights.vocabulary_bits;
  quantized.provenance = provenance.dump();
  return Access::make<Model>(std::make_shared<const Model::Data>(std::move(quantized)));
}

QuantizeOptions Calibrator::Data::settle(const CalibrationOptions& chosen, Ranges& chosen_ranges, ThreadPool& pool) {
  if (samples == 0) throw Error("calibration has observed no samples");
  if (chosen.quantizers != options.quantizers || chosen.ranges != options.ranges ||
      (needs_samples(chosen) && !needs_samples(options)) || (compensates(chosen) && !compensates(options))) {
    throw Error("calibration did not keep what these options need; observe with them");
  }
  columns.finish(pool);
  QuantizeOptions result{.weights = chosen.weights.scales,
                         .weight_bits = chosen.weights.bits,
                         .vocabulary_bits = chosen.weights.vocabulary_bits.value_or(8),
                         .residual = chosen.activations.residual,
                         .head = chosen.activations.head,
                         .static_w8a8 = every_value(chosen),
                         .statistics = &columns.statistics(),
                         .sums = &sum_columns.statistics(),
                         .pool = &pool,
                         .bias_correction = chosen.weights.bias_correction,
                         .compensated_rounding = compensates(chosen),
                         .memory = memory};
  chosen_ranges = ranges.ranges();
  for (const auto& [name, range] : quantizers.ranges())
    chosen_ranges[name] = range;  // the paper's; others are of gates
  choose_ranges(chosen_ranges);
  equalize_sites(chosen, chosen_ranges, result);
  equalize_contexts(chosen, chosen_ranges, result);
  return result;
}

/// Marks what has extra bits. Throws Error naming what cannot have them.
void Calibrator::Data::refine(const std::vector<ExtraBits>& extra_bits, QuantizeOptions& result) const {
  const std::vector<ExtraBits> possible = candidates();
  for (const ExtraBits& bits : extra_bits) {
    if (std::find(possible.begin(), possible.end(), bits) == possible.end()) {
      throw Error(bits.value +
                  (bits.of_weights ? ": the weights that read it cannot have extra bits" : " cannot have extra bits"));
    }
    Refinements& refinements = result.refinements[bits.value];
    (bits.of_weights ? refinements.coarse : refinements.fine) = true;
  }
}

/// By options that leave nothing open.
Model Calibrator::Data::quantize(const CalibrationOptions& decided, Workspace& workspace) {
  Ranges found;
  QuantizeOptions chosen = settle(decided, found, data_of(workspace).pool);
  refine(decided.precision.extra_bits, chosen);
  QuantizeOptions plain = chosen;
  Ranges plain_ranges = found;
  split_channels(decided.activations.channel_splits, plain_ranges, plain);
  Model result = make(decided, plain_ranges, plain);
  if (decided.ranges.method != RangeMethod::automatic || held_out.sequences.empty()) return result;
  improve_ranges(decided, found, chosen, workspace);
  Model improved = make(decided, found, chosen);
  return distance(improved, workspace) < distance(result, workspace) ? improved : result;
}

/// Of a model with 8 bits for probabilities and what it would be with 16, on samples that were calibrated on.
ProbabilityChoice Calibrator::Data::choose_probabilities(const Model& plain, const Model& u16_probabilities,
                                                         Workspace& workspace) const {
  const Comparison comparison = kept.answers(reference, kProbabilitySamples, workspace);
  const auto error = [&](const Model& each) { return 1.0 - comparison.closeness(engine_of(each), workspace).mean(); };
  ProbabilityChoice choice{.uint8_error = error(plain), .uint16_error = error(u16_probabilities)};
  if (choice.uint16_error <= kWorthwhile * choice.uint8_error) choice.chosen = ProbabilityType::uint16;
  return choice;
}

/// By the logits of a decoder whose vocabulary has 4 bits, on samples that were calibrated on.
VocabularyChoice Calibrator::Data::choose_vocabulary_bits(const Model& with_four, Workspace& workspace) const {
  const Comparison comparison = kept.answers(reference, kProbabilitySamples, workspace);
  VocabularyChoice choice{.four_bit_cosine = comparison.closeness(engine_of(with_four), workspace).mean()};
  if (choice.four_bit_cosine >= kLeastVocabularyCosine) choice.bits = 4;
  return choice;
}

Calibrated Calibrator::Data::decide(const CalibrationOptions& open, Workspace& workspace) {
  CalibrationOptions decided = open;
  decided.precision.target_cosine.reset();
  decided.precision.max_drop.reset();
  ProbabilityType& probabilities = decided.activations.probabilities;
  if (open.activations.probabilities == ProbabilityType::automatic) probabilities = ProbabilityType::uint8;
  const bool open_vocabulary = model->info.decoder && open.weights.bits == 4 && !open.weights.vocabulary_bits;
  if (open_vocabulary) decided.weights.vocabulary_bits = 4;
  Calibrated result{.model = quantize(decided, workspace), .options = {}};
  if (open_vocabulary) {
    result.vocabulary = choose_vocabulary_bits(result.model, workspace);
    decided.weights.vocabulary_bits = result.vocabulary->bits;
    if (result.vocabulary->bits == 8) result.model = quantize(decided, workspace);
  }
  if (open.activations.probabilities == ProbabilityType::automatic) {
    if (const std::optional<Model> u16_probabilities = with_u16_probabilities(result.model)) {
      result.probabilities = choose_probabilities(result.model, *u16_probabilities, workspace);
      probabilities = result.probabilities->chosen;
      if (probabilities == ProbabilityType::uint16) result.model = *u16_probabilities;
    }
  }
  if (open.precision.target_cosine || open.precision.max_drop) {
    result.precision = choose_extra_bits(open.precision, decided, workspace);
    decided.precision.extra_bits = result.precision->extra_bits;
    result.model = quantize(decided, workspace);
  }
  result.options = decided;
  return result;
}

Calibrated Calibrator::quantize() { return quantize(data_->options); }

Calibrated Calibrator::quantize(const CalibrationOptions& options) {
  Workspace workspace({.threads = 1});
  return quantize(options, workspace);
}

Calibrated Calibrator::quantize(const CalibrationOptions& options, Workspace& workspace) {
  check_options(options);
  require_answers(data_->model->info, options);
  return data_->decide(options, workspace);
}

}  // namespace octavo

#include "calibration/calibration_options.h"

#include "io/enum_names.h"

#include "octavo/agreement.h"
#include "octavo/error.h"

#include <nlohmann/json.hpp>

namespace octavo {
namespace {

constexpr Name<RangeMethod> kRangeMethods[] = {{RangeMethod::minmax, "minmax"},
                                               {RangeMethod::running_minmax, "running-minmax"},
                                               {RangeMethod::percentile, "percentile"},
                                               {RangeMethod::mse, "mse"},
                                               {RangeMethod::automatic, "auto"}};
constexpr Name<ProbabilityType> kProbabilityTypes[] = {
    {ProbabilityType::automatic, "auto"}, {ProbabilityType::uint8, "uint8"}, {ProbabilityType::uint16, "uint16"}};
constexpr Name<EqualizeMethod> kEqualizeMethods[] = {{EqualizeMethod::none, "none"},
                                                     {EqualizeMethod::smoothquant, "smoothquant"},
                                                     {EqualizeMethod::os_plus, "os-plus"},
                                                     {EqualizeMethod::repq, "repq"},
                                                     {EqualizeMethod::power_of_two, "power-of-two"}};

/// Every option but where quantizers are, under the name that a user writes.
nlohmann::json named(const CalibrationOptions& options) {
  const auto& [quantizers, ranges, weights, activations, precision] = options;
  return {{"ranges.method", name_of(ranges.method)},
          {"ranges.percentile", ranges.percentile},
          {"weights.bits", weights.bits},
          {"weights.vocabulary_bits", weights.vocabulary_bits.value_or(0)},
          {"weights.scales", name_of(weights.scales)},
          {"weights.rounding", name_of(weights.rounding)},
          {"weights.bias_correction", weights.bias_correction},
          {"activations.equalize", name_of(activations.equalize)},
          {"activations.channel_splits", activations.channel_splits},
          {"activations.probabilities", name_of(activations.probabilities)},
          {"activations.residual", name_of(activations.residual)},
          {"activations.head", name_of(activations.head)},
          {"precision.extra_bits", precision.extra_bits.size()},
          {"precision.target_cosine", precision.target_cosine.value_or(0.0)},
          {"precision.max_drop", precision.max_drop.value_or(-1.0)}};
}

[[noreturn]] void refuse(const CalibrationOptions& options, const char* name, const std::string& why) {
  throw Error("CalibrationOptions: " + std::string(name) + " is " + named(options).at(name).dump() + ", " + why);
}

}  // namespace

const char* name_of(RangeMethod method) { return name_in(kRangeMethods, method); }
const char* name_of(WeightScales scales) { return scales == WeightScales::per_channel ? "per-channel" : "per-tensor"; }
const char* name_of(WeightRounding rounding) { return rounding == WeightRounding::nearest ? "nearest" : "compensated"; }
const char* name_of(ProbabilityType type) { return name_in(kProbabilityTypes, type); }
const char* name_of(ResidualType type) { return type == ResidualType::int16 ? "int16" : "int8"; }
const char* name_of(HeadType type) { return type == HeadType::int16 ? "int16" : "int8"; }
const char* name_of(EqualizeMethod method) { return name_in(kEqualizeMethods, method); }

CalibrationOptions CalibrationOptions::quantizable_transformers() {
  return {
      .quantizers = QuantizerPlacement::every_value,
      .ranges = {.method = RangeMethod::running_minmax},
      .weights = {.scales = WeightScales::per_tensor, .rounding = WeightRounding::nearest, .bias_correction = false},
      .activations = {.equalize = EqualizeMethod::none,
                      .channel_splits = 0,
                      .probabilities = ProbabilityType::uint8,
                      .residual = ResidualType::int8}};
}

void check_options(const CalibrationOptions& options) {
  if (every_value(options)) {
    const nlohmann::json preset = named(CalibrationOptions::quantizable_transformers()), found = named(options);
    for (const auto& [name, value] : found.items()) {
      if (value != preset.at(name)) {
        refuse(options, name.c_str(),
               "which has no effect in the setting of Quantizable Transformers: expected " + preset.at(name).dump());
      }
    }
  }
  const double percentile = options.ranges.percentile;
  if (!(percentile > 50.0 && percentile < 100.0)) {
    refuse(options, "ranges.percentile", "expected a number above 50 and below 100");
  }
  if (options.ranges.method != RangeMethod::percentile && percentile != RangeOptions().percentile) {
    refuse(options, "ranges.percentile", "which has no effect beside " + std::string(name_of(options.ranges.method)));
  }
  if (options.weights.bits != 4 && options.weights.bits != 8) refuse(options, "weights.bits", "expected 4 or 8");
  if (options.weights.vocabulary_bits) {
    if (options.weights.bits != 4)
      refuse(options, "weights.vocabulary_bits", "which has no effect without weights.bits 4");
    if (*options.weights.vocabulary_bits != 4 && *options.weights.vocabulary_bits != 8)
      refuse(options, "weights.vocabulary_bits", "expected 4 or 8");
  }
  if (options.weights.bits == 4 && options.weights.scales == WeightScales::per_tensor)
    refuse(options, "weights.bits", "which needs weights.scales per-channel");
  if (options.activations.channel_splits < 0) refuse(options, "activations.channel_splits", "expected 0 or more");
  const auto& [extra_bits, target, max_drop] = options.precision;
  if (max_drop) {
    if (!(*max_drop >= 0.0 && *max_drop <= 100.0)) refuse(options, "precision.max_drop", "expected 0 to 100 points");
    if (target) refuse(options, "precision.max_drop", "which excludes precision.target_cosine");
    if (!extra_bits.empty()) refuse(options, "precision.max_drop", "which excludes precision.extra_bits");
  }
  if (!target) return;
  if (!(*target > 0.0 && *target < 1.0)) {
    refuse(options, "precision.target_cosine", "expected a number above 0 and below 1");
  }
  if (!extra_bits.empty()) refuse(options, "precision.target_cosine", "which excludes precision.extra_bits");
}

void require_answers(const ModelInfo& info, const CalibrationOptions& options) {
  if (!options.precision.max_drop || answer_kind(info) != AnswerKind::none) return;
  refuse(options, "precision.max_drop", "which is of a task, but " + info.name + " has no head for one");
}

}  // namespace octavo

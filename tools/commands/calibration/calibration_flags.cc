#include "commands/calibration/calibration_flags.h"

#include <string_view>

namespace octavo::tools {
namespace {

/// --extra-bits: "all" stands alone.
std::vector<ExtraBits> read_extra_bits(const std::string& text) {
  constexpr std::string_view kWeights = ":weights";
  std::vector<ExtraBits> result;
  for (std::size_t begin = 0; begin <= text.size() && !text.empty();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string name = text.substr(begin, end - begin);
    const bool weights = name.ends_with(kWeights);
    if (weights) name.resize(name.size() - kWeights.size());
    if (name.empty())
      throw UsageError("--extra-bits is '" + text + "', expected names of values with commas between them");
    result.push_back({name, weights});
    begin = end + 1;
  }
  return result;
}

}  // namespace

Flags calibration_flags() {
  return {
      {"method", "how ranges are found: minmax, running-minmax, percentile, mse, auto", "NAME", "minmax"},
      {"percentile", "with --method percentile: what lies beyond it on either side is cut off", "P", "99.99"},
      {"weights", "scales of weights: per-channel, per-tensor", "NAME", "per-channel"},
      {"weight-bits",
       "of products' weights: 8, or 4, which halves what decoding reads; products of values with extra bits keep 8",
       "N", "8"},
      {"vocabulary-bits",
       "of a decoder with --weight-bits 4, bits of its vocabulary's weights: 4, 8, or auto, which takes 4 where logits "
       "keep a mean cosine of 0.99 to float32",
       "N", "auto"},
      {"residual", "type of the residual stream: int16, int8", "NAME", "int16"},
      {"head", "of a decoder, what it multiplies its vocabulary by: int16, int8", "NAME", "int16"},
      {"probabilities",
       "of attention: uint8, uint16, or auto, which takes uint16 where it leaves out 15 % or more of the error", "NAME",
       "auto"},
      {"paper",
       "the paper's setting with all of its 8-bit quantizers, to compare with; sets method, weights and residual"},
      {"equalize", "scales per column of LayerNorm outputs: os-plus, smoothquant, repq, power-of-two, none", "NAME",
       "os-plus"},
      {"copies", "columns per layer that channel splits, saturating copies of outlier neurons, may add", "N", "32"},
      {"bias-correction", "biases make up for what rounding does to means: on, off", "NAME", "on"},
      {"rounding", "of weights: compensated (each makes up for the others' errors), nearest", "NAME", "compensated"},
      {"extra-bits",
       "values that get three bits more than 8, NAME, or NAME:weights for the weights that read it; all: everything",
       "NAMES"},
      {"target-cosine",
       "of INT8 to float32: gives as many values and weights extra bits as it takes, first those that gain most for "
       "the time they cost",
       "C"},
      {"max-drop",
       "gives extra bits in the same way until the model's task loses at most so many points: of accuracy or of 100 x "
       "Spearman with --labels; of tokens' classes, answers and masked tokens, those that differ from float32's",
       "P"},
  };
}

std::vector<Rule> calibration_rules() {
  return {{{"method", "percentile", "weights", "residual", "head", "probabilities", "equalize", "copies",
            "bias-correction", "rounding", "weight-bits", "vocabulary-bits", "extra-bits", "target-cosine", "max-drop"},
           Rule::When::beside,
           "paper"},
          {{"percentile"}, Rule::When::without, "method=percentile"},
          {{"vocabulary-bits"}, Rule::When::without, "weight-bits=4"},
          {{"extra-bits"}, Rule::When::beside, "target-cosine"},
          {{"extra-bits", "target-cosine"}, Rule::When::beside, "max-drop"}};
}

CalibrationOptions read_calibration(const Arguments& arguments) {
  if (arguments.on("paper")) return CalibrationOptions::quantizable_transformers();
  CalibrationOptions options;
  options.ranges.method = *arguments.choice<RangeMethod>("method", {{"minmax", RangeMethod::minmax},
                                                                    {"running-minmax", RangeMethod::running_minmax},
                                                                    {"percentile", RangeMethod::percentile},
                                                                    {"mse", RangeMethod::mse},
                                                                    {"auto", RangeMethod::automatic}});
  options.ranges.percentile = *arguments.number_between("percentile", 50.0, 100.0);
  options.weights.scales = *arguments.choice<WeightScales>(
      "weights", {{"per-channel", WeightScales::per_channel}, {"per-tensor", WeightScales::per_tensor}});
  options.weights.bits = *arguments.choice<int>("weight-bits", {{"8", 8}, {"4", 4}});
  options.weights.vocabulary_bits =
      *arguments.choice<std::optional<int>>("vocabulary-bits", {{"auto", std::nullopt}, {"4", 4}, {"8", 8}});
  if (options.weights.bits == 4 && options.weights.scales == WeightScales::per_tensor)
    throw UsageError("--weight-bits is 4, which needs --weights per-channel");
  options.activations.residual =
      *arguments.choice<ResidualType>("residual", {{"int16", ResidualType::int16}, {"int8", ResidualType::int8}});
  options.activations.head =
      *arguments.choice<HeadType>("head", {{"int16", HeadType::int16}, {"int8", HeadType::int8}});
  options.activations.equalize =
      *arguments.choice<EqualizeMethod>("equalize", {{"smoothquant", EqualizeMethod::smoothquant},
                                                     {"os-plus", EqualizeMethod::os_plus},
                                                     {"repq", EqualizeMethod::repq},
                                                     {"power-of-two", EqualizeMethod::power_of_two},
                                                     {"none", EqualizeMethod::none}});
  options.activations.channel_splits = static_cast<int>(*arguments.integer("copies", 0, 4096));
  options.precision.extra_bits = read_extra_bits(arguments.text("extra-bits").value_or(""));
  options.weights.bias_correction = *arguments.choice<bool>("bias-correction", {{"on", true}, {"off", false}});
  options.weights.rounding = *arguments.choice<WeightRounding>(
      "rounding", {{"nearest", WeightRounding::nearest}, {"compensated", WeightRounding::compensated}});
  options.activations.probabilities = *arguments.choice<ProbabilityType>(
      "probabilities",
      {{"auto", ProbabilityType::automatic}, {"uint8", ProbabilityType::uint8}, {"uint16", ProbabilityType::uint16}});
  options.precision.target_cosine = arguments.number_between("target-cosine", 0.0, 1.0);
  options.precision.max_drop = arguments.number("max-drop", 0.0, 100.0);
  return options;
}

}  // namespace octavo::tools

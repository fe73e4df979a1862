// `octavo calibrate`: from a float32 checkpoint and sample texts to an INT8 file, with a report on how close it is.
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stopwatch.h"
#include "commands/commands.h"
#include "commands/common_flags.h"
#include "commands/method_flags.h"
#include "data/open_model.h"
#include "data/sample_batches.h"
#include "data/samples.h"
#include "report/calibration_report.h"
#include "report/comparison.h"

#include "octavo/calibration.h"
#include "octavo/error.h"
#include "octavo/memory.h"
#include "octavo/tasks.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {
      {"d,data",
       "sample texts: one per line, or a .tsv; - is standard input. For a decoder a text, which is cut into blocks; "
       "for a model of pictures: a folder of them, or a list of files (required)",
       "FILE"},
      {"column",
       "tab-separated column (1, 2, ...) that holds the text; 1,2 takes both, as samples of their own; "
       "1 if the file is a .tsv",
       "N"},
      {"samples", "samples to calibrate on, chosen at random from the whole file", "N", "512"},
      {"s,seed", "seed of that choice", "N", "0"},
      {"method", "how ranges are found: minmax, running-minmax, percentile, mse, auto", "NAME", "minmax"},
      {"percentile", "with --method percentile: what lies beyond it on either side is cut off", "P", "99.99"},
      {"weights", "scales of weights: per-channel, per-tensor", "NAME", "per-channel"},
      {"residual", "type of the residual stream: int16, int8", "NAME", "int16"},
      {"head", "of a decoder, what it multiplies its vocabulary by: int16, int8", "NAME", "int16"},
      {"probabilities",
       "of attention: uint8, uint16, or auto, which takes uint16 where it leaves out 15 % or more of the error", "NAME",
       "auto"},
      {"paper",
       "the paper's setting with all of its 8-bit quantizers, to compare with; sets method, weights and residual"},
      {"equalize", "scales per column of LayerNorm outputs: os-plus, smoothquant, repq, power-of-two, none", "NAME",
       "os-plus"},
      {"copies", "columns per layer that saturating copies of outlier neurons may add", "N", "32"},
      {"bias-correction", "biases make up for what rounding does to means: on, off", "NAME", "on"},
      {"rounding", "of weights: compensated (each makes up for the others' errors), nearest", "NAME", "compensated"},
      {"ablations",
       "also measure what INT8 is without each technique, which takes as long again as the file for each: on, off",
       "NAME", "on"},
      {"extra-bits",
       "values that get three bits more than 8, NAME, or NAME:weights for the weights that read it; all: everything",
       "NAMES"},
      {"target-cosine",
       "of INT8 to float32: gives as many values and weights extra bits as it takes, first those that gain most for "
       "the time they cost",
       "C"},
      {"memory",
       "for float32 weights, observations and INT8 weights, 500M or 4G; the rest is read again when needed, or lies in "
       "a file beside the output (default: a third of what is free)",
       "SIZE"},
      {"report", "write the report there too: FILE.json or FILE.html", "FILE"},
      {"o,output", "the INT8 file; by default the checkpoint's name with .octavo in this directory", "FILE"},
      {"json", "print the report as one JSON object"},
  };
  return {.usage = "CHECKPOINT -d FILE [-o OUT.octavo] [OPTION...]",
          .about =
              "Runs the float32 model of a checkpoint directory over sample texts or pictures, writes the INT8 file, "
              "and prints how\n"
              "close the two are on samples that were held out (up to 64, or an eighth of a small file).",
          .example = "octavo calibrate my-model/ -d sentences.txt -o my-model.octavo",
          .flags = join({own, method_flags(), run_flags("4096"), max_length_flags(), verbosity_flags()}),
          .max_positionals = 1,
          .rules = {{{"method", "percentile", "weights", "residual", "head", "probabilities", "equalize", "copies",
                      "bias-correction", "rounding", "ablations", "extra-bits", "target-cosine", "softmax1",
                      "attn-prune", "attn-log-bits"},
                     Rule::When::beside,
                     "paper"},
                    {{"percentile"}, Rule::When::without, "method=percentile"},
                    {{"extra-bits"}, Rule::When::beside, "target-cosine"}}};
}

/// Flags that are not for this kind of model.
void check_flags(const Arguments& arguments, const ModelInfo& info) {
  const auto refuse = [&](const char* flag, bool applies) {
    if (!applies && arguments.given(flag)) {
      throw UsageError("--" + std::string(flag) + " has no effect on " + info.name + ", a model of the family " +
                       info.family);
    }
  };
  refuse("head", info.decoder.has_value());
  refuse("column", !info.image);
  refuse("max-length", !info.image);
}

constexpr std::ptrdiff_t kProbabilitySamples = 32;  // of those calibrated on, by which --probabilities auto judges
constexpr double kWorthwhile = 0.85;                // of the error that is left

constexpr std::ptrdiff_t kSearchSamples = 64;  // of those calibrated on, by which --target-cosine judges
constexpr std::int64_t kProbeTokens = 2048;    // of those, by which it ranks
constexpr double kSearchMargin = 0.9;          // of 1 - target, for samples that it has not seen

struct Settings {
  std::string checkpoint, data, output, report;
  SampleOptions samples;
  CheckpointOptions method;
  CalibrationOptions calibration;
  RunOptions run;
  std::optional<std::int64_t> max_length;
  std::int64_t memory = 0;  ///< half of it for float32 weights, half for observations and INT8 weights
  std::optional<double> target_cosine;
  bool choose_probabilities = false;
  bool ablations = true, json = false;
};

/// --output, which must be a file: what is written is read again.
std::string read_model_output(const Arguments& arguments) {
  const std::string output = read_output(arguments);
  if (output == "-") throw UsageError("--output is '-', expected the name of a file");
  return output;
}

/// --report: its ending says in which form.
std::string read_report(const Arguments& arguments) {
  const std::string report = arguments.text("report").value_or("");
  if (!report.empty() && !report.ends_with(".json") && !report.ends_with(".html")) {
    throw UsageError("--report is '" + report + "', expected the name of a file that ends in .json or .html");
  }
  return report;
}

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

/// A number strictly between two others.
double read_between(const Arguments& arguments, const std::string& flag, double low, double high,
                    const std::string& expected) {
  const std::string text = *arguments.text(flag);
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > low && value < high)) {
    throw UsageError("--" + flag + " is '" + text + "', expected a number " + expected);
  }
  return value;
}

CalibrationOptions read_calibration(const Arguments& arguments) {
  CalibrationOptions options;
  options.method = *arguments.choice<RangeMethod>("method", {{"minmax", RangeMethod::minmax},
                                                             {"running-minmax", RangeMethod::running_minmax},
                                                             {"percentile", RangeMethod::percentile},
                                                             {"mse", RangeMethod::mse},
                                                             {"auto", RangeMethod::automatic}});
  options.percentile = read_between(arguments, "percentile", 50.0, 100.0, "above 50 and below 100");
  options.weights = *arguments.choice<WeightScales>(
      "weights", {{"per-channel", WeightScales::per_channel}, {"per-tensor", WeightScales::per_tensor}});
  options.residual =
      *arguments.choice<ResidualType>("residual", {{"int16", ResidualType::int16}, {"int8", ResidualType::int8}});
  options.head = *arguments.choice<HeadType>("head", {{"int16", HeadType::int16}, {"int8", HeadType::int8}});
  options.paper = arguments.on("paper");
  options.equalize = *arguments.choice<EqualizeMethod>("equalize", {{"smoothquant", EqualizeMethod::smoothquant},
                                                                    {"os-plus", EqualizeMethod::os_plus},
                                                                    {"repq", EqualizeMethod::repq},
                                                                    {"power-of-two", EqualizeMethod::power_of_two},
                                                                    {"none", EqualizeMethod::none}});
  options.copies = static_cast<int>(*arguments.integer("copies", 0, 4096));
  options.extra_bits = read_extra_bits(arguments.text("extra-bits").value_or(""));
  options.bias_correction = *arguments.choice<bool>("bias-correction", {{"on", true}, {"off", false}});
  options.rounding = *arguments.choice<WeightRounding>(
      "rounding", {{"nearest", WeightRounding::nearest}, {"compensated", WeightRounding::compensated}});
  return options;
}

Settings read_settings(const Arguments& arguments) {
  if (arguments.positionals().empty()) throw UsageError("the checkpoint directory is missing");
  Settings settings;
  settings.checkpoint = arguments.positionals()[0];
  settings.data = arguments.required("data");
  settings.output = read_model_output(arguments);
  settings.report = read_report(arguments);
  for (const std::int64_t column : arguments.integers("column", 1, 1'000'000)) {
    settings.samples.columns.push_back(static_cast<int>(column));
  }
  settings.samples.count = *arguments.integer("samples", 1, 100'000'000);
  settings.samples.seed =
      static_cast<std::uint64_t>(*arguments.integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  settings.method = read_method(arguments);
  settings.calibration = read_calibration(arguments);
  const auto probabilities = *arguments.choice<std::optional<ProbabilityType>>(
      "probabilities",
      {{"auto", std::nullopt}, {"uint8", ProbabilityType::uint8}, {"uint16", ProbabilityType::uint16}});
  settings.choose_probabilities = !probabilities && !settings.calibration.paper;
  settings.calibration.probabilities = probabilities.value_or(ProbabilityType::uint8);
  if (arguments.text("target-cosine")) {
    settings.target_cosine = read_between(arguments, "target-cosine", 0.0, 1.0, "above 0 and below 1");
  }
  settings.run = read_run_options(arguments);
  settings.max_length = read_max_length(arguments);
  settings.memory =
      arguments.bytes("memory").value_or(free_memory() / 3);  // batches need some, and so does the system to read files
  settings.json = arguments.on("json");
  settings.ablations = *arguments.choice<bool>("ablations", {{"on", true}, {"off", false}});
  return settings;
}

Samples read_samples(const Settings& settings, const Model& model, const Log& log) {
  Samples samples = choose(settings.data, settings.samples, model, settings.max_length);
  log.say((settings.data == "-" ? "standard input" : settings.data) + ": " + std::to_string(samples.usable) +
          " samples, of which " + std::to_string(samples.calibration.size()) + " to calibrate on and " +
          std::to_string(samples.held_out.size()) + " held out" +
          (samples.empty > 0 ? "; " + std::to_string(samples.empty) + " empty skipped" : ""));
  if (samples.held_out.empty()) log.warn("too few samples to hold any out: closeness is measured on the same ones");
  return samples;
}

using Variations = std::vector<std::pair<std::string, CalibrationOptions>>;

/// The options with one technique off, for each that is on, under the flag's name.
Variations without_each(const CalibrationOptions& options) {
  Variations result;
  if (options.paper) return result;  // it has none of them
  const auto add = [&](bool on, const std::string& technique, auto turn_off) {
    if (!on) return;
    result.emplace_back(technique, options);
    turn_off(result.back().second);
  };
  add(options.equalize != EqualizeMethod::none, "equalize", [](auto& o) { o.equalize = EqualizeMethod::none; });
  add(options.copies > 0, "copies", [](auto& o) { o.copies = 0; });
  add(options.bias_correction, "bias-correction", [](auto& o) { o.bias_correction = false; });
  add(options.rounding == WeightRounding::compensated, "rounding",
      [](auto& o) { o.rounding = WeightRounding::nearest; });
  return result;
}

/// Runs a calibration and keeps the figures of the report.
class Calibration {
 public:
  Calibration(const Settings& settings, const Arguments& arguments, const Log& log)
      : settings_(settings),
        options_(settings.calibration),
        log_(log),
        model_(open_checkpoint(settings.checkpoint, settings.method, log_)),
        reference_(model_, {.isa = settings.run.isa, .weight_memory = settings.memory / 2}),
        workspace_({.threads = settings.run.threads}),
        batches_(model_, settings.max_length, settings.run.batch, workspace_.threads(), log) {
    check_flags(arguments, model_.info());
    report_.output = settings.output.empty() ? model_.info().name + ".octavo" : settings.output;
    require_creatable(report_.output);
    if (!settings.report.empty()) require_creatable(settings.report);
  }

  CalibrationReport run() {
    const Samples samples = read_samples(settings_, model_, log_);
    const Calibrator calibrator = observe(samples.calibration);
    const Model quantized = quantize(calibrator, samples.calibration);
    if (calibrator.spilled() > 0)
      log_.say(std::to_string(calibrator.spilled() >> 20) +
               " MiB of observations and weights lie in temporary files beside the output");
    report_.held_out = !samples.held_out.empty();
    compare(calibrator, quantized, report_.held_out ? samples.held_out : samples.calibration);
    save(quantized.with_report(to_stored_json(report_)));
    batches_.finish();
    return report_;
  }

 private:
  Calibrator observe(const std::vector<std::string>& texts) {
    const Stopwatch stopwatch;
    const std::filesystem::path beside = std::filesystem::path(report_.output).parent_path();
    Calibrator calibrator(reference_, settings_.calibration,
                          {.bytes = settings_.memory / 2, .directory = beside.empty() ? "." : beside});
    batches_.for_each(texts, "calibrate", [&](const auto& batch) { calibrator.observe(batch, workspace_); });
    if (calibrator.samples() == 0) throw Error(settings_.data + ": none of its pictures could be read.");
    workspace_ = Workspace({.threads = settings_.run.threads});  // gives back what the largest batch took
    report_.calibrate_seconds = stopwatch.seconds();
    return calibrator;
  }

  static std::vector<std::string> first(const std::vector<std::string>& texts, std::ptrdiff_t count) {
    return {texts.begin(), texts.begin() + std::min(std::ssize(texts), count)};
  }

  /// Chooses the type of probabilities by a few samples that the model is calibrated on.
  Model with_better_probabilities(const Model& plain, const std::vector<std::string>& texts) {
    const Model wide = with_probabilities(plain, ProbabilityType::uint16);
    const Comparison comparison(reference_, batches_, first(texts, kProbabilitySamples), "probabilities", workspace_);
    const auto error = [&](const Model& model) {
      return 1.0 - comparison.closeness(Engine(model, {.isa = settings_.run.isa})).mean();
    };
    if (comparison.empty() || error(wide) > kWorthwhile * error(plain)) return plain;
    options_.probabilities = ProbabilityType::uint16;
    return wide;
  }

  /// Extra bits that reach --target-cosine on samples that the model is calibrated on: what is held out stays for the
  /// report.
  std::vector<ExtraBits> search(const Calibrator& calibrator, double target, const std::vector<std::string>& texts) {
    const Stopwatch stopwatch;
    const Comparison comparison(reference_, batches_, first(texts, kSearchSamples), "search", workspace_);
    if (comparison.empty())
      throw Error(settings_.data + ": none of its first " + std::to_string(kSearchSamples) + " samples could be read.");
    const auto closeness = [&](const Model& model) {
      return comparison.closeness(Engine(model, {.isa = settings_.run.isa})).mean();
    };
    const double aim = 1.0 - kSearchMargin * (1.0 - target);
    const auto choose = [&](const auto& probe) {
      return calibrator.choose_extra_bits(aim, options_, probe, workspace_, closeness);
    };
    PrecisionChoice choice = std::visit(choose, comparison.first(kProbeTokens));
    report_.search = PrecisionReport{
        .target = target, .reached = choice.reached, .extra_bits = choice.extra_bits, .frontier = choice.frontier};
    report_.search->seconds = stopwatch.seconds();
    return choice.extra_bits;
  }

  Model quantize(const Calibrator& calibrator, const std::vector<std::string>& texts) {
    if (options_.extra_bits == std::vector<ExtraBits>{{"all", false}}) options_.extra_bits = calibrator.extra_bits();
    report_.samples = calibrator.samples();
    report_.tokens = calibrator.tokens();
    report_.convergence = calibrator.convergence();
    const Stopwatch stopwatch;
    Model quantized = calibrator.quantize(options_, workspace_);
    if (settings_.choose_probabilities) quantized = with_better_probabilities(quantized, texts);
    report_.quantize_seconds = stopwatch.seconds();
    if (!settings_.target_cosine) return quantized;
    options_.extra_bits = search(calibrator, *settings_.target_cosine, texts);
    return calibrator.quantize(options_, workspace_);
  }

  /// The file is read again as a user would: all its checks pass.
  void save(const Model& quantized) {
    const Stopwatch stopwatch;
    {
      const HoldInterrupts hold;
      quantized.save(report_.output);
    }
    Model::from_file(report_.output);
    report_.quantize_seconds += stopwatch.seconds();
    report_.output_bytes = std::filesystem::file_size(report_.output);
    report_.checkpoint_bytes = weight_bytes(settings_.checkpoint);
  }

  /// The quantized model, and the same without each of the techniques that are on.
  void compare(const Calibrator& calibrator, const Model& quantized, const std::vector<std::string>& texts) {
    const Stopwatch stopwatch;
    const Engine integer(quantized, {.isa = settings_.run.isa});
    describe(integer, workspace_, log_);
    report_.compared = model_.info().classes > 0 || model_.info().decoder ? "logits" : "embeddings";
    const Comparison comparison(reference_, batches_, texts, "compare", workspace_);
    report_.closeness = comparison.closeness(integer);
    for (const auto& [technique, options] : settings_.ablations ? without_each(options_) : Variations{}) {
      const Engine lesser(calibrator.quantize(options, workspace_), {.isa = settings_.run.isa});
      report_.without.push_back({technique, comparison.closeness(lesser)});
    }
    report_.compare_seconds = stopwatch.seconds();
  }

  const Settings& settings_;
  CalibrationOptions options_;  ///< those of the settings, and what a search has chosen
  const Log& log_;
  Model model_;
  Engine reference_;
  Workspace workspace_;
  SampleBatches batches_;
  CalibrationReport report_;
};

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const Settings settings = read_settings(arguments);
  const CalibrationReport report = Calibration(settings, arguments, log).run();
  if (!settings.report.empty()) {
    Output file(settings.report);
    file.write(settings.report.ends_with(".html") ? to_html(report) : to_json(report));
    file.commit();
  }
  Output output;
  output.write(settings.json ? to_json(report) : to_text(report));
  output.commit();
  return 0;
}

}  // namespace

constinit const Command kCalibrate = {"calibrate", "an INT8 file from a checkpoint and sample texts", syntax, run};

}  // namespace octavo::tools

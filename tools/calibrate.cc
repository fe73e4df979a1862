// `octavo calibrate`: from a float32 checkpoint and sample texts to an INT8 file, with a report on how close it is.
#include "calibration_report.h"
#include "commands.h"
#include "common_flags.h"
#include "method_flags.h"
#include "output.h"
#include "progress.h"
#include "sample_batches.h"
#include "samples.h"
#include "stopwatch.h"

#include "octavo/calibration.h"
#include "octavo/error.h"
#include "octavo/tasks.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <limits>
#include <optional>

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {
      {"d,data", "sample texts: one per line, or a .tsv; - is standard input. For a model of pictures: a folder of them, or a list of files (required)", "FILE"},
      {"column",
       "tab-separated column (1, 2, ...) that holds the text; 1,2 takes both, as samples of their own; "
       "1 if the file is a .tsv",
       "N"},
      {"samples", "samples to calibrate on, chosen at random from the whole file", "N", "512"},
      {"s,seed", "seed of that choice", "N", "0"},
      {"method", "how ranges are found: minmax, running-minmax", "NAME", "minmax"},
      {"weights", "scales of weights: per-channel, per-tensor", "NAME", "per-channel"},
      {"residual", "type of the residual stream: int16, int8", "NAME", "int16"},
      {"paper", "the paper's setting with all of its 8-bit quantizers, to compare with; sets method, weights and residual"},
      {"o,output", "the INT8 file; by default the checkpoint's name with .octavo in this directory", "FILE"},
      {"json", "print the report as one JSON object"},
  };
  return {
      .usage = "CHECKPOINT -d FILE [-o OUT.octavo] [OPTION...]",
      .about =
          "Runs the float32 model of a checkpoint directory over sample texts or pictures, writes the INT8 file, and prints how\n"
          "close the two are on samples that were held out (up to 64, or an eighth of a small file).",
      .example = "octavo calibrate my-model/ -d sentences.txt -o my-model.octavo",
      .flags = join({own, method_flags(), run_flags(), max_length_flags(), verbosity_flags()}),
      .max_positionals = 1};
}

struct Settings {
  std::string checkpoint, data, output;
  SampleOptions samples;
  CheckpointOptions method;
  CalibrationOptions calibration;
  RunOptions run;
  std::optional<std::int64_t> max_length;
  bool json = false;
};

/// --output, which must be a file: what is written is read again.
std::string read_model_output(const Arguments& arguments) {
  const std::string output = read_output(arguments);
  if (output == "-") throw UsageError("--output is '-', expected the name of a file");
  return output;
}

CalibrationOptions read_calibration(const Arguments& arguments) {
  CalibrationOptions options;
  options.method = *arguments.choice<RangeMethod>(
      "method", {{"minmax", RangeMethod::minmax}, {"running-minmax", RangeMethod::running_minmax}});
  options.weights = *arguments.choice<WeightScales>(
      "weights", {{"per-channel", WeightScales::per_channel}, {"per-tensor", WeightScales::per_tensor}});
  options.residual =
      *arguments.choice<ResidualType>("residual", {{"int16", ResidualType::int16}, {"int8", ResidualType::int8}});
  options.paper = arguments.on("paper");
  return options;
}

Settings read_settings(const Arguments& arguments) {
  if (arguments.positionals().empty()) throw UsageError("the checkpoint directory is missing");
  Settings settings;
  settings.checkpoint = arguments.positionals()[0];
  settings.data = arguments.required("data");
  settings.output = read_model_output(arguments);
  for (const std::int64_t column : arguments.integers("column", 1, 1'000'000)) {
    settings.samples.columns.push_back(static_cast<int>(column));
  }
  settings.samples.count = *arguments.integer("samples", 1, 100'000'000);
  settings.samples.seed =
      static_cast<std::uint64_t>(*arguments.integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  settings.method = read_method(arguments);
  settings.calibration = read_calibration(arguments);
  settings.run = read_run_options(arguments);
  settings.max_length = read_max_length(arguments);
  settings.json = arguments.on("json");
  return settings;
}

Samples read_samples(const Settings& settings, const Model& model, const Log& log) {
  Samples samples = choose(settings.data, settings.samples, model);
  log.say((settings.data == "-" ? "standard input" : settings.data) + ": " + std::to_string(samples.usable) + " samples, of which " +
          std::to_string(samples.calibration.size()) + " to calibrate on and " +
          std::to_string(samples.held_out.size()) + " held out" +
          (samples.empty > 0 ? "; " + std::to_string(samples.empty) + " empty skipped" : ""));
  if (samples.held_out.empty()) log.warn("too few samples to hold any out: closeness is measured on the same ones");
  return samples;
}

/// Runs a calibration and keeps the figures of the report.
class Calibration {
 public:
  Calibration(const Settings& settings, const Log& log)
      : settings_(settings),
        log_(log),
        model_(Model::from_checkpoint(settings.checkpoint, settings.method)),
        reference_(model_, {.isa = settings.run.isa}),
        workspace_({.threads = settings.run.threads}),
        batches_(model_, settings.max_length, settings.run.batch, workspace_.threads(), log) {
    report_.output = settings.output.empty() ? model_.info().name + ".octavo" : settings.output;
    require_creatable(report_.output);
  }

  CalibrationReport run() {
    const Samples samples = read_samples(settings_, model_, log_);
    save(quantize(samples.calibration));
    report_.held_out = !samples.held_out.empty();
    compare(report_.held_out ? samples.held_out : samples.calibration);
    batches_.finish();
    return report_;
  }

 private:
  Calibrator observe(const std::vector<std::string>& texts) {
    const Stopwatch stopwatch;
    Calibrator calibrator(model_, settings_.calibration);
    batches_.for_each(texts, "calibrate", [&](const auto& batch) { calibrator.observe(batch, workspace_); });
    if (calibrator.samples() == 0) throw Error(settings_.data + ": none of its pictures could be read.");
    report_.calibrate_seconds = stopwatch.seconds();
    return calibrator;
  }

  Model quantize(const std::vector<std::string>& texts) {
    const Calibrator calibrator = observe(texts);
    report_.samples = calibrator.samples();
    report_.tokens = calibrator.tokens();
    const Stopwatch stopwatch;
    Model quantized = calibrator.quantize();
    report_.quantize_seconds = stopwatch.seconds();
    return quantized;
  }

  void save(const Model& quantized) {
    const Stopwatch stopwatch;
    const HoldInterrupts hold;
    quantized.save(report_.output);
    report_.quantize_seconds += stopwatch.seconds();
    report_.output_bytes = std::filesystem::file_size(report_.output);
    report_.checkpoint_bytes = weight_bytes(settings_.checkpoint);
  }

  /// The file that was written is what is measured, not the model in memory.
  void compare(const std::vector<std::string>& texts) {
    const Stopwatch stopwatch;
    const Engine integer(Model::from_file(report_.output), {.isa = settings_.run.isa});
    describe(integer, workspace_, log_);
    report_.compared = model_.info().classes > 0 ? "logits" : "embeddings";
    batches_.for_each(texts, "compare", [&](const auto& batch) {
      report_.closeness.add(answer(integer, batch, workspace_), answer(reference_, batch, workspace_));
    });
    report_.compare_seconds = stopwatch.seconds();
  }

  const Settings& settings_;
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
  const CalibrationReport report = Calibration(settings, log).run();
  Output output;
  output.write(settings.json ? to_json(report) : to_text(report));
  output.commit();
  return 0;
}

}  // namespace

constinit const Command kCalibrate = {"calibrate", "an INT8 file from a checkpoint and sample texts", syntax, run};

}  // namespace octavo::tools

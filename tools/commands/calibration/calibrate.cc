// `octavo calibrate`: from a float32 checkpoint and sample texts to an INT8 file, with a report on how close it is.
#include "commands/calibration/calibrate.h"

#include "cli/numbers.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stopwatch.h"
#include "commands/calibration/calibration_flags.h"
#include "commands/calibration/covering_samples.h"
#include "commands/calibration/fewer_parts.h"
#include "commands/calibration/fewer_tokens.h"
#include "commands/calibration/top_up.h"
#include "commands/commands.h"
#include "commands/common_flags.h"
#include "commands/method_flags.h"
#include "data/open_model.h"
#include "data/sample_batches.h"
#include "data/samples.h"
#include "report/calibration_report.h"

#include "octavo/agreement.h"
#include "octavo/calibration.h"
#include "octavo/comparison.h"
#include "octavo/error.h"
#include "octavo/memory.h"
#include "octavo/tasks.h"
#include "octavo/token_reduction.h"

#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {
      {"d,data",
       "sample texts: one per line, or a .tsv; - is standard input. For a decoder a text, which is cut into blocks; "
       "for a model of pictures: a folder of them, or a list of files (default: samples that octavo brings along)",
       "FILE"},
      {"column",
       "tab-separated column (1, 2, ...) that holds the text; 1,2 takes both, as samples of their own or, of a model "
       "that classifies texts or answers questions, as a pair; 1 if the file is a .tsv",
       "N"},
      {"labels",
       "of a model that classifies texts, the column of what is right, by number or by its name in a first line of "
       "headings: the report then also says how well float32 and INT8 answer",
       "N"},
      {"samples", "samples to calibrate on, chosen at random from the whole file", "N", "512"},
      {"s,seed", "seed of that choice", "N", "0"},
      {"sample-choice",
       "random, or covering: of eight times as many those that cover lengths and what the layers of the model make of "
       "them",
       "NAME", "random"},
      {"top-up",
       "where samples are so few or narrow that built-in ones go beyond their ranges by over 5.5 % of these (pictures: "
       "5 %), calibrate on 128 of those, too (pictures: 64): on, off",
       "NAME", "on"},
      {"ablations",
       "also measure what INT8 is without each technique, which takes as long again as the file for each: on, off",
       "NAME", "on"},
      {"memory",
       "for float32 weights, observations and INT8 weights, 500M or 4G; the rest is read again when needed, or lies in "
       "a file beside the output (default: a third of what is free)",
       "SIZE"},
      {"report", "write the report there too: FILE.json or FILE.html", "FILE"},
      {"o,output", "the INT8 file; by default the checkpoint's name with .octavo in this directory", "FILE"},
      {"json", "print the report as one JSON object"},
  };
  std::vector<Rule> rules = calibration_rules();
  for (Rule& rule : part_rules()) rules.push_back(std::move(rule));
  for (Rule& rule : token_rules()) rules.push_back(std::move(rule));
  rules.push_back({{"ablations", "attn-prune", "attn-log-bits"}, Rule::When::beside, "paper"});
  rules.push_back({{"seed", "sample-choice", "column", "labels", "top-up"}, Rule::When::without, "data"});
  rules.push_back({{"top-up"}, Rule::When::beside, "paper"});
  return {
      .usage = "CHECKPOINT [-d FILE] [-o OUT.octavo] [OPTION...]",
      .about =
          "Runs the float32 model of a checkpoint directory over sample texts or pictures, writes the INT8 file, "
          "and prints how\nclose the two are on samples that were held out (up to 64, or an eighth of a small file). "
          "Without -d the samples\nare built in: texts of ten languages, or pictures that octavo makes.",
      .example = "octavo calibrate my-model/ -d sentences.txt -o my-model.octavo",
      .flags = join({own, calibration_flags(), part_flags(), token_flags(), method_flags(), run_flags("4096"),
                     max_length_flags(), verbosity_flags()}),
      .max_positionals = 1,
      .rules = std::move(rules)};
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
  refuse("vocabulary-bits", info.decoder.has_value());
  refuse("column", !info.image);
  if (arguments.given("labels") && info.task != TextTask::sequence_classification)
    throw UsageError("--labels has no effect on " + info.name + ", which does not classify texts");
  refuse("max-length", !info.image);
  refuse("token-prune", info.image.has_value());
  refuse("token-merge", info.image.has_value());
  if (!arguments.text("max-drop")) return;
  const AnswerKind kind = answer_kind(info);
  if (kind == AnswerKind::none)
    throw UsageError("--max-drop has no effect on " + info.name + ", which has no head for a task");
  const bool scored = kind == AnswerKind::classes || (kind == AnswerKind::numbers && info.classes == 1);
  if (scored && !info.image && !arguments.text("labels"))
    throw UsageError("--max-drop of " + info.name +
                     ", which classifies texts, is of how well it answers: --labels is missing");
}

struct Settings {
  std::string checkpoint, data, output, report, labels;
  SampleOptions samples;
  CheckpointOptions method;
  CalibrationOptions calibration;
  PartSettings parts;
  std::optional<TokenSettings> tokens;
  RunOptions run;
  std::optional<std::int64_t> max_length;
  std::int64_t memory = 0;  ///< half of it for float32 weights, half for observations and INT8 weights
  bool ablations = true, top_up = true, covering = false;
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

Settings read_settings(const Arguments& arguments) {
  if (arguments.positionals().empty()) throw UsageError("the checkpoint directory is missing");
  Settings settings;
  settings.checkpoint = arguments.positionals()[0];
  settings.data = arguments.text("data").value_or("");
  settings.output = read_model_output(arguments);
  settings.report = read_report(arguments);
  for (const std::int64_t column : arguments.integers("column", 1, 1'000'000)) {
    settings.samples.columns.push_back(static_cast<int>(column));
  }
  settings.labels = arguments.text("labels").value_or("");
  settings.samples.count = *arguments.integer("samples", 1, 100'000'000);
  settings.samples.seed =
      static_cast<std::uint64_t>(*arguments.integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  settings.method = read_method(arguments);
  settings.calibration = read_calibration(arguments);
  settings.parts = read_parts(arguments);
  settings.tokens = read_tokens(arguments);
  settings.run = read_run_options(arguments);
  settings.max_length = read_max_length(arguments);
  settings.memory =
      arguments.bytes("memory").value_or(free_memory() / 3);  // batches need some, and so does the system to read files
  settings.covering = *arguments.choice<bool>("sample-choice", {{"random", false}, {"covering", true}});
  settings.top_up = *arguments.choice<bool>("top-up", {{"on", true}, {"off", false}});
  settings.ablations = *arguments.choice<bool>("ablations", {{"on", true}, {"off", false}});
  return settings;
}

Samples read_samples(const Settings& settings, const Model& model, const Log& log) {
  SampleOptions options = settings.samples;
  if (settings.covering) options.count *= kPool;
  Samples samples = choose(settings.data, options, model, settings.max_length, settings.labels);
  const std::string name = settings.data == "-" ? "standard input" : settings.data;
  log.say((name.empty() ? "built in" : name) + ": " + std::to_string(samples.usable) + " samples, of which " +
          std::to_string(samples.calibration.size()) +
          (settings.covering ? " to choose from and " : " to calibrate on and ") +
          std::to_string(samples.held_out.size()) + " held out" +
          (samples.empty > 0 ? "; " + std::to_string(samples.empty) + " empty skipped" : ""));
  if (samples.held_out.empty()) log.warn("too few samples to hold any out: closeness is measured on the same ones");
  return samples;
}

using Variations = std::vector<std::pair<std::string, CalibrationOptions>>;

/// The options with one technique off, for each that is on, under the flag's name.
Variations without_each(const CalibrationOptions& options) {
  Variations result;
  const auto add = [&](bool on, const std::string& technique, auto turn_off) {
    if (!on) return;
    result.emplace_back(technique, options);
    turn_off(result.back().second);
  };
  const auto& [equalize, channel_splits, probabilities, residual, head] = options.activations;
  add(equalize != EqualizeMethod::none, "equalize", [](auto& o) { o.activations.equalize = EqualizeMethod::none; });
  add(channel_splits > 0, "copies", [](auto& o) { o.activations.channel_splits = 0; });
  add(options.weights.bias_correction, "bias-correction", [](auto& o) { o.weights.bias_correction = false; });
  add(options.weights.rounding == WeightRounding::compensated, "rounding",
      [](auto& o) { o.weights.rounding = WeightRounding::nearest; });
  add(options.weights.bits == 4, "weight-bits", [](auto& o) {
    o.weights.bits = 8;
    o.weights.vocabulary_bits.reset();
  });
  return result;
}

/// Runs a calibration and keeps the figures of the report.
class Calibration {
 public:
  Calibration(const Settings& settings, const Arguments& arguments, const Log& log)
      : settings_(settings),
        log_(log),
        model_(open_checkpoint(settings.checkpoint, settings.method, log_)),
        workspace_({.threads = settings.run.threads}),
        batches_(model_, settings.max_length, settings.run.batch, workspace_.threads(), log) {
    check_flags(arguments, model_.info());
    if (!settings.parts.any() && !settings.tokens) begin(model_, settings.memory / 2);
    report_.output = output();
    require_creatable(report_.output);
    if (!settings.report.empty()) require_creatable(settings.report);
  }

  CalibrationReport run() {
    Samples samples = read_samples(settings_, model_, log_);
    if (settings_.covering) {
      samples = covering(std::move(samples), settings_.samples.count, settings_.samples.seed,
                         Engine(model_, {.isa = settings_.run.isa, .weight_memory = settings_.memory / 4}), batches_,
                         workspace_);
    }
    if (settings_.parts.any()) choose_parts(samples);
    if (settings_.tokens) reduce(samples);
    observe(samples);
    look_for_gaps(samples);
    const Calibrated made = quantize();
    if (calibrator_->spilled() > 0)
      log_.say(std::to_string(calibrator_->spilled() >> 20) +
               " MiB of observations and weights lie in temporary files beside the output");
    report_.held_out = !samples.held_out.empty();
    if (report_.held_out)
      compare(made, samples.held_out, samples.held_out_labels);
    else
      compare(made, samples.calibration, samples.calibration_labels);
    compare_on_built_in(made);
    save(made.model.with_report(to_stored_json(report_)));
    batches_.finish();
    return report_;
  }

 private:
  std::string output() const { return settings_.output.empty() ? model_.info().name + ".octavo" : settings_.output; }

  static std::filesystem::path directory_of(const std::string& file) {
    const std::filesystem::path directory = std::filesystem::path(file).parent_path();
    return directory.empty() ? "." : directory;
  }

  void begin(const Model& model, std::int64_t weight_memory) {
    calibrator_.emplace(Engine(model, {.isa = settings_.run.isa, .weight_memory = weight_memory}),
                        settings_.calibration,
                        MemoryOptions{.bytes = settings_.memory / 2, .directory = directory_of(output())});
  }

  /// What is calibrated may have fewer parts; what it is compared with has all of them.
  void choose_parts(const Samples& samples) {
    const std::int64_t weight_memory = settings_.memory / 4;
    whole_.emplace(model_, EngineOptions{.isa = settings_.run.isa, .weight_memory = weight_memory});
    FewerParts parts(*whole_, settings_.parts, weight_memory, workspace_);
    begin(parts.choose(samples, batches_, log_, report_.parts), weight_memory);
  }

  /// The same of tokens. Where all stay, nothing differs from a calibration without the flags.
  void reduce(const Samples& samples) {
    const std::int64_t weight_memory = settings_.memory / 4;
    const TokenChoice choice =
        reduce_tokens(model_, *settings_.tokens, weight_memory, samples.calibration, batches_, workspace_, log_);
    if (!choice.candidates.empty()) report_.token_reduction = choice;
    if (choice.chosen < 0) return begin(model_, settings_.memory / 2);
    std::vector<TokenReduction> read = choice.reductions();
    Model all = with_fewer_tokens(model_, std::span(read).first(read.size() - 1));
    if (drops_unread(all, read.back()))
      unread_ = {read.back()};
    else
      all = with_fewer_tokens(model_, read);
    begin(all, weight_memory);
    whole_.emplace(model_, EngineOptions{.isa = settings_.run.isa, .weight_memory = weight_memory});
  }

  const Engine& reference() const { return whole_ ? *whole_ : calibrator_->reference(); }

  void observe(const Samples& samples) {
    const Stopwatch stopwatch;
    BatchLabels labels(samples.calibration_labels);
    batches_.for_each(samples.calibration, "calibrate",
                      [&](const auto& batch) { calibrator_->observe(batch, labels.next(batch), workspace_); });
    if (calibrator_->samples() == 0) throw Error(settings_.data + ": none of its pictures could be read.");
    workspace_ = Workspace({.threads = settings_.run.threads});  // gives back what the largest batch took
    report_.calibrate_seconds = stopwatch.seconds();
    report_.samples = calibrator_->samples();
    report_.tokens = calibrator_->tokens();
    report_.convergence = calibrator_->convergence();
  }

  /// Begins anew with built-in samples beside the given ones where these leave gaps.
  void look_for_gaps(const Samples& given) {
    if (settings_.data.empty()) report_.built_in = report_.samples;
    if (settings_.data.empty() || settings_.calibration.quantizers == QuantizerPlacement::every_value) return;
    const TopUp top_up(model_, settings_.max_length);
    report_.excess = top_up.excess(*calibrator_, batches_, workspace_);
    if (!top_up.is_needed(*report_.excess)) return;
    log_.warn("the samples are few or narrow: built-in ones go " + fixed(100.0 * *report_.excess, 0) +
              " % beyond their ranges; " +
              (settings_.top_up ? "calibrating on " + std::to_string(top_up.size()) + " of these, too"
                                : "--top-up on would calibrate on these, too"));
    built_in_held_out_ = top_up.held_out();
    if (!settings_.top_up) return;
    calibrator_->forget();
    observe(top_up.mixed(given));
    report_.built_in = top_up.size();
  }

  /// Where given samples are narrow, so is what they say about closeness.
  void compare_on_built_in(const Calibrated& made) {
    if (built_in_held_out_.empty()) return;
    const Engine integer(made.model, {.isa = settings_.run.isa});
    Comparison comparison;
    batches_.for_each(built_in_held_out_, "compare",
                      [&](const auto& batch) { comparison.add(reference(), batch, workspace_); });
    report_.built_in_closeness = comparison.closeness(integer, workspace_);
  }

  Calibrated quantize() {
    const Stopwatch stopwatch;
    CalibrationOptions options = settings_.calibration;
    std::vector<ExtraBits>& extra_bits = options.precision.extra_bits;
    if (extra_bits == std::vector<ExtraBits>{{"all", false}}) extra_bits = calibrator_->extra_bits();
    Calibrated made = calibrator_->quantize(options, workspace_);
    if (!unread_.empty()) made.model = with_fewer_tokens(made.model, unread_);
    report_.probabilities = made.probabilities;
    report_.vocabulary = made.vocabulary;
    report_.search = made.precision;
    report_.quantize_seconds = stopwatch.seconds();
    return made;
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
  void compare(const Calibrated& made, const std::vector<std::string>& samples, const std::vector<double>& right) {
    const Stopwatch stopwatch;
    const Engine integer(made.model, {.isa = settings_.run.isa});
    describe(integer, workspace_, log_);
    report_.compared = answers_logits(model_.info()) ? "logits" : "embeddings";
    const bool has_task = answer_kind(model_.info()) != AnswerKind::none;
    Comparison comparison;
    TaskComparison task;
    BatchLabels labels(right);
    batches_.for_each(samples, "compare", [&](const auto& batch) {
      comparison.add(reference(), batch, workspace_);
      if (has_task) task.add(reference(), batch, workspace_, labels.next(batch));
    });
    report_.closeness = comparison.closeness(integer, workspace_);
    if (has_task) report_.task = task.closeness(integer, workspace_);
    for (const auto& [technique, options] : settings_.ablations ? without_each(made.options) : Variations{}) {
      const Engine lesser(calibrator_->quantize(options, workspace_).model, {.isa = settings_.run.isa});
      report_.without.push_back({technique, comparison.closeness(lesser, workspace_)});
    }
    report_.compare_seconds = stopwatch.seconds();
  }

  const Settings& settings_;
  const Log& log_;
  Model model_;
  Workspace workspace_;
  SampleBatches batches_;
  std::optional<Calibrator> calibrator_;
  std::vector<TokenReduction> unread_;          // what is dropped behind the last attention, after calibration
  std::optional<Engine> whole_;                 // where parts or tokens are removed, or neurons apart
  std::vector<std::string> built_in_held_out_;  // where given samples are narrow
  CalibrationReport report_;
};

int run(const Arguments& arguments) {
  const bool json = arguments.on("json");
  const CalibrationReport report = calibrate(arguments, read_log(arguments));
  if (const std::string name = read_report(arguments); !name.empty()) {
    Output file(name);
    file.write(name.ends_with(".html") ? to_html(report) : to_json(report));
    file.commit();
  }
  Output output;
  output.write(json ? to_json(report) : to_text(report));
  output.commit();
  return 0;
}

}  // namespace

CalibrationReport calibrate(const Arguments& arguments, const Log& log) {
  const Settings settings = read_settings(arguments);
  return Calibration(settings, arguments, log).run();
}

constinit const Command kCalibrate = {"calibrate", "an INT8 file of a checkpoint", syntax, run};

}  // namespace octavo::tools

// `octavo analyze`: outliers, quantization errors and attention of a model, as a table, JSON or a page.
#include "cli/output.h"
#include "commands/commands.h"
#include "commands/common_flags.h"
#include "commands/method_flags.h"
#include "data/batching.h"
#include "data/encoder.h"
#include "data/open_model.h"
#include "data/sample_batches.h"
#include "data/samples.h"
#include "report/analysis_page.h"
#include "report/analysis_report.h"

#include "octavo/analysis.h"

#include <charconv>
#include <filesystem>
#include <limits>

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {
      {"d,data", "sample texts: one per line, or a .tsv; - is standard input (required)", "FILE"},
      {"column", "tab-separated column (1, 2, ...) that holds the text; 1,2 takes both; 1 if the file is a .tsv", "N"},
      {"samples", "samples to look at, chosen at random from the whole file", "N", "64"},
      {"s,seed", "seed of that choice", "N", "0"},
      {"m,model", "an INT8 file of this checkpoint to compare with; by default quantization is simulated",
       "FILE.octavo"},
      {"bits", "bits of simulated weights and activations", "W:A", "8:8"},
      {"sensitivity", "also quantize each value alone, and rank what hurts"},
      {"html", "write a page with plots", "FILE"},
      {"json", "one JSON object"},
      {"o,output", "write the answer there instead of standard output, whole or not at all", "FILE"},
  };
  return {.usage = "CHECKPOINT -d FILE [-m MODEL.octavo] [OPTION...]",
          .about =
              "Shows why a model quantizes well or badly: for each value its range, the outlier metrics of the "
              "Quantizable\n"
              "Transformers paper, and its error in 8 bits; exact zeros of attention and gates.",
          .example = "octavo analyze my-model/ -d sentences.txt --sensitivity --html my-model.html",
          .flags = join({own, method_flags(), run_flags(), max_length_flags(), verbosity_flags()}),
          .max_positionals = 1,
          .rules = {{{"isa"}, Rule::When::without, "model"}}};
}

/// "W:A", each 2 to 16.
void read_bits(const Arguments& arguments, AnalysisOptions& options) {
  const std::string text = *arguments.text("bits");
  const char* end = text.data() + text.size();
  const auto weights = std::from_chars(text.data(), end, options.weight_bits);
  const bool colon = weights.ec == std::errc() && weights.ptr != end && *weights.ptr == ':';
  const auto activations = colon ? std::from_chars(weights.ptr + 1, end, options.activation_bits) : weights;
  const auto valid = [](int bits) { return bits >= 2 && bits <= 16; };
  if (!colon || activations.ec != std::errc() || activations.ptr != end || !valid(options.weight_bits) ||
      !valid(options.activation_bits)) {
    throw UsageError("--bits is '" + text + "', expected W:A with each from 2 to 16");
  }
}

std::vector<std::string> read_texts(const Arguments& arguments, const ModelInfo& info, const Log& log) {
  SampleOptions options;
  for (const std::int64_t column : arguments.integers("column", 1, 1'000'000))
    options.columns.push_back(static_cast<int>(column));
  options.count = *arguments.integer("samples", 1, 1'000'000);
  options.seed = static_cast<std::uint64_t>(*arguments.integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  LineReader reader(arguments.required("data"));
  Samples samples = choose_samples(reader, with_pairs(options, info, reader.name()));
  log.say(reader.name() + ": " + std::to_string(samples.calibration.size()) + " of " + std::to_string(samples.usable) +
          " samples");
  return std::move(samples.calibration);
}

int run(const Arguments& arguments) {
  if (arguments.positionals().empty()) throw UsageError("the checkpoint directory is missing");
  const Log log = read_log(arguments);
  const RunOptions run = read_run_options(arguments);
  AnalysisOptions options{.isa = run.isa, .sensitivity = arguments.on("sensitivity")};
  read_bits(arguments, options);
  const std::optional<std::string> file = arguments.text("model"), page = arguments.text("html");
  if (file && arguments.given("bits") && !options.sensitivity) {
    throw UsageError("--bits has no effect beside --model without --sensitivity: nothing is simulated");
  }
  if (page) require_creatable(*page);
  const Model model = open_checkpoint(arguments.positionals()[0], read_method(arguments), log);
  if (file) options.quantized = Model::from_file(*file);

  Encoder encoder(model, read_max_length(arguments));
  std::vector<TokenBatch> batches;
  Batcher batcher(run.batch, [&](const TokenBatch& batch) { batches.push_back(batch); });
  for (const std::string& text : read_texts(arguments, model.info(), log))
    batcher.add(encoder.encode(text_of(text, model.info())));
  batcher.finish();
  encoder.report_truncated(log);

  Workspace workspace({.threads = run.threads});
  const Analysis analysis = analyze(model, batches, workspace, options);
  const AnalysisSubject subject{.model = model.info().name,
                                .quantized = file ? std::filesystem::path(*file).filename().string()
                                                  : "simulated W" + std::to_string(options.weight_bits) + "A" +
                                                        std::to_string(options.activation_bits),
                                .data = std::filesystem::path(arguments.required("data")).filename().string()};
  if (page) {
    std::vector<std::string> tokens;
    for (const std::int32_t id : batches[0].sequences[0].ids) tokens.emplace_back(encoder.tokenizer().token(id));
    Output html(*page);
    html.write(to_page(analysis, subject, tokens));
    html.commit();
  }
  Output output(read_output(arguments));
  output.write(arguments.on("json") ? to_json(analysis, subject) : to_text(analysis, subject));
  output.commit();
  return 0;
}

}  // namespace

constinit const Command kAnalyze = {"analyze", "outliers, quantization errors and attention of a model", syntax, run};

}  // namespace octavo::tools

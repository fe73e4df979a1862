// `octavo rank`: documents in the order of how well they answer a query, by a cross-encoder.
#include "cli/escaped.h"
#include "cli/json_line.h"
#include "cli/numbers.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "commands/commands.h"
#include "commands/common_flags.h"
#include "data/encoder.h"
#include "data/open_model.h"
#include "data/samples.h"

#include "octavo/text_tasks.h"

#include <optional>

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {{"query", "what the documents are to answer (required)", "TEXT"},
                     {"column", "tab-separated column (1, 2, ...) that holds the document", "N"},
                     {"top-k", "documents printed; by default all", "N"}};
  return {.usage = "-m MODEL --query TEXT (-p TEXT | -f FILE)... [OPTION...]",
          .about =
              "Prints documents, one per line of a file, in the order of how well they answer a query: score, number\n"
              "of the document from 0, text. The model is a cross-encoder, which reads both together.",
          .example = "octavo rank -m reranker.octavo --query \"Who wrote it?\" -f documents.txt --top-k 3",
          .flags = join(
              {model_flags(), own, input_flags(), run_flags(), max_length_flags(), output_flags(), verbosity_flags()})};
}

std::string to_json(const std::vector<RankedDocument>& documents, const std::vector<std::string>& texts) {
  ordered_json results = ordered_json::array();
  for (const RankedDocument& each : documents)
    results.push_back({{"index", each.index}, {"score", each.score}, {"text", texts[each.index]}});
  return json_line({{"results", results}});
}

std::string to_text(const std::vector<RankedDocument>& documents, const std::vector<std::string>& texts) {
  std::string lines;
  for (const RankedDocument& each : documents) {
    append_fixed(lines, static_cast<double>(each.score), 4);
    lines += "\t" + std::to_string(each.index) + "\t" + escaped(texts[each.index]) + "\n";
  }
  return lines;
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const std::string path = arguments.required("model"), query = arguments.required("query");
  const RunOptions options = read_run_options(arguments);
  const std::optional<std::int64_t> count = arguments.integer("top-k", 1, 1'000'000'000);
  const std::optional<std::int64_t> column = arguments.integer("column", 1, 1'000'000);
  const bool json = arguments.on("json");
  Inputs inputs = read_inputs(arguments);
  const Engine engine(open_model(path, log), {.isa = options.isa});
  require_task(engine.model(), TextTask::sequence_classification);
  Workspace workspace({.threads = options.threads});
  describe(engine, workspace, log);
  Encoder encoder(engine.model(), read_max_length(arguments));
  Output output(read_output(arguments));

  std::vector<std::string> documents;
  std::vector<float> scores;
  Progress progress("rank", log);
  Batcher batcher(options.batch, [&](const TokenBatch& batch) {
    const std::vector<float> found = rank_scores(engine, batch, workspace);
    scores.insert(scores.end(), found.begin(), found.end());
    progress.update(std::ssize(scores), inputs.fraction());
  });
  while (std::optional<std::string> line = inputs.next()) {
    documents.push_back(column ? split_columns(*line, {static_cast<int>(*column)}, inputs.place())[0] : *line);
    batcher.add(encoder.encode(TextInput{.text = query, .pair = documents.back()}));
  }
  batcher.finish();
  const std::vector<RankedDocument> best =
      ranked(scores, count ? std::optional(static_cast<int>(*count)) : std::nullopt);
  output.write(json ? to_json(best, documents) : to_text(best, documents));
  output.commit();
  encoder.report_truncated(log);
  return 0;
}

}  // namespace

constinit const Command kRank = {"rank", "documents in the order of how well they answer a query", syntax, run};

}  // namespace octavo::tools

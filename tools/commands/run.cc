// `octavo run`: any output of a model of texts by its name, as numbers.
#include "cli/output.h"
#include "cli/progress.h"
#include "commands/answer_inputs.h"
#include "commands/commands.h"
#include "data/encoder.h"
#include "data/open_model.h"
#include "report/embedding_writer.h"

#include "octavo/error.h"

#include <algorithm>

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {
      {"output", "the output's name, as octavo info lists them; by default logits, else the last hidden state", "NAME"},
      {"column", "tab-separated column (1, 2, ...) that holds the text; 1,2 is a pair", "N"}};
  const Flags answer = {{"json", "JSON, one object per line"},
                        {"o,output-file",
                         "write the answer there instead of standard output, whole or not at all; an array where the "
                         "name ends in .npy",
                         "FILE"}};
  return {
      .usage = "-m MODEL [--output NAME] (-p TEXT | -f FILE)... [OPTION...]",
      .about =
          "Prints what a model says of each text or pair of texts (a tab between them): a line of numbers, or of an\n"
          "output with rows for tokens a line for each token and a blank line between texts.",
      .example = "octavo run -m bert.octavo --output pooler_output -f sentences.txt -o pooled.npy",
      .flags = join({model_flags(), input_flags(), own, run_flags(), max_length_flags(), answer, verbosity_flags()})};
}

/// The output of that name, or the one that is most likely meant.
OutputInfo choose_output(const ModelInfo& info, const std::optional<std::string>& name) {
  if (info.image) throw Error(info.name + ": takes pictures, expected a model of texts; classify and embed run it");
  const auto find = [&](const std::string& wanted) {
    return std::ranges::find(info.outputs, wanted, &OutputInfo::name);
  };
  auto found = find(name.value_or("logits"));
  if (!name && found == info.outputs.end()) found = find("last_hidden_state");
  if (found != info.outputs.end()) return *found;
  std::string known;
  for (const OutputInfo& output : info.outputs) known += (known.empty() ? "" : ", ") + output.name;
  throw Error(info.name + ": has no output " + *name + "; it has " + known);
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const std::string path = arguments.required("model"), file = arguments.text("output-file").value_or("");
  const RunOptions options = read_run_options(arguments);
  const std::vector<int> columns = read_columns(arguments);
  const bool json = arguments.on("json"), npy = file.ends_with(".npy");
  if (json && npy)
    throw UsageError("--json and --output-file " + file + " exclude each other: one is text, one is not");
  Inputs inputs = read_inputs(arguments);
  const Engine engine(open_model(path, log), {.isa = options.isa});
  const OutputInfo chosen = choose_output(engine.model().info(), arguments.text("output"));
  Workspace workspace({.threads = options.threads});
  describe(engine, workspace, log);
  Encoder encoder(engine.model(), read_max_length(arguments));
  Output output(file);
  const Rows rows = chosen.rows == RowKind::sequence ? Rows::per_input : Rows::per_token;
  const auto writer = npy    ? npy_writer(output, chosen.columns)
                      : json ? json_writer(output, rows, chosen.name)
                             : text_writer(output, rows);
  Progress progress("run", log);
  std::int64_t done = 0;
  Batcher batcher(options.batch, [&](const TokenBatch& batch) {
    writer->write(lengths(batch), engine.output(chosen.name, batch, workspace));
    output.flush();
    progress.update(done += std::ssize(batch.sequences), inputs.fraction());
  });
  while (const std::optional<std::string> line = inputs.next())
    batcher.add(encoder.encode(read_text_input(*line, columns, inputs.place())));
  batcher.finish();
  writer->finish();
  output.commit();
  encoder.report_truncated(log);
  return 0;
}

}  // namespace

constinit const Command kRun = {"run", "any output of a model by its name", syntax, run};

}  // namespace octavo::tools

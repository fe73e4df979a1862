// `octavo tag`: names and other entities in texts, by the classes of their tokens.
#include "cli/escaped.h"
#include "cli/json_line.h"
#include "cli/numbers.h"
#include "commands/answer_inputs.h"
#include "commands/commands.h"
#include "data/open_model.h"
#include "data/samples.h"

#include "octavo/text_tasks.h"

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {
      {"aggregation",
       "how tokens become entities: simple, first, average, max, or none: each token by itself, with B- and I-", "NAME",
       "simple"},
      {"column", "tab-separated column (1, 2, ...) that holds the text", "N"},
      {"max-length", "tokens of a window; a longer text is several. By default the model's limit", "N"},
      {"stride", "tokens that a window has in common with the one before; by default half of one, at most 128", "N"}};
  return {.usage = "-m MODEL (-p TEXT | -f FILE)... [OPTION...]",
          .about =
              "Prints the entities of each text in their order, a line each: label, score, first character, the one\n"
              "behind the last, text; separated by tabs. A blank line separates texts.",
          .example = "octavo tag -m names.octavo -p \"Maria lives in Berlin.\"",
          .flags = join({model_flags(), input_flags(), own, run_flags(), output_flags(), verbosity_flags()})};
}

TokenClassifierOptions read_options(const Arguments& arguments) {
  TokenClassifierOptions options;
  options.aggregation = *arguments.choice<Aggregation>("aggregation", {{"none", Aggregation::none},
                                                                       {"simple", Aggregation::simple},
                                                                       {"first", Aggregation::first},
                                                                       {"average", Aggregation::average},
                                                                       {"max", Aggregation::max}});
  options.max_length = read_window(arguments, "max-length");
  options.overlap = read_window(arguments, "stride");
  return options;
}

std::string to_json(const std::vector<Entity>& entities, std::int64_t index) {
  ordered_json list = ordered_json::array();
  for (const Entity& each : entities) {
    list.push_back(
        {{"label", each.label}, {"score", each.score}, {"start", each.start}, {"end", each.end}, {"text", each.text}});
  }
  return json_line({{"index", index}, {"entities", list}});
}

std::string to_text(const std::vector<Entity>& entities, std::int64_t index) {
  std::string lines = index > 0 ? "\n" : "";
  for (const Entity& each : entities) {
    lines += escaped(each.label) + "\t";
    append_fixed(lines, static_cast<double>(each.score), 4);
    lines += "\t" + std::to_string(each.start) + "\t" + std::to_string(each.end) + "\t" + escaped(each.text) + "\n";
  }
  return lines;
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const std::string path = arguments.required("model");
  const RunOptions options = read_run_options(arguments);
  const TokenClassifierOptions tagging = read_options(arguments);
  const std::optional<std::int64_t> column = arguments.integer("column", 1, 1'000'000);
  const bool json = arguments.on("json");
  Inputs inputs = read_inputs(arguments);
  const Engine engine(open_model(path, log), {.isa = options.isa});
  const TokenClassifier tagger(engine.model(), tagging);
  Workspace workspace({.threads = options.threads});
  describe(engine, workspace, log);
  answer_inputs({.engine = engine,
                 .workspace = workspace,
                 .options = options,
                 .label = "tag",
                 .output = read_output(arguments),
                 .log = log},
                inputs, [&](const std::string& line, std::int64_t index) -> Question {
                  const std::string text =
                      column ? split_columns(line, {static_cast<int>(*column)}, inputs.place())[0] : line;
                  const std::vector<TokenWindow> windows = tagger.encode(text);
                  return {sequences_of(windows), [&, text, windows, index](const Tensor& logits) {
                            const std::vector<Entity> entities = tagger.decode(text, windows, logits);
                            return json ? to_json(entities, index) : to_text(entities, index);
                          }};
                });
  return 0;
}

}  // namespace

constinit const Command kTag = {"tag", "names and other entities in texts", syntax, run};

}  // namespace octavo::tools

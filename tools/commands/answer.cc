// `octavo answer`: the parts of a text that answer a question.
#include "cli/escaped.h"
#include "cli/json_line.h"
#include "cli/numbers.h"
#include "commands/answer_inputs.h"
#include "commands/commands.h"
#include "data/open_model.h"
#include "data/text_input.h"

#include "octavo/error.h"
#include "octavo/text_tasks.h"

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {
      {"question", "what is asked, with --context", "TEXT"},
      {"context", "the text that may hold the answer", "TEXT"},
      {"f,file",
       "questions and their contexts: a JSON object with \"question\" and \"context\" per line, or both with a tab "
       "between them; - is standard input",
       "FILE"},
      {"top-k", "most answers to each question", "N", "1"},
      {"max-answer-length", "most tokens of an answer, before it is extended to whole words", "N", "15"},
      {"impossible", "there may be no answer, which is then an empty one"},
      {"max-length",
       "tokens of a window, question included; a longer context is several. By default the model's limit, at most 384",
       "N"},
      {"stride", "tokens that a window has in common with the one before; by default half of one, at most 128", "N"}};
  return {
      .usage = "-m MODEL (--question TEXT --context TEXT | -f FILE) [OPTION...]",
      .about =
          "Prints the likeliest answers to each question, best first, a line each: text, score, first character in\n"
          "the context, the one behind the last; separated by tabs. A blank line separates questions.",
      .example =
          "octavo answer -m qa.octavo --question \"Where does Maria live?\" --context \"Maria lives in Berlin.\"",
      .flags = join({model_flags(), own, run_flags(), output_flags(), verbosity_flags()}),
      .rules = {{{"question", "context"}, Rule::When::beside, "file"}}};
}

QuestionAnswererOptions read_options(const Arguments& arguments) {
  QuestionAnswererOptions options;
  options.count = static_cast<int>(*arguments.integer("top-k", 1, 100'000));
  options.max_answer_tokens = static_cast<int>(*arguments.integer("max-answer-length", 1, 100'000));
  options.impossible = arguments.on("impossible");
  options.max_length = read_window(arguments, "max-length");
  options.overlap = read_window(arguments, "stride");
  return options;
}

struct Asked {
  std::string question, context;
};

/// A JSON object, or two texts with a tab between them.
Asked read_asked(const std::string& line, const std::string& place) {
  if (!line.starts_with('{')) {
    const TextInput input = read_text_input(line, {}, place);
    if (!input.pair) throw Error(place + ": has no tab, expected one between a question and its context");
    return {input.text, *input.pair};
  }
  const nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
  const auto text = [&](const char* key) {
    if (!object.is_object() || !object.contains(key) || !object[key].is_string())
      throw Error(place + ": expected a JSON object with the strings \"question\" and \"context\"");
    return object[key].get<std::string>();
  };
  return {text("question"), text("context")};
}

std::string to_json(const std::vector<Answer>& answers, std::int64_t index) {
  ordered_json list = ordered_json::array();
  for (const Answer& each : answers)
    list.push_back({{"text", each.text}, {"score", each.score}, {"start", each.start}, {"end", each.end}});
  return json_line({{"index", index}, {"answers", list}});
}

std::string to_text(const std::vector<Answer>& answers, std::int64_t index) {
  std::string lines = index > 0 ? "\n" : "";
  for (const Answer& each : answers) {
    lines += escaped(each.text) + "\t";
    append_fixed(lines, static_cast<double>(each.score), 4);
    lines += "\t" + std::to_string(each.start) + "\t" + std::to_string(each.end) + "\n";
  }
  return lines;
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const std::string path = arguments.required("model");
  const RunOptions options = read_run_options(arguments);
  const QuestionAnswererOptions answering = read_options(arguments);
  const bool json = arguments.on("json");
  const bool one = arguments.given("question") || arguments.given("context");
  const std::optional<std::string> file = one ? std::nullopt : arguments.text("file");
  std::vector<std::string> asked;
  if (!file)
    asked = {json_line({{"question", arguments.required("question")}, {"context", arguments.required("context")}})};
  Inputs inputs(std::move(asked), file);
  const Engine engine(open_model(path, log), {.isa = options.isa});
  const QuestionAnswerer answerer(engine.model(), answering);
  Workspace workspace({.threads = options.threads});
  describe(engine, workspace, log);
  answer_inputs({.engine = engine,
                 .workspace = workspace,
                 .options = options,
                 .label = "answer",
                 .output = read_output(arguments),
                 .log = log},
                inputs, [&](const std::string& line, std::int64_t index) -> Question {
                  const Asked question = read_asked(line, inputs.place());
                  const std::vector<TokenWindow> windows = answerer.encode(question.question, question.context);
                  return {sequences_of(windows), [&, context = question.context, windows, index](const Tensor& logits) {
                            const std::vector<Answer> answers = answerer.decode(context, windows, logits);
                            return json ? to_json(answers, index) : to_text(answers, index);
                          }};
                });
  return 0;
}

}  // namespace

constinit const Command kAnswer = {"answer", "the parts of texts that answer questions", syntax, run};

}  // namespace octavo::tools

// `octavo classify` of texts and pairs of texts.
#include "cli/escaped.h"
#include "cli/json_line.h"
#include "cli/numbers.h"
#include "commands/answer_inputs.h"
#include "commands/classify.h"
#include "data/encoder.h"
#include "data/text_labels.h"

#include "octavo/error.h"
#include "octavo/text_tasks.h"

#include <algorithm>
#include <functional>

namespace octavo::tools {
namespace {

/// The name of a class of the model, or of a candidate.
using NameOf = std::function<std::string(int id)>;

std::string to_json(const std::vector<ClassScore>& scores, const NameOf& name, std::int64_t index) {
  ordered_json labels = ordered_json::array();
  for (const ClassScore& score : scores)
    labels.push_back({{"id", score.id}, {"label", name(score.id)}, {"score", score.score}});
  return json_line({{"index", index}, {"labels", labels}});
}

std::string to_text(const std::vector<ClassScore>& scores, const NameOf& name, const TextInput& input) {
  std::string text;
  for (const ClassScore& score : scores) {
    text += escaped(name(score.id)) + "\t";
    append_fixed(text, static_cast<double>(score.score), 4);
    text += "\t" + as_columns(input) + "\n";
  }
  return text;
}

/// What is common to a model's own classes and to candidates.
struct Classes {
  NameOf name;
  std::function<LabelReader()> labels;
  std::function<std::vector<Tokens>(const TextInput&, const std::string& place)> encode;
  std::function<std::vector<ClassScore>(const Tensor& logits)> decode;
};

Classes own_classes(const Model& model, Encoder& encoder, std::optional<int> count) {
  return {.name = [&](int id) { return label_of(model, id); },
          .labels = [&] { return LabelReader(model); },
          .encode = [&](const TextInput& input, const std::string&) { return std::vector{encoder.encode(input)}; },
          .decode = [&, count](const Tensor& logits) { return classes_of(model, logits, count)[0]; }};
}

Classes candidate_classes(const ZeroShotClassifier& classifier, std::optional<int> count, bool multi_label) {
  const std::size_t candidates = classifier.candidates().size();
  const std::size_t most = static_cast<std::size_t>(count.value_or(multi_label ? static_cast<int>(candidates) : 1));
  return {.name = [&](int id) { return classifier.candidates()[static_cast<std::size_t>(id)]; },
          .labels = [&] { return LabelReader(classifier.candidates()); },
          .encode =
              [&](const TextInput& input, const std::string& place) {
                if (input.pair) throw Error(place + ": has two texts, expected one beside --candidates");
                return classifier.encode(input.text);
              },
          .decode =
              [&, most](const Tensor& logits) {
                std::vector<ClassScore> scores = classifier.decode(logits);
                scores.resize(std::min(scores.size(), most));
                return scores;
              }};
}

/// --labels: which column holds them, and how well answers fit.
struct Labels {
  int column;
  LabelReader reader;
  LabelScore score;
};

std::optional<Labels> read_labels(const Arguments& arguments, const Classes& classes, Inputs& inputs) {
  const std::optional<std::string> flag = arguments.text("labels");
  if (!flag) return {};
  if (!arguments.text("file") || arguments.text("prompt"))
    throw UsageError("--labels is a column of the texts in --file, expected that alone");
  LabelReader reader = classes.labels();
  const int column = column_of(*flag, inputs.reader());
  return Labels{.column = column, .reader = reader, .score = LabelScore(reader.numbers())};
}

}  // namespace

void classify_texts(const Arguments& arguments, const ClassifySettings& settings, Engine engine, const Log& log) {
  const Model& model = engine.model();
  require_task(model, TextTask::sequence_classification);
  const std::optional<std::int64_t> max_length = read_max_length(arguments);
  const std::vector<int> columns = read_columns(arguments);
  const std::vector<std::string> candidates = read_list(arguments, "candidates");
  Encoder encoder(model, max_length);
  std::optional<ZeroShotClassifier> zero_shot;
  if (!candidates.empty()) {
    zero_shot.emplace(model, candidates,
                      ZeroShotOptions{.hypothesis = *arguments.text("hypothesis"),
                                      .multi_label = arguments.on("multi-label"),
                                      .max_length = encoder.max_length()});
  }
  const Classes classes = zero_shot ? candidate_classes(*zero_shot, settings.top_k, arguments.on("multi-label"))
                                    : own_classes(model, encoder, settings.top_k);
  Workspace workspace({.threads = settings.run.threads});
  describe(engine, workspace, log);
  Inputs inputs = read_inputs(arguments);
  std::optional<Labels> labels = read_labels(arguments, classes, inputs);
  const auto last = [&]() -> std::string {
    if (!labels) return "";
    log.say(labels->score.text());
    return settings.json ? json_line(labels->score.json()) : "";
  };
  answer_inputs({.engine = engine,
                 .workspace = workspace,
                 .options = settings.run,
                 .label = "classify",
                 .output = settings.output,
                 .log = log,
                 .last = last},
                inputs, [&](const std::string& line, std::int64_t index) -> Question {
                  const std::string place = inputs.place();
                  TextInput input;
                  double label = 0.0;
                  if (labels) {
                    LabelledInput found = read_labelled_input(line, columns, labels->column, place);
                    label = labels->reader.read(found.label, place);
                    input = std::move(found.input);
                  } else {
                    input = read_text_input(line, columns, place);
                  }
                  return {classes.encode(input, place), [&, input, index, label](const Tensor& logits) {
                            const std::vector<ClassScore> scores = classes.decode(logits);
                            if (labels) labels->score.add(scores.at(0), label);
                            return settings.json ? to_json(scores, classes.name, index)
                                                 : to_text(scores, classes.name, input);
                          }};
                });
  encoder.report_truncated(log);
}

}  // namespace octavo::tools

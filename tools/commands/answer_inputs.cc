#include "commands/answer_inputs.h"

#include "cli/output.h"
#include "cli/progress.h"

#include <algorithm>
#include <unistd.h>

namespace octavo::tools {
namespace {

/// Of an output whose rows are sequences or tokens.
GroupedBatches::Rows rows_of_logits(const ModelInfo& info) {
  const auto logits = std::ranges::find(info.outputs, "logits", &OutputInfo::name);
  const bool per_sequence = logits != info.outputs.end() && logits->rows == RowKind::sequence;
  return [per_sequence](const Tokens& tokens) { return per_sequence ? 1 : tokens.ids.size(); };
}

}  // namespace

void answer_inputs(const TaskRun& task, Inputs& inputs,
                   const std::function<Question(const std::string& line, std::int64_t index)>& ask) {
  Output output(task.output);
  const bool is_terminal = task.output.empty() && ::isatty(STDOUT_FILENO) != 0;  // the answer shows how far things are
  Progress progress(task.label, is_terminal ? Log(Verbosity::quiet) : task.log);
  const GroupedBatches::Run run =
      task.run ? task.run : [&](const TokenBatch& batch) { return task.engine.logits(batch, task.workspace); };
  GroupedBatches batches(task.options.batch, run, task.rows ? task.rows : rows_of_logits(task.engine.model().info()));
  std::int64_t index = 0, done = 0;
  while (const std::optional<std::string> line = inputs.next()) {
    Question question = ask(*line, index++);
    batches.add(std::move(question.sequences), [&, answer = std::move(question.answer)](const Tensor& rows) {
      output.write(answer(rows));
      output.flush();
      progress.update(++done, inputs.fraction());
    });
  }
  batches.finish();
  if (task.last) output.write(task.last());
  output.commit();
}

std::vector<Tokens> sequences_of(const std::vector<TokenWindow>& windows) {
  std::vector<Tokens> sequences;
  for (const TokenWindow& window : windows) sequences.push_back(window.tokens);
  return sequences;
}

std::optional<int> read_window(const Arguments& arguments, const std::string& flag) {
  const std::optional<std::int64_t> tokens = arguments.integer(flag, flag == "stride" ? 0 : 1, 65536);
  return tokens ? std::optional(static_cast<int>(*tokens)) : std::nullopt;
}

std::vector<std::string> read_list(const Arguments& arguments, const std::string& flag) {
  const std::string text = arguments.text(flag).value_or("");
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    const std::size_t first = word.find_first_not_of(' '), last = word.find_last_not_of(' ');
    if (first == std::string::npos)
      throw UsageError("--" + flag + " is '" + text + "', expected words with commas between them");
    words.push_back(word.substr(first, last - first + 1));
    begin = end + 1;
  }
  return words;
}

std::vector<int> read_columns(const Arguments& arguments) {
  std::vector<int> columns;
  for (const std::int64_t column : arguments.integers("column", 1, 1'000'000))
    columns.push_back(static_cast<int>(column));
  return columns;
}

}  // namespace octavo::tools

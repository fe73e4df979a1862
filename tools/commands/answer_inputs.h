// What the commands of text tasks have in common: inputs become sequences, batches run, answers are written in order.
#pragma once

#include "cli/log.h"
#include "commands/common_flags.h"
#include "data/grouped_batches.h"
#include "data/input.h"

#include "octavo/engine.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace octavo::tools {

/// An input that is ready to run.
struct Question {
  std::vector<Tokens> sequences;
  std::function<std::string(const Tensor& rows)> answer;  ///< the text to write, of the rows of its sequences
};

struct TaskRun {
  const Engine& engine;
  Workspace& workspace;
  const RunOptions& options;
  std::string label;   ///< of the progress bar
  std::string output;  ///< --output
  const Log& log;
  GroupedBatches::Run run = {};            ///< by default Engine::logits()
  GroupedBatches::Rows rows = {};          ///< by default as many as these logits have
  std::function<std::string()> last = {};  ///< what is written behind all answers
};

/// Writes the answer to every input. `ask` gets a line and how many came before it.
void answer_inputs(const TaskRun& task, Inputs& inputs,
                   const std::function<Question(const std::string& line, std::int64_t index)>& ask);

/// The sequences of windows.
std::vector<Tokens> sequences_of(const std::vector<TokenWindow>& windows);

/// --column, from 1.
std::vector<int> read_columns(const Arguments& arguments);

/// Tokens of a window or of what two windows have in common; nothing when the flag is not given.
std::optional<int> read_window(const Arguments& arguments, const std::string& flag);

/// What stands between the commas of a flag's value, without spaces around it.
std::vector<std::string> read_list(const Arguments& arguments, const std::string& flag);

}  // namespace octavo::tools

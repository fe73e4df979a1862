// Which subcommands are there?
#include "commands/commands.h"

namespace octavo::tools {

std::span<const Command* const> all_commands() {
  static constexpr const Command* kCommands[] = {&kCalibrate, &kAnalyze, &kEmbed,    &kClassify,   &kRank,      &kTag,
                                                 &kAnswer,    &kFill,    &kGenerate, &kPerplexity, &kTokenize,  &kRun,
                                                 &kBench,     &kInfo,    &kSelftest, &kManual,     &kCompletion};
  return kCommands;
}

}  // namespace octavo::tools

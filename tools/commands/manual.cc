// `octavo manual` and `octavo completion`: what man and shells read about the command.
#include "cli/manual.h"

#include "cli/output.h"
#include "commands/commands.h"

#include <algorithm>

namespace octavo::tools {
namespace {

std::vector<Subcommand> subcommands() {
  std::vector<Subcommand> result;
  for (const Command* command : all_commands()) result.push_back({command->name, command->about, command->syntax()});
  return result;
}

int print(const std::string& text) {
  Output output;
  output.write(text);
  output.commit();
  return 0;
}

Syntax manual_syntax() {
  return {.usage = "[SUBCOMMAND]",
          .about = "Prints the manual page of the command, or of a subcommand, as man reads it.",
          .example = "octavo manual calibrate | man -l -",
          .flags = {},
          .max_positionals = 1};
}

int run_manual(const Arguments& arguments) {
  const std::vector<Subcommand> all = subcommands();
  if (arguments.positionals().empty()) return print(manual(all));
  const std::string& name = arguments.positionals()[0];
  const auto found = std::ranges::find(all, name, &Subcommand::name);
  if (found == all.end()) throw UsageError("unknown subcommand '" + name + "'");
  return print(manual(*found));
}

Syntax completion_syntax() {
  return {.usage = "bash|zsh|fish",
          .about = "Prints what a shell reads to complete the command: its subcommands, their flags, and files.",
          .example = "octavo completion bash > ~/.local/share/bash-completion/completions/octavo",
          .flags = {},
          .max_positionals = 1};
}

int run_completion(const Arguments& arguments) {
  if (arguments.positionals().empty()) throw UsageError("the name of a shell is missing: bash, zsh or fish");
  const std::string& name = arguments.positionals()[0];
  for (const auto& [shell, word] : {std::pair{Shell::bash, "bash"}, {Shell::zsh, "zsh"}, {Shell::fish, "fish"}}) {
    if (name == word) return print(completion(shell, subcommands()));
  }
  throw UsageError("'" + name + "' is not a shell that is known, expected bash, zsh or fish");
}

}  // namespace

constinit const Command kManual = {"manual", "the manual page of the command or of a subcommand", manual_syntax,
                                   run_manual};
constinit const Command kCompletion = {"completion", "completions of a shell", completion_syntax, run_completion};

}  // namespace octavo::tools

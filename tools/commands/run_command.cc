// Which subcommand runs, and what its errors become: a line on stderr and an exit code.
#include "commands/run_command.h"

#include "cli/interrupt.h"
#include "cli/output.h"
#include "commands/commands.h"

#include "octavo/version.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>

namespace octavo::tools {
namespace {

enum ExitCode { kFailed = 1, kWrongUsage = 2 };

std::string general_help() {
  std::string text =
      "octavo runs BERT, OPT and ViT models in 8-bit integers on x86 CPUs.\n\n"
      "Usage:\n  octavo SUBCOMMAND [OPTION...]\n\nSubcommands:\n";
  for (const Command* command : all_commands()) {
    std::string name = command->name;
    name.resize(12, ' ');
    text += "  " + name + command->about + "\n";
  }
  return text +
         "\n'octavo SUBCOMMAND --help' explains each one; 'octavo --version' prints the version.\n\n"
         "Example:\n  octavo calibrate my-model/ -d sentences.txt -o my-model.octavo\n"
         "  octavo embed -m my-model.octavo -p \"A sentence.\" -p \"Another one.\" --similarity\n"
         "  octavo generate -m my-opt.octavo -p \"The city of\" -n 50\n"
         "  octavo classify -m my-vit.octavo --image picture.jpg\n"
         "  octavo answer -m my-qa.octavo --question \"Who wrote it?\" --context \"Mary Shelley wrote it in 1818.\"\n";
}

int print(const std::string& text) {
  Output output;
  output.write(text);
  output.commit();
  return 0;
}

int fail_usage(const std::string& message, const std::string& command) {
  std::fprintf(stderr, "octavo: %s; see 'octavo %s--help'\n", message.c_str(), command.c_str());
  return kWrongUsage;
}

int run(const Command& command, int argc, const char* const* argv) {
  try {
    const Syntax syntax = command.syntax();
    const Arguments arguments = parse(syntax, argc, argv);
    if (arguments.help()) return print(help(syntax, command.name));
    return command.run(arguments);
  } catch (const UsageError& error) {
    return fail_usage(error.what(), std::string(command.name) + " ");
  }
}

int dispatch(int argc, const char* const* argv) {
  if (argc < 2) return fail_usage("a subcommand is missing", "");
  const std::string word = argv[1];
  if (word == "--help" || word == "-h") return print(general_help());
  if (word == "--version") return print("octavo " OCTAVO_VERSION "\n");
  const std::span<const Command* const> commands = all_commands();
  const auto command =
      std::find_if(commands.begin(), commands.end(), [&](const Command* each) { return word == each->name; });
  if (command != commands.end()) return run(**command, argc - 1, argv + 1);
  if (word[0] == '-') return fail_usage("option '" + word + "' stands before the subcommand", "");
  return fail_usage("unknown subcommand '" + word + "'", "");
}

int fail(const char* message) {
  std::fprintf(stderr, "octavo: %s\n", message);
  return kFailed;
}

int guarded_dispatch(int argc, const char* const* argv) {
  try {
    return dispatch(argc, argv);
  } catch (const BrokenPipe&) {
    return kFailed;  // who reads the answer has gone, and knows
  } catch (const std::bad_alloc&) {
    return fail("out of memory");
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}

}  // namespace

int run_command(int argc, const char* const* argv) {
  handle_interrupts();
  return guarded_dispatch(argc, argv);
}

}  // namespace octavo::tools

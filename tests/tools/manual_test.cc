// Manual pages and completions say what the tables of flags say.
#include "cli/manual.h"

#include "commands/commands.h"
#include "tests/support/support.h"

namespace octavo::tools {
namespace {

std::vector<Subcommand> subcommands() {
  std::vector<Subcommand> all;
  for (const Command* command : all_commands()) all.push_back({command->name, command->about, command->syntax()});
  return all;
}

std::string long_name(const Flag& flag) { return flag.names.substr(flag.names.find(',') + 1); }

/// As pages write it.
std::string escaped(const std::string& name) {
  std::string result;
  for (const char c : name) result += c == '-' ? "\\-" : std::string(1, c);
  return result;
}

}  // namespace

TEST_CASE("a page has every flag of its subcommand, and octavo(1) every subcommand") {
  const std::string whole = manual(subcommands());
  for (const Subcommand& each : subcommands()) {
    CHECK_THAT(whole, Catch::Contains(".BR octavo\\-" + each.name + " (1)"));
    const std::string page = manual(each);
    for (const Flag& flag : each.syntax.flags) {
      INFO(each.name << " " << flag.names);
      CHECK_THAT(page, Catch::Contains("\\fB\\-\\-" + escaped(long_name(flag)) + "\\fR"));
    }
  }
}

TEST_CASE("completions of every shell have every subcommand and flag") {
  for (const Shell shell : {Shell::bash, Shell::zsh, Shell::fish}) {
    const std::string script = completion(shell, subcommands());
    const std::string before = shell == Shell::fish ? "-l " : "--";
    for (const Subcommand& each : subcommands()) {
      for (const Flag& flag : each.syntax.flags) {
        INFO(each.name << " " << flag.names);
        CHECK_THAT(script, Catch::Contains(each.name));
        CHECK_THAT(script, Catch::Contains(before + long_name(flag)));
      }
    }
  }
}

TEST_CASE("text that troff would read as a request, and backslashes, stay text") {
  const Subcommand odd{
      "odd", "a - b", {.usage = "", .about = ".SH no request\n'nor this\\n", .example = "x", .flags = {}}};
  const std::string page = manual(odd);
  CHECK_THAT(page, Catch::Contains("\n\\&.SH no request\n\\&'nor this\\en\n"));
}

TEST_CASE("a flag that takes a file completes files, and one that takes a number does not") {
  const std::string script = completion(Shell::bash, subcommands());
  const std::size_t embed = script.find("    embed)"), end = script.find(";;", embed);
  const std::string own = script.substr(embed, end - embed);
  const std::string files = own.substr(own.find("files="), own.find("values=") - own.find("files="));
  CHECK_THAT(files, Catch::Contains("--model"));
  CHECK_THAT(files, !Catch::Contains("--threads"));
  CHECK_THAT(own.substr(own.find("values=")), Catch::Contains("--threads"));
}

}  // namespace octavo::tools

#include "cli/manual.h"

#include "octavo/version.h"

namespace octavo::tools {
namespace {

/// Text that troff takes as it stands.
std::string plain(const std::string& text) {
  std::string result;
  bool first = true;  // of a line, where . and ' begin a request
  for (const char c : text) {
    if (first && (c == '.' || c == '\'')) result += "\\&";
    first = c == '\n';
    if (c == '\\')
      result += "\\e";
    else if (c == '-')
      result += "\\-";
    else
      result += c;
  }
  return result;
}

std::string bold(const std::string& text) { return "\\fB" + plain(text) + "\\fR"; }
std::string italic(const std::string& text) { return "\\fI" + plain(text) + "\\fR"; }

std::string heading(const std::string& name, const std::string& about) {
  std::string title = name;
  for (char& c : title) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return ".TH " + title + " 1 \"\" \"octavo " OCTAVO_VERSION "\" \"User Commands\"\n.SH NAME\n" + plain(name) +
         " \\- " + plain(about) + "\n";
}

std::string section(const std::string& title, const std::string& text) { return ".SH " + title + "\n" + text + "\n"; }

/// Lines that keep their breaks.
std::string verbatim(const std::string& text) { return ".nf\n" + plain(text) + "\n.fi"; }

std::string option(const Flag& flag) {
  std::string names;
  if (const std::size_t comma = flag.names.find(','); comma != std::string::npos)
    names = bold("-" + flag.names.substr(0, comma)) + ", ";
  names += bold("--" + flag.names.substr(flag.names.find(',') + 1));
  if (!flag.argument.empty()) names += " " + italic(flag.argument);
  const std::string fallback = flag.fallback.empty() ? "" : " (default: " + flag.fallback + ")";
  return ".TP\n" + names + "\n" + plain(flag.description + fallback) + "\n";
}

constexpr const char* kEnvironment =
    "Each long flag can also come from the environment: \\fB\\-\\-batch\\-size\\fR from \\fBOCTAVO_BATCH_SIZE\\fR. A "
    "flag wins.";
constexpr const char* kExitStatus =
    ".TP\n0\ndone\n.TP\n1\nan error, which a line on standard error names\n.TP\n2\nwrong usage";

}  // namespace

std::string manual(const std::vector<Subcommand>& subcommands) {
  std::string list, pages;
  for (const Subcommand& each : subcommands) {
    list += ".TP\n" + bold(each.name) + "\n" + plain(each.about) + "\n";
    pages += (pages.empty() ? "" : ",\n") + std::string(".BR octavo\\-") + plain(each.name) + " (1)";
  }
  return heading("octavo", "BERT, OPT and ViT models in 8-bit integers on x86 CPUs") +
         section("SYNOPSIS", bold("octavo") + " " + italic("SUBCOMMAND") + " [" + italic("OPTION") + "...]") +
         section("DESCRIPTION",
                 "Makes INT8 files of transformer checkpoints and runs them. Each subcommand has a page of its own.\n" +
                     list) +
         section("ENVIRONMENT", kEnvironment) + section("EXIT STATUS", kExitStatus) + section("SEE ALSO", pages);
}

std::string manual(const Subcommand& subcommand) {
  const Syntax& syntax = subcommand.syntax;
  std::string options;
  for (const Flag& flag : syntax.flags) options += option(flag);
  return heading("octavo-" + subcommand.name, subcommand.about) +
         section("SYNOPSIS", bold("octavo " + subcommand.name) + " " + plain(syntax.usage)) +
         section("DESCRIPTION", plain(syntax.about)) +
         section("OPTIONS", options + option({"h,help", "print a help"})) + section("ENVIRONMENT", kEnvironment) +
         section("EXIT STATUS", kExitStatus) + section("EXAMPLES", verbatim(syntax.example)) +
         section("SEE ALSO", ".BR octavo (1)");
}

}  // namespace octavo::tools

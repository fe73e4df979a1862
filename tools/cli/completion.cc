// Completions of shells: subcommands, their flags, and files where a flag takes one.
#include "cli/manual.h"

#include <algorithm>

namespace octavo::tools {
namespace {

struct Names {
  std::string brief;  ///< one letter, or empty
  std::string whole;
};

Names names_of(const Flag& flag) {
  const std::size_t comma = flag.names.find(',');
  if (comma == std::string::npos) return {.brief = "", .whole = flag.names};
  return {.brief = flag.names.substr(0, comma), .whole = flag.names.substr(comma + 1)};
}

bool takes_file(const Flag& flag) {
  return std::ranges::any_of(std::initializer_list<const char*>{"FILE", "PATH", "DIR"},
                             [&](const char* word) { return flag.argument.find(word) != std::string::npos; });
}

/// What stands on one line, up to a semicolon or a parenthesis that explains more, with `escaped` behind backslashes.
std::string brief_text(const std::string& text, const std::string& escaped) {
  std::string result;
  for (const char c : text.substr(0, std::min({text.find(';'), text.find(" ("), text.find('\n')}))) {
    if (escaped.find(c) != std::string::npos) result += '\\';
    result += c;
  }
  return result;
}

Flags with_help(const Subcommand& subcommand) { return join({subcommand.syntax.flags, {{"h,help", "print a help"}}}); }

/// Words of a subcommand's flags that `counts` picks, with blanks between.
template <typename Counts>
std::string words(const Subcommand& subcommand, Counts counts) {
  std::string result;
  for (const Flag& flag : with_help(subcommand)) {
    if (!counts(flag)) continue;
    const Names names = names_of(flag);
    if (!names.brief.empty()) result += " -" + names.brief;
    result += " --" + names.whole;
  }
  return result.empty() ? result : result.substr(1);
}

std::string bash(const std::vector<Subcommand>& subcommands) {
  std::string all, cases;
  for (const Subcommand& each : subcommands) {
    all += each.name + " ";
    cases += "    " + each.name + ")\n      flags='" + words(each, [](const Flag&) { return true; }) +
             "'\n      files='" + words(each, takes_file) + "'\n      values='" +
             words(each, [](const Flag& flag) { return !flag.argument.empty() && !takes_file(flag); }) + "' ;;\n";
  }
  return "# Completions of octavo for bash.\n"
         "_octavo() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} flags='' files='' values=''\n"
         "  COMPREPLY=()\n"
         "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W '" +
         all +
         "--help --version' -- \"$word\")\n"
         "    return\n"
         "  fi\n"
         "  case ${COMP_WORDS[1]} in\n" +
         cases +
         "  esac\n"
         "  case \" $values \" in *\" $before \"*) return ;; esac\n"
         "  case \" $files \" in *\" $before \"*) flags='' ;; esac\n"
         "  if [ -n \"$flags\" ] && [[ $word == -* ]]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$word\")\n"
         "  else\n"
         "    mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
         "    compopt -o filenames 2>/dev/null\n"
         "  fi\n"
         "}\n"
         "complete -F _octavo octavo\n";
}

std::string zsh(const std::vector<Subcommand>& subcommands) {
  const std::string escaped = "[]:'\\";
  const auto quoted = [](const std::string& text) {
    std::string result = "'";
    for (const char c : text) result += c == '\'' ? "'\\''" : std::string(1, c);
    return result + "'";
  };
  std::string list, cases;
  for (const Subcommand& each : subcommands) {
    list += "    " + quoted(each.name + ":" + brief_text(each.about, ":\\")) + "\n";
    cases += "    " + each.name + ")\n      _arguments";
    for (const Flag& flag : with_help(each)) {
      const Names names = names_of(flag);
      const std::string value =
          flag.argument.empty() ? ""
                                : ":" + brief_text(flag.argument, escaped) + ":" + (takes_file(flag) ? "_files" : " ");
      const std::string rest = "[" + brief_text(flag.description, "[]\\") + "]" + value;
      for (const std::string& word : {names.brief.empty() ? "" : "-" + names.brief, "--" + names.whole})
        if (!word.empty()) cases += " \\\n        " + quoted("*" + word + rest);
    }
    cases += " \\\n        '*:file:_files' ;;\n";
  }
  return "#compdef octavo\n"
         "# Completions of octavo for zsh.\n"
         "_octavo() {\n"
         "  local -a subcommands=(\n" +
         list +
         "  )\n"
         "  if (( CURRENT == 2 )); then\n"
         "    _describe subcommand subcommands\n"
         "    return\n"
         "  fi\n"
         "  local subcommand=$words[2]\n"
         "  shift words\n"
         "  (( CURRENT-- ))\n"
         "  case $subcommand in\n" +
         cases +
         "  esac\n"
         "}\n"
         "_octavo \"$@\"\n";
}

std::string fish(const std::vector<Subcommand>& subcommands) {
  const auto quoted = [](const std::string& text) { return "'" + brief_text(text, "'\\") + "'"; };
  std::string result = "# Completions of octavo for fish.\n";
  for (const Subcommand& each : subcommands)
    result += "complete -c octavo -n __fish_use_subcommand -f -a " + each.name + " -d " + quoted(each.about) + "\n";
  for (const Subcommand& each : subcommands) {
    for (const Flag& flag : with_help(each)) {
      const Names names = names_of(flag);
      result += "complete -c octavo -n '__fish_seen_subcommand_from " + each.name + "'" +
                (names.brief.empty() ? "" : " -s " + names.brief) + " -l " + names.whole +
                (flag.argument.empty() ? ""
                 : takes_file(flag)    ? " -r -F"
                                       : " -x") +
                " -d " + quoted(flag.description) + "\n";
    }
  }
  return result;
}

}  // namespace

std::string completion(Shell shell, const std::vector<Subcommand>& subcommands) {
  switch (shell) {
    case Shell::bash:
      return bash(subcommands);
    case Shell::zsh:
      return zsh(subcommands);
    case Shell::fish:
      return fish(subcommands);
  }
  return "";
}

}  // namespace octavo::tools

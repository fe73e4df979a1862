// Manual pages and completions of shells, made from the tables that the command reads its flags by.
#pragma once

#include "cli/options.h"

#include <string>
#include <vector>

namespace octavo::tools {

/// A subcommand as a page or a completion shows it.
struct Subcommand {
  std::string name, about;
  Syntax syntax;
};

enum class Shell { bash, zsh, fish };

/// A script for the shell to read.
std::string completion(Shell shell, const std::vector<Subcommand>& subcommands);

/// octavo(1) in troff's man macros.
std::string manual(const std::vector<Subcommand>& subcommands);

/// octavo-NAME(1).
std::string manual(const Subcommand& subcommand);

}  // namespace octavo::tools

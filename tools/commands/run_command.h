// The command as a whole.
#pragma once

namespace octavo::tools {

/// Runs `octavo` with the words of a command line, argv[0] its own name, as a process does that has nothing else to do:
/// answers go to standard output, errors to standard error, interrupts end the process. Gives the exit code.
int run_command(int argc, const char* const* argv);

}  // namespace octavo::tools

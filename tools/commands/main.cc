// The program.
#include "commands/run_command.h"

int main(int argc, char** argv) { return octavo::tools::run_command(argc, argv); }

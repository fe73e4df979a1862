// The test program's main, for Catch2 2 (Debian 12) and 3, and the one file that knows where the project lies.
#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
#else
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif

#include "tests/support/support.h"

std::filesystem::path octavo::test::source_dir() { return OCTAVO_SOURCE_DIR; }

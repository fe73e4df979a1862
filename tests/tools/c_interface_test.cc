// The C interface as C programs use it: tests/c/every_call.c, compiled as C99 and as C++.
#include "cli/npy.h"
#include "tests/tools/tiny_models.h"

#include <array>
#include <cstdio>
#include <sstream>
#include <sys/wait.h>

using namespace octavo;
using namespace octavo::test;

namespace {

struct Ended {
  std::string output;
  int code = 0;
};

Ended run_program(const std::string& command) {
  Ended ended;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe);
  std::array<char, 4096> part{};
  while (const std::size_t count = std::fread(part.data(), 1, part.size(), pipe))
    ended.output.append(part.data(), count);
  ended.code = WEXITSTATUS(::pclose(pipe));
  return ended;
}

}  // namespace

TEST_CASE("every function of the C interface does what it says, from C and from C++, and what is wrong is named") {
  const TinyModels models;
  for (const char* program : {"every_call_c99", "every_call_cxx"}) {
    INFO(program);
    const Ended ended = run_program((build_dir() / program).string() + " " + models.folder());
    REQUIRE(ended.code == 0);
    const Tensor command = read_npy(models.folder() + "/two.npy");  // by octavo embed
    std::istringstream numbers(ended.output);
    for (const float expected : command.as<float>()) {
      std::string number;
      numbers >> number;
      REQUIRE(std::stof(number) == expected);
    }
  }
}

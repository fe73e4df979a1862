// `octavo selftest`: whether every kernel of every instruction set gives the scalar result on this machine.
#include "cli/output.h"
#include "commands/commands.h"
#include "commands/common_flags.h"

#include "octavo/engine.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <vector>

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {{"s,seed", "seed of the random inputs", "N", "0"}};
  return {.usage = "[OPTION...]",
          .about =
              "Runs every kernel of every instruction set of this CPU on random and extreme inputs and compares with\n"
              "the scalar definition, byte for byte. Exit code 1 when any differs.",
          .example = "octavo selftest",
          .flags = join({own, output_flags(), verbosity_flags()})};
}

std::string to_text(const std::vector<SelfTestResult>& results) {
  std::string text = "isa          kernel                           cases  mismatches\n";
  for (const SelfTestResult& result : results) {
    char line[256];
    std::snprintf(line, sizeof(line), "%-12s %-30s %7d  %10d\n", result.isa.c_str(), result.kernel.c_str(),
                  result.cases, result.mismatches);
    text += line;
  }
  return text;
}

std::string to_json(const std::vector<SelfTestResult>& results) {
  std::string text;
  for (const SelfTestResult& result : results) {
    const nlohmann::ordered_json object = {
        {"isa", result.isa}, {"kernel", result.kernel}, {"cases", result.cases}, {"mismatches", result.mismatches}};
    text += object.dump() + "\n";
  }
  return text;
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const bool json = arguments.on("json");
  const auto seed = static_cast<unsigned>(*arguments.integer("seed", 0, std::numeric_limits<unsigned>::max()));
  Output output(read_output(arguments));
  const std::vector<SelfTestResult> results = self_test(seed);
  output.write(json ? to_json(results) : to_text(results));
  output.commit();

  const auto failed =
      std::count_if(results.begin(), results.end(), [](const SelfTestResult& each) { return each.mismatches > 0; });
  if (failed > 0) {
    std::fprintf(stderr, "octavo: %ld of %zu kernels differ from the scalar definition on this machine\n",
                 static_cast<long>(failed), results.size());
    return 1;
  }
  log.detail(std::to_string(results.size()) + " kernels agree with the scalar definition");
  return 0;
}

}  // namespace

constinit const Command kSelftest = {"selftest", "every kernel of every instruction set against scalar", syntax, run};

}  // namespace octavo::tools

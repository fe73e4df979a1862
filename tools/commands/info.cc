// `octavo info`: what is in a model, or what this machine can run.
#include "cli/output.h"
#include "commands/commands.h"
#include "commands/common_flags.h"
#include "data/open_model.h"

#include "octavo/engine.h"
#include "octavo/version.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace octavo::tools {
namespace {

Syntax syntax() {
  return {.usage = "[-m MODEL] [OPTION...]",
          .about =
              "With a model: its ops, encodings, softmax and gates, and sizes. Without: this machine's CPU, the\n"
              "instruction sets that octavo can use on it and why others are not available, and threads.",
          .example = "octavo info -m model.octavo",
          .flags = join({model_flags(), output_flags(), verbosity_flags()})};
}

std::string machine_json() {
  nlohmann::ordered_json object = {{"version", OCTAVO_VERSION}, {"cpu", cpu_name()}, {"threads", default_threads()}};
  auto& isas = object["isas"] = nlohmann::ordered_json::array();
  for (const IsaInfo& isa : isa_report()) {
    isas.push_back({{"name", isa.name}, {"available", isa.available}, {"reason", isa.reason}});
  }
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string machine_text() {
  std::string text = "octavo   " OCTAVO_VERSION "\nCPU      " + cpu_name() + "\nthreads  " +
                     std::to_string(default_threads()) + "\n\ninstruction sets, best first\n";
  bool best = true;
  for (const IsaInfo& isa : isa_report()) {
    std::string name = isa.name;
    name.resize(std::max<std::size_t>(name.size(), 12), ' ');
    text += "  " + name + " " + (isa.available ? (best ? "available, used" : "available") : isa.reason) + "\n";
    if (isa.available) best = false;
  }
  return text;
}

std::string model_text(const std::string& path, bool json, const Log& log) {
  const Model model = open_model(path, log);
  return json ? model.summary_json() : model.summary();
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const bool json = arguments.on("json");
  const std::optional<std::string> model = arguments.text("model");
  Output output(read_output(arguments));
  std::string text = model ? model_text(*model, json, log) : json ? machine_json() : machine_text();
  if (!text.ends_with('\n')) text += '\n';
  output.write(text);
  output.commit();
  return 0;
}

}  // namespace

constinit const Command kInfo = {"info", "what is in a model, or what this machine can run", syntax, run};

}  // namespace octavo::tools

#include "report/sublayers_report.h"

#include "cli/numbers.h"

namespace octavo::tools {
namespace {

using Json = nlohmann::ordered_json;

Json step_json(const RemovedSublayer& step) {
  return {{"name", step.sublayer.name},
          {"kind", name_of(step.sublayer.kind)},
          {"layer", step.sublayer.layer},
          {"distance", step.distance},
          {"work", step.work}};
}

}  // namespace

std::string sublayers_text(const SublayerChoice& choice) {
  return std::to_string(choice.removed.size()) + " of " + std::to_string(choice.sublayers) + " sublayers";
}

std::string sublayer_text(const Sublayer& sublayer) {
  return name_of(sublayer.kind) + std::string(" of layer ") + std::to_string(sublayer.layer) + ", " + sublayer.name;
}

std::string to_text(const SublayerChoice& choice) {
  std::string text = "  removed        " + sublayers_text(choice) +
                     "; 1 - cosine to the whole model, both in float32 on calibration samples:\n";
  const auto line = [](const RemovedSublayer& step, const std::string& before) {
    return "    " + fixed(step.distance, 6) + "  " + fixed(step.work, 2) + " x the multiply-adds, " + before +
           sublayer_text(step.sublayer) + "\n";
  };
  for (const RemovedSublayer& step : choice.removed) text += line(step, "without ");
  if (choice.next) text += line(*choice.next, "too far: without ");
  return text;
}

Json to_json(const SublayerChoice& choice) {
  Json removed = Json::array();
  for (const RemovedSublayer& step : choice.removed) removed.push_back(step_json(step));
  return {{"sublayers", choice.sublayers},
          {"removed", removed},
          {"next", choice.next ? step_json(*choice.next) : Json(nullptr)}};
}

}  // namespace octavo::tools

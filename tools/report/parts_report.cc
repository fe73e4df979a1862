#include "report/parts_report.h"

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

Json to_json(const SublayerChoice& choice) {
  Json removed = Json::array();
  for (const RemovedSublayer& step : choice.removed) removed.push_back(step_json(step));
  return {{"sublayers", choice.sublayers},
          {"removed", removed},
          {"next", choice.next ? step_json(*choice.next) : Json(nullptr)}};
}

Json to_json(const PartChoice& choice) {
  Json removed = Json::array();
  for (const RemovedParts& step : choice.removed)
    removed.push_back({{"name", step.sublayer.name},
                       {"kind", name_of(step.sublayer.kind)},
                       {"layer", step.sublayer.layer},
                       {"count", step.count},
                       {"distance", step.distance},
                       {"work", step.work}});
  return {{"heads", choice.heads}, {"neurons", choice.neurons}, {"removed", removed}};
}

/// "2 of 12 sublayers".
std::string sublayers_text(const SublayerChoice& choice) {
  return std::to_string(choice.removed.size()) + " of " + std::to_string(choice.sublayers) + " sublayers";
}

/// "18 of 72 heads and 2304 of 9216 neurons".
std::string parts_text(const PartChoice& choice) {
  int heads = 0, neurons = 0;
  for (const RemovedParts& step : choice.removed)
    (step.sublayer.kind == SublayerKind::attention ? heads : neurons) += step.count;
  std::string text;
  if (heads > 0) text = std::to_string(heads) + " of " + std::to_string(choice.heads) + " heads";
  if (neurons > 0)
    text +=
        (text.empty() ? "" : " and ") + std::to_string(neurons) + " of " + std::to_string(choice.neurons) + " neurons";
  return text.empty() ? "no heads or neurons" : text;
}

/// "attention of layer 4, encoder.layer.4.attention.output.dense".
std::string sublayer_text(const Sublayer& sublayer) {
  return name_of(sublayer.kind) + std::string(" of layer ") + std::to_string(sublayer.layer) + ", " + sublayer.name;
}

std::string step_text(const RemovedParts& step) {
  return std::to_string(step.count) +
         (step.sublayer.kind == SublayerKind::attention ? (step.count == 1 ? " head of " : " heads of ")
                                                        : " neurons of ") +
         sublayer_text(step.sublayer);
}

std::string line(double distance, double work, const std::string& what) {
  return "    " + fixed(distance, 6) + "  " + fixed(work, 2) + " x the multiply-adds, " + what + "\n";
}

std::string html_row(const std::string& what, double distance, double work) {
  return "<tr><td>" + what + "</td><td>" + fixed(distance, 6) + "</td><td>" + fixed(work, 2) + " x</td></tr>\n";
}

}  // namespace

std::string to_text(const PartsReport& report) {
  const std::string measure =
      report.by_points ? "; points lost by the whole model's measure, " : "; 1 - cosine to the whole model, ";
  std::string text;
  if (report.sublayers) {
    const SublayerChoice& choice = *report.sublayers;
    text += "  removed        " + sublayers_text(choice) + measure + "in float32 on calibration samples:\n";
    for (const RemovedSublayer& step : choice.removed)
      text += line(step.distance, step.work, "without " + sublayer_text(step.sublayer));
    if (choice.next)
      text +=
          line(choice.next->distance, choice.next->work, "too far: without " + sublayer_text(choice.next->sublayer));
  }
  if (report.parts) {
    text += "  removed        " + parts_text(*report.parts) + measure + "in float32 on calibration samples:\n";
    for (const RemovedParts& step : report.parts->removed)
      text += line(step.distance, step.work, "without " + step_text(step));
  }
  if (report.hard_attention_keys > 0)
    text += "  hard attention " + std::to_string(report.hard_attention_keys) + " keys in " +
            std::to_string(report.hard_attention_layers.size()) + " layers\n";
  if (report.outlier_lanes > 0)
    text += "  outlier lanes  " + std::to_string(report.outlier_lanes) + " neurons of each feed-forward network\n";
  return text;
}

void add_json(Json& object, const PartsReport& report, bool all) {
  if (all || report.sublayers) object["sublayers"] = report.sublayers ? to_json(*report.sublayers) : Json(nullptr);
  if (all || report.parts) object["parts"] = report.parts ? to_json(*report.parts) : Json(nullptr);
  if (all || !report.ffn_widths.empty())
    object["ffn_widths"] = report.ffn_widths.empty() ? Json(nullptr) : Json(report.ffn_widths);
  if (all || report.hard_attention_keys > 0)
    object["hard_attention"] = report.hard_attention_keys > 0 ? Json{{"keys", report.hard_attention_keys},
                                                                     {"layers", report.hard_attention_layers}}
                                                              : Json(nullptr);
  if (all || report.outlier_lanes > 0) object["outlier_lanes"] = report.outlier_lanes;
}

std::string to_html(const PartsReport& report) {
  const std::string head = std::string("</h2>\n<table><tr><th>on calibration samples</th><th>") +
                           (report.by_points ? "points lost" : "1 - cosine") + "</th><th>multiply-adds</th></tr>\n";
  std::string page;
  if (report.sublayers) {
    page += "</table>\n<h2>Without " + sublayers_text(*report.sublayers) + head;
    for (const RemovedSublayer& step : report.sublayers->removed)
      page += html_row(sublayer_text(step.sublayer), step.distance, step.work);
  }
  if (report.parts) {
    page += "</table>\n<h2>Without " + parts_text(*report.parts) + head;
    for (const RemovedParts& step : report.parts->removed) page += html_row(step_text(step), step.distance, step.work);
  }
  return page;
}

}  // namespace octavo::tools

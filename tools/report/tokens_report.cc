#include "report/tokens_report.h"

#include "cli/numbers.h"

namespace octavo::tools {
namespace {

using Json = nlohmann::ordered_json;

Json candidate_json(const TokenCandidate& candidate) {
  Json reductions = Json::array();
  for (const TokenReduction& each : candidate.reductions)
    reductions.push_back({{"layer", each.layer}, {"kind", name_of(each.kind)}, {"removed", each.removed}});
  return {{"reductions", reductions},
          {"work", candidate.work},
          {"points_lost", candidate.points_lost},
          {"cosine_mean", candidate.closeness}};
}

}  // namespace

std::string reductions_text(const std::vector<TokenReduction>& reductions) {
  std::string text;
  for (const TokenReduction& each : reductions) {
    text += (text.empty() ? "" : ", ") + std::string(name_of(each.kind)) + "s " + std::to_string(each.removed) +
            " behind layer " + std::to_string(each.layer);
  }
  return text.empty() ? "all tokens stay" : text;
}

std::string to_text(const TokenChoice& choice) {
  std::string text = "  tokens         " + reductions_text(choice.reductions());
  if (choice.most_points_lost)
    text += choice.chosen < 0 ? ": NONE of these loses at most " + fixed(*choice.most_points_lost, 2) + " points"
                              : ", the least work that loses at most " + fixed(*choice.most_points_lost, 2) + " points";
  text += "; first classes and logits of float32 on calibration samples:\n";
  for (const TokenCandidate& each : choice.candidates) {
    text += "    " + fixed(each.points_lost, 2) + " points lost, cosine " + fixed(each.closeness, 5) + ", " +
            fixed(each.work, 2) + " x the multiply-adds: " + reductions_text(each.reductions) + "\n";
  }
  return text;
}

Json to_json(const TokenChoice& choice) {
  Json candidates = Json::array();
  for (const TokenCandidate& each : choice.candidates) candidates.push_back(candidate_json(each));
  return {{"max_points_lost", choice.most_points_lost ? Json(*choice.most_points_lost) : Json(nullptr)},
          {"chosen", choice.chosen < 0 ? Json(nullptr) : candidates[static_cast<std::size_t>(choice.chosen)]},
          {"candidates", candidates}};
}

}  // namespace octavo::tools

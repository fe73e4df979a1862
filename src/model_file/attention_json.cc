#include "model_file/attention_json.h"

#include "kernels/kernels.h"

#include <algorithm>
#include <limits>

namespace octavo {

using nlohmann::json;

json to_json(const ClippedSoftmax& softmax) {
  json result = {{"gamma", softmax.gamma}, {"zeta", softmax.zeta}};
  if (softmax.softmax1) result["softmax1"] = true;
  if (softmax.prune > 0.0) result["prune"] = softmax.prune;
  if (softmax.log_bits > 0) result["log_bits"] = softmax.log_bits;
  return result;
}

ClippedSoftmax read_softmax(const JsonObject& softmax) {
  return {.gamma = softmax.number("gamma", -100.0, 0.0),
          .zeta = softmax.number("zeta", 1.0, 100.0),
          .softmax1 = softmax.flag_or("softmax1", false),
          .prune = softmax.number_or("prune", 0.0, 1.0, 0.0),
          .log_bits = softmax.integer_or("log_bits", 0, 4, 0)};
}

json to_json(const QuantizedLevels& levels) {
  return {
      {"edges", levels.edges}, {"codes", levels.codes}, {"multipliers", levels.multipliers}, {"shifts", levels.shifts}};
}

QuantizedLevels read_levels(const JsonObject& levels) {
  constexpr int kInt32Max = std::numeric_limits<int>::max();
  const std::vector<int> edges = levels.integers("edges", 0, kInt32Max);
  QuantizedLevels result = {.edges = {edges.begin(), edges.end()},
                            .codes = levels.integers("codes", 0, 255),
                            .multipliers = levels.integers("multipliers", 1 << 30, kInt32Max),
                            .shifts = levels.integers("shifts", 33, 62)};
  const std::size_t count = edges.size();
  if (count < 1 || count > kernels::kMostLevels) {
    levels.fail("edges", "1 to " + std::to_string(kernels::kMostLevels) + " of them");
  }
  if (!std::is_sorted(edges.begin(), edges.end())) levels.fail("edges", "them in ascending order");
  if (result.codes.size() != count) levels.fail("codes", "one for each edge");
  if (result.multipliers.size() != count) levels.fail("multipliers", "one for each edge");
  if (result.shifts.size() != count) levels.fail("shifts", "one for each edge");
  return result;
}

}  // namespace octavo

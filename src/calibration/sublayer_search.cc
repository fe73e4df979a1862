#include "base/access.h"
#include "calibration/precision_search.h"
#include "graph/sublayers.h"

#include "octavo/engine.h"
#include "octavo/error.h"
#include "octavo/sublayers.h"

#include <algorithm>

namespace octavo {
namespace {

void require_float(const Model& model) {
  if (model.is_quantized())
    throw Error(model.info().name + " is quantized already; sublayers are removed from a float32 model");
}

void check(const SublayerOptions& options) {
  if (options.count.has_value() == options.most_distance.has_value())
    throw Error("SublayerOptions: expected either count or most_distance");
  if (options.count && *options.count < 1)
    throw Error("SublayerOptions: count is " + std::to_string(*options.count) + ", expected 1 or more");
  if (options.most_distance && !(*options.most_distance > 0.0))
    throw Error("SublayerOptions: most_distance is " + std::to_string(*options.most_distance) +
                ", expected a number above 0");
}

/// All but the last attention.
std::vector<Sublayer> removable(const std::vector<Sublayer>& left) {
  const auto attends = [](const Sublayer& s) { return s.kind == SublayerKind::attention; };
  if (std::ranges::count_if(left, attends) > 1) return left;
  std::vector<Sublayer> result = left;
  std::erase_if(result, attends);
  return result;
}

/// Models that are looked at while so many sublayers are removed; one attention less may be there to look at.
double looked_at(std::size_t sublayers, int removed) {
  return static_cast<double>(removed) * (static_cast<double>(sublayers) - 0.5 * (removed - 1));
}

}  // namespace

const char* name_of(SublayerKind kind) {
  return kind == SublayerKind::attention ? "attention" : "feed-forward network";
}

std::vector<Sublayer> sublayers(const Model& model) {
  const Graph& graph = data_of(model).graph;
  std::vector<Sublayer> result;
  int layer = -1;
  for (const SublayerNodes& nodes : find_sublayers(graph)) {
    if (nodes.attends || layer < 0) ++layer;
    result.push_back({.name = graph.name(nodes.sum),
                      .kind = nodes.attends ? SublayerKind::attention : SublayerKind::feed_forward,
                      .layer = layer});
  }
  return result;
}

Model without_sublayers(const Model& model, std::span<const std::string> names) {
  require_float(model);
  return Access::make<Model>(std::make_shared<const Model::Data>(without_sublayers(data_of(model), names)));
}

std::vector<std::string> SublayerChoice::names() const {
  std::vector<std::string> result;
  for (const RemovedSublayer& each : removed) result.push_back(each.sublayer.name);
  return result;
}

SublayerChoice choose_sublayers(const Model& whole, const Distance& distance, const SublayerOptions& options) {
  require_float(whole);
  check(options);
  std::vector<Sublayer> left = sublayers(whole);
  SublayerChoice result{.sublayers = static_cast<int>(left.size())};
  if (options.count && *options.count >= result.sublayers)
    throw Error(whole.info().name + " has " + std::to_string(result.sublayers) +
                " attentions and feed-forward networks, of which " + std::to_string(*options.count) +
                " cannot be removed: one attention stays");
  const double cost = product_cost(data_of(whole).graph),
               all = options.count ? looked_at(left.size(), *options.count) : 0.0;
  std::int64_t done = 0;
  const auto without = [&](const Sublayer& sublayer) {
    std::vector<std::string> names = result.names();
    names.push_back(sublayer.name);
    const Model model = without_sublayers(whole, names);
    const Engine engine(model, {.weight_memory = options.weight_memory});
    RemovedSublayer step{.sublayer = sublayer,
                         .distance = std::max(0.0, distance(engine)),
                         .work = product_cost(data_of(model).graph) / cost};
    ++done;
    if (options.progress)
      options.progress(done,
                       options.count ? std::optional(std::min(1.0, static_cast<double>(done) / all)) : std::nullopt);
    return step;
  };
  while (!options.count || std::ssize(result.removed) < *options.count) {
    std::vector<RemovedSublayer> steps;
    for (const Sublayer& each : removable(left)) steps.push_back(without(each));
    if (steps.empty()) break;
    const RemovedSublayer best = *std::ranges::min_element(steps, {}, &RemovedSublayer::distance);
    if (options.most_distance && best.distance > *options.most_distance) {
      result.next = best;
      break;
    }
    result.removed.push_back(best);
    std::erase_if(left, [&](const Sublayer& each) { return each.name == best.sublayer.name; });
  }
  return result;
}

}  // namespace octavo

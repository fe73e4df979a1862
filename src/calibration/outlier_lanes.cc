// Outlier lanes: neurons of large values in a network of their own.
#include "calibration/part_statistics.h"
#include "graph/neurons.h"

#include "octavo/error.h"
#include "octavo/parts.h"

#include <algorithm>
#include <numeric>

namespace octavo {
namespace {

/// The neurons of the largest values apart; each list in the order of the network.
Neurons separated(const ColumnActivity& activity, int lanes) {
  std::vector<int> neurons(activity.largest.size());
  std::iota(neurons.begin(), neurons.end(), 0);
  std::ranges::stable_sort(neurons, std::ranges::greater(),
                           [&](int neuron) { return activity.largest[static_cast<std::size_t>(neuron)]; });
  const auto middle = neurons.begin() + std::min<std::ptrdiff_t>(lanes, std::ssize(neurons) / 2);
  Neurons result{.kept = {middle, neurons.end()}, .apart = {neurons.begin(), middle}};
  std::ranges::sort(result.kept);
  std::ranges::sort(result.apart);
  return result;
}

}  // namespace

Model with_outlier_lanes(const PartObserver& observed, int lanes) {
  const PartObserver::Data& data = data_of(observed);
  const Model::Data& model = data_of(data.reference.model());
  if (lanes < 1) throw Error("outlier lanes are " + std::to_string(lanes) + ", expected 1 or more");
  std::map<std::string, Neurons> networks;
  for (const FeedForwardNodes& network : find_feed_forwards(model.graph)) {
    const ColumnActivity& activity = data.activities.at(model.graph.name(network.neurons));
    if (activity.rows == 0) throw Error("no samples were observed, by which outlier lanes are chosen");
    networks.emplace(model.graph.name(network.sum), separated(activity, lanes));
  }
  if (networks.empty()) throw Error(model.info.name + " has no feed-forward network");
  return Access::make<Model>(std::make_shared<const Model::Data>(with_neurons(model, networks)));
}

}  // namespace octavo

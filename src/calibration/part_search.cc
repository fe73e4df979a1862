// Fewer heads and neurons: which add least, and of which sublayer they can go.
#include "base/access.h"
#include "calibration/part_statistics.h"
#include "calibration/precision_search.h"
#include "graph/attention_heads.h"
#include "graph/neurons.h"
#include "graph/op_facts.h"
#include "quantize/float_rows.h"

#include "octavo/error.h"
#include "octavo/parts.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace octavo {
namespace {

constexpr int kNeuronsStay = 64;  // of each network, and how many go at a time at least
constexpr int kSteps = 24;        // of neurons, about

const ColumnActivity& activity_of(const PartObserver::Data& data, const std::string& value) {
  const ColumnActivity& activity = data.activities.at(value);
  if (activity.rows == 0) throw Error("no samples were observed, by which parts are told apart");
  return activity;
}

std::vector<float> means_of(const ColumnActivity& activity) {
  std::vector<float> means;
  for (const double sum : activity.sum) means.push_back(static_cast<float>(sum / static_cast<double>(activity.rows)));
  return means;
}

/// Mean square of what each column of a sum's input adds to it beyond its mean, over all columns of the sum.
std::vector<double> contributions(const Model::Data& model, const ColumnActivity& activity, ValueId sum) {
  const OpFacts known = facts(model.graph, model.graph.producer(sum));
  const LinearBlock& block = *known.blocks.at(0).rows;
  const std::vector<float> weight = float_values(model, block.weight);
  std::vector<double> result(activity.sum.size(), 0.0);
  for (std::size_t i = 0; i < weight.size(); ++i)
    result[i % result.size()] += static_cast<double>(weight[i]) * static_cast<double>(weight[i]);
  const auto rows = static_cast<double>(activity.rows);
  for (std::size_t k = 0; k < result.size(); ++k) {
    const double mean = activity.sum[k] / rows;
    result[k] *= std::max(0.0, activity.square[k] / rows - mean * mean);
  }
  return result;
}

/// The heads or neurons of a sublayer, those that add least first.
struct Candidates {
  Sublayer sublayer;
  std::vector<int> order = {};
  int at_a_time = 1, stay = 1;
  std::size_t removed = 0;
  // Of the latest look at its next parts: what the model was then, by how much it went farther away, and whether that
  // is of this step.
  RemovedParts latest = {};
  double increase = 0.0;
  bool fresh = false;

  bool can_go() const { return order.size() >= removed + static_cast<std::size_t>(at_a_time + stay); }
  std::vector<int> left(std::size_t without) const {
    std::vector<int> result(order.begin() + static_cast<std::ptrdiff_t>(without), order.end());
    std::ranges::sort(result);
    return result;
  }
};

std::vector<int> ascending(const std::vector<double>& values) {
  std::vector<int> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](int i) { return values[static_cast<std::size_t>(i)]; });
  return order;
}

/// The lists of heads, or those of neurons.
using Lists = std::map<std::string, std::vector<int>> LeftParts::*;

/// One search, over models that have ever fewer parts.
class PartSearch {
 public:
  PartSearch(const PartObserver& observed, const Distance& distance, const PartOptions& options)
      : observed_(observed),
        data_(data_of(observed)),
        whole_(data_.reference.model()),
        measure_(distance),
        options_(options),
        cost_(product_cost(data_of(whole_).graph)) {
    const Graph& graph = data_of(whole_).graph;
    for (const Sublayer& sublayer : sublayers(whole_)) {
      if (sublayer.kind == SublayerKind::attention)
        add_heads(graph, sublayer);
      else
        add_neurons(graph, sublayer);
    }
  }

  PartChoice run() {
    const auto total = [](const std::vector<Candidates>& all) {
      return std::accumulate(all.begin(), all.end(), 0,
                             [](int sum, const Candidates& c) { return sum + static_cast<int>(c.order.size()); });
    };
    result_.heads = total(heads_);
    result_.neurons = total(neurons_);
    const double neurons = options_.neurons * result_.neurons;
    const int step = kNeuronsStay * std::max(1, static_cast<int>(std::lround(neurons / kSteps / kNeuronsStay)));
    for (Candidates& each : neurons_) each.at_a_time = step;
    const int head_steps = steps_for(options_.heads, heads_, "heads"),
              neuron_steps = steps_for(options_.neurons, neurons_, "neurons");
    steps_ = head_steps + neuron_steps;
    remove(heads_, head_steps, &LeftParts::heads);
    remove(neurons_, neuron_steps, &LeftParts::neurons);
    return std::move(result_);
  }

 private:
  void add_heads(const Graph& graph, const Sublayer& sublayer) {
    for (const AttentionNodes& nodes : find_attentions(graph)) {
      if (graph.name(nodes.sum) != sublayer.name) continue;
      const std::vector<double> columns =
          contributions(data_of(whole_), activity_of(data_, graph.name(nodes.context)), nodes.sum);
      std::vector<double> heads(static_cast<std::size_t>(nodes.key_value_heads), 0.0);
      for (std::size_t k = 0; k < columns.size(); ++k)
        heads[k / static_cast<std::size_t>(nodes.group_columns)] += columns[k];
      heads_.push_back({.sublayer = sublayer, .order = ascending(heads)});
    }
  }

  void add_neurons(const Graph& graph, const Sublayer& sublayer) {
    for (const FeedForwardNodes& nodes : find_feed_forwards(graph)) {
      if (graph.name(nodes.sum) != sublayer.name) continue;
      neurons_.push_back(
          {.sublayer = sublayer,
           .order = ascending(contributions(data_of(whole_), activity_of(data_, graph.name(nodes.neurons)), nodes.sum)),
           .stay = kNeuronsStay});
    }
  }

  /// In how many steps a share of all parts goes, to the nearest.
  int steps_for(double share, const std::vector<Candidates>& all, const std::string& what) const {
    if (share == 0.0) return 0;
    std::size_t count = 0, most = 0, at_a_time = 1;
    for (const Candidates& each : all) {
      at_a_time = static_cast<std::size_t>(each.at_a_time);
      count += each.order.size();
      most += each.order.size() < static_cast<std::size_t>(each.stay)
                  ? 0
                  : (each.order.size() - static_cast<std::size_t>(each.stay)) / at_a_time;
    }
    const long steps = std::lround(share * static_cast<double>(count) / static_cast<double>(at_a_time));
    if (steps < 1)
      throw Error(whole_.info().name + ": a share of " + std::to_string(share) + " of " + std::to_string(count) + " " +
                  what + " is none, they go " + std::to_string(at_a_time) + " at a time");
    if (static_cast<std::size_t>(steps) > most)
      throw Error(whole_.info().name + ": of " + std::to_string(count) + " " + what + " " +
                  std::to_string(most * at_a_time) + " can be removed at most, some of each sublayer stay");
    return static_cast<int>(steps);
  }

  void remove(std::vector<Candidates>& all, int steps, Lists left) {
    for (Candidates& each : all) each.increase = -std::numeric_limits<double>::infinity();
    for (int step = 0; step < steps; ++step) {
      Candidates& best = next(all, left);
      best.removed += static_cast<std::size_t>(best.at_a_time);
      (result_.left.*left)[best.sublayer.name] = best.left(best.removed);
      distance_ = best.latest.distance;
      result_.removed.push_back(best.latest);
      if (options_.progress) options_.progress(static_cast<double>(std::ssize(result_.removed)) / steps_);
    }
  }

  /// Whose next parts are the ones to go. Only those that seem to be by their latest look are looked at anew: what a
  /// part costs is taken to rise with what is gone already. One of them can.
  Candidates& next(std::vector<Candidates>& all, Lists left) const {
    for (Candidates& each : all) each.fresh = false;
    while (true) {
      Candidates* best = nullptr;
      for (Candidates& each : all) {
        if (each.can_go() && (!best || each.increase < best->increase)) best = &each;
      }
      if (best->fresh) return *best;
      best->latest = look(*best, left);
      best->increase = best->latest.distance - distance_;
      best->fresh = true;
    }
  }

  RemovedParts look(const Candidates& next, Lists left) const {
    LeftParts parts = result_.left;
    (parts.*left)[next.sublayer.name] = next.left(next.removed + static_cast<std::size_t>(next.at_a_time));
    const Model model = with_parts(observed_, parts);
    return {.sublayer = next.sublayer,
            .count = next.at_a_time,
            .distance = std::max(0.0, measure_(Engine(model, {.weight_memory = options_.weight_memory}))),
            .work = product_cost(data_of(model).graph) / cost_};
  }

  const PartObserver& observed_;
  const PartObserver::Data& data_;
  const Model& whole_;
  const Distance& measure_;
  const PartOptions& options_;
  double cost_;
  std::vector<Candidates> heads_, neurons_;
  double distance_ = 0.0;  // of the model as it is now
  int steps_ = 0;          // in all, of heads and neurons
  PartChoice result_;
};

void require_share(const char* name, double share) {
  if (!(share >= 0.0 && share < 1.0))
    throw Error("PartOptions: " + std::string(name) + " is " + std::to_string(share) +
                ", expected a number from 0 to below 1");
}

}  // namespace

Model with_parts(const PartObserver& observed, const LeftParts& left) {
  const PartObserver::Data& data = data_of(observed);
  const Model::Data& whole = data_of(data.reference.model());
  const auto means = [&](const std::string& sum) {
    for (const Node& node : whole.graph.nodes) {
      if (whole.graph.name(node.output) == sum && facts(whole.graph, node).adds)
        return means_of(activity_of(data, whole.graph.name(node.inputs[0])));
    }
    throw Error(whole.info.name + " has no attention or feed-forward network " + sum);
  };
  std::map<std::string, KeptHeads> heads;
  for (const auto& [name, kept] : left.heads) heads[name] = {.kept = kept, .means = means(name)};
  std::map<std::string, Neurons> neurons;
  for (const auto& [name, kept] : left.neurons) neurons[name] = {.kept = kept, .means = means(name)};
  return Access::make<Model>(std::make_shared<const Model::Data>(with_neurons(with_heads(whole, heads), neurons)));
}

PartChoice choose_parts(const PartObserver& observed, const Distance& distance, const PartOptions& options) {
  require_share("heads", options.heads);
  require_share("neurons", options.neurons);
  return PartSearch(observed, distance, options).run();
}

}  // namespace octavo

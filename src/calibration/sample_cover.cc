#include "octavo/sample_cover.h"

#include "base/split_mix.h"
#include "engine/engine_data.h"
#include "float/float_executor.h"
#include "graph/op_facts.h"
#include "runtime/ragged.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <utility>

namespace octavo {
namespace {

using Features = std::vector<double>;  // of one sample

constexpr double kOutlying = 3.0;       // deviations, on the average over features
constexpr std::size_t kOfACluster = 2;  // samples taken, about
constexpr std::size_t kMostClusters = 64;
constexpr int kRounds = 20;

double squared_distance(const Features& a, const Features& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

/// Each feature in deviations from its mean.
void standardise(std::vector<Features>& samples) {
  for (std::size_t f = 0; f < samples.front().size(); ++f) {
    double sum = 0.0, square = 0.0;
    for (const Features& each : samples) sum += each[f];
    const double mean = sum / static_cast<double>(samples.size());
    for (const Features& each : samples) square += (each[f] - mean) * (each[f] - mean);
    const double deviation = std::sqrt(square / static_cast<double>(samples.size()));
    for (Features& each : samples) each[f] = deviation > 0.0 ? (each[f] - mean) / deviation : 0.0;
  }
}

double outlyingness(const Features& sample) {
  double sum = 0.0;
  for (const double z : sample) sum += std::abs(z);
  return sum / static_cast<double>(sample.size());
}

/// Numbers that depend on the seed alone.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  double unit() { return std::ldexp(static_cast<double>(next() >> 11), -53); }
  std::size_t below(std::size_t bound) { return next() % bound; }

 private:
  std::uint64_t next() { return split_mix(state_ += kSplitMixStep); }
  std::uint64_t state_;
};

/// k-means++ (Arthur and Vassilvitskii 2007), then Lloyd's rounds: which cluster each sample is of.
std::vector<std::size_t> clusters(const std::vector<Features>& samples, std::size_t count, Random& random) {
  std::vector<Features> centres = {samples[random.below(samples.size())]};
  std::vector<double> nearest(samples.size(), std::numeric_limits<double>::infinity());
  while (centres.size() < count) {
    for (std::size_t i = 0; i < samples.size(); ++i)
      nearest[i] = std::min(nearest[i], squared_distance(samples[i], centres.back()));
    double left = random.unit() * std::accumulate(nearest.begin(), nearest.end(), 0.0);
    std::size_t chosen = 0;
    while (chosen + 1 < samples.size() && left >= nearest[chosen]) left -= nearest[chosen++];
    centres.push_back(samples[chosen]);
  }
  std::vector<std::size_t> of(samples.size(), 0);
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto closest = std::ranges::min_element(
          centres, {}, [&](const Features& centre) { return squared_distance(samples[i], centre); });
      of[i] = static_cast<std::size_t>(closest - centres.begin());
    }
    std::vector<Features> sums(count, Features(samples.front().size(), 0.0));
    std::vector<double> sizes(count, 0.0);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      std::ranges::transform(sums[of[i]], samples[i], sums[of[i]].begin(), std::plus());
      sizes[of[i]] += 1.0;
    }
    for (std::size_t c = 0; c < count; ++c) {
      if (sizes[c] == 0.0) continue;
      for (std::size_t f = 0; f < sums[c].size(); ++f) centres[c][f] = sums[c][f] / sizes[c];
    }
  }
  return of;
}

}  // namespace

struct SampleCover::Data {
  explicit Data(Engine engine) : reference(std::move(engine)) {}

  void observe(const RaggedBatch& batch, Workspace& workspace) {
    const std::size_t first = samples.size();
    for (int i = 0; i < batch.sequences(); ++i) samples.push_back({std::log(static_cast<double>(batch.length(i)))});
    const Observer observer = [&](std::string_view name, std::span<const float> values, int columns) {
      if (!sums.contains(name)) return;
      for (int i = 0; i < batch.sequences(); ++i) {
        const auto width = static_cast<std::size_t>(columns),
                   begin = static_cast<std::size_t>(batch.start[static_cast<std::size_t>(i)]) * width,
                   count = static_cast<std::size_t>(batch.length(i)) * width;
        double square = 0.0;
        for (const float x : values.subspan(begin, count)) square += static_cast<double>(x) * static_cast<double>(x);
        samples[first + static_cast<std::size_t>(i)].push_back(
            0.5 * std::log(std::max(square / static_cast<double>(count), 1e-30)));
      }
    };
    std::get<FloatExecutor>(data_of(reference).executor).run(batch, data_of(workspace), {.observer = observer});
  }

  Engine reference;
  std::set<std::string, std::less<>> sums;  // names of residual sums
  std::vector<Features> samples;
};

SampleCover::SampleCover(Engine reference) : data_(std::make_unique<Data>(std::move(reference))) {
  const Model& model = data_->reference.model();
  if (model.is_quantized())
    throw Error(model.info().name + " is quantized already; samples are chosen by a float32 model");
  const Graph& graph = data_of(model).graph;
  for (const Node& node : graph.nodes) {
    if (facts(graph, node).adds && graph.value(node.output).rows == RowKind::token)
      data_->sums.insert(graph.name(node.output));
  }
}
SampleCover::~SampleCover() = default;
SampleCover::SampleCover(SampleCover&&) noexcept = default;
SampleCover& SampleCover::operator=(SampleCover&&) noexcept = default;

void SampleCover::observe(const TokenBatch& batch, Workspace& workspace) {
  data_->observe(make_ragged(batch, data_->reference.model().info()), workspace);
}

void SampleCover::observe(const ImageBatch& batch, Workspace& workspace) {
  data_->observe(make_ragged(batch, data_->reference.model().info()), workspace);
}

std::size_t SampleCover::samples() const { return data_->samples.size(); }

std::vector<std::size_t> SampleCover::choose(std::size_t count, std::uint64_t seed) const {
  std::vector<Features> samples = data_->samples;
  std::vector<std::size_t> places(samples.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  if (samples.size() <= count || count == 0) return places;
  standardise(samples);
  std::ranges::stable_sort(places, {}, [&](std::size_t i) { return outlyingness(samples[i]); });
  while (places.size() > count && outlyingness(samples[places.back()]) > kOutlying) places.pop_back();
  std::ranges::sort(places);

  std::vector<Features> left;
  for (const std::size_t place : places) {
    left.push_back(samples[place]);
    left.back().front() *= std::sqrt(static_cast<double>(left.back().size() - 1));  // the length is worth all others
  }
  Random random(seed);
  const std::size_t parts = std::clamp<std::size_t>(count / kOfACluster, 1, kMostClusters);
  const std::vector<std::size_t> of = clusters(left, parts, random);
  std::vector<std::vector<std::size_t>> members(parts);
  for (std::size_t i = 0; i < places.size(); ++i) members[of[i]].push_back(places[i]);
  for (std::vector<std::size_t>& each : members) {
    for (std::size_t i = each.size(); i > 1; --i) std::swap(each[i - 1], each[random.below(i)]);
  }
  std::vector<std::size_t> chosen;
  for (std::size_t turn = 0; chosen.size() < count; ++turn) {
    for (const std::vector<std::size_t>& each : members) {
      if (turn < each.size() && chosen.size() < count) chosen.push_back(each[turn]);
    }
  }
  std::ranges::sort(chosen);
  return chosen;
}

}  // namespace octavo

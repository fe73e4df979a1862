#include "calibration/simulated.h"

#include "graph/op_facts.h"
#include "io/safetensors.h"

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

constexpr float kMomentum = 0.9f;

Range range_of(std::span<const float> values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {.low = *low, .high = *high};
}

}  // namespace

void simulate_activation(std::span<float> values, const Range& range, int bits) {
  const double low = std::min(static_cast<double>(range.low), 0.0),
               high = std::max(static_cast<double>(range.high), 1e-8);
  const double most = std::ldexp(1.0, bits) - 1.0, scale = std::max((high - low) / most, 1e-12);
  const double zero = std::clamp(std::nearbyint(-low / scale), 0.0, most);
  for (float& x : values) {
    const double code = std::clamp(std::nearbyint(static_cast<double>(x) / scale) + zero, 0.0, most);
    x = static_cast<float>(scale * (code - zero));
  }
}

void simulate_weights(std::span<float> values, int bits) {
  const Range range = range_of(values);
  const bool positive = range.low >= 0.0f;
  const float most = static_cast<float>(std::ldexp(1.0, positive ? bits : bits - 1) - 1.0);
  const float scale = std::max(std::max(-range.low, range.high) / most, 1e-12f), least = positive ? 0.0f : -most;
  for (float& x : values) x = std::clamp(std::nearbyint(x / scale), least, most) * scale;
}

Model::Data with_simulated_weights(const Model::Data& model, int bits, std::string_view only) {
  Model::Data result = model;
  std::vector<std::string> weights;
  for (const Node& node : model.graph.nodes) {
    const std::vector<std::string> own = facts(model.graph, node).rounded;
    weights.insert(weights.end(), own.begin(), own.end());
  }
  for (const std::string& name : weights) {
    if (!only.empty() && name != only) continue;
    const Tensor values = to_f32(tensor(model.tensors, name), name);
    Tensor rounded(DType::f32, values.shape());
    std::copy_n(values.as<float>().data(), values.elements(), rounded.writable<float>().data());
    simulate_weights(rounded.writable<float>(), bits);
    result.tensors.insert_or_assign(name, std::move(rounded));
  }
  return result;
}

void RunningQuantizers::operator()(std::string_view name, std::span<float> values) {
  if (values.empty()) return;
  auto found = ranges_.find(name);
  if (!frozen_) {
    const Range batch = range_of(values);
    if (found == ranges_.end()) {
      found = ranges_.emplace(name, batch).first;
    } else {
      found->second.low = kMomentum * found->second.low + (1.0f - kMomentum) * batch.low;
      found->second.high = kMomentum * found->second.high + (1.0f - kMomentum) * batch.high;
    }
  }
  if (found != ranges_.end()) simulate_activation(values, found->second, bits_);
}

}  // namespace octavo

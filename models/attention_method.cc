#include "models/attention_method.h"

#include <cmath>

#include "octavo/error.h"

namespace octavo {
namespace {

ClippedSoftmax checked(ClippedSoftmax softmax) {
  const bool valid = std::isfinite(softmax.gamma) && std::isfinite(softmax.zeta) && softmax.gamma <= 0.0 &&
                     softmax.gamma >= -100.0 && softmax.zeta >= 1.0 && softmax.zeta <= 100.0;
  if (!valid) {
    throw Error("clipped softmax has gamma " + std::to_string(softmax.gamma) + ", zeta " + std::to_string(softmax.zeta) +
                ", expected gamma in [-100, 0] and zeta in [1, 100]");
  }
  return softmax;
}

std::optional<GateSettings> read_gate(const JsonObject& gate, const CheckpointOptions& options) {
  const std::string type = gate.text_or("type", "none");
  if (type == "none") return {};
  if (type != "conditional_per_token") gate.fail("type", "none or conditional_per_token (other gates are not supported)");
  if (gate.text_or("kind", "linear") != "linear") {
    gate.fail("kind", "linear: one Linear per head (mlp and all_heads gates are not supported)");
  }
  const double scale = options.gate_scale ? *options.gate_scale : gate.number_or("scale", 1e-3, 1e3, 1.0);
  if (!(scale >= 1e-3 && scale <= 1e3)) {
    throw Error("the gate scale is " + std::to_string(scale) + ", expected a number from 0.001 to 1000");
  }
  return GateSettings{.kind = GateKind::linear, .scale = scale};
}

}  // namespace

AttentionMethod read_attention_method(const JsonObject& config, const CheckpointOptions& options) {
  const JsonObject section = config.section("attention_method");
  const JsonObject softmax = section.section("softmax");
  ClippedSoftmax clip{.gamma = softmax.number_or("gamma", -100.0, 0.0, 0.0),
                      .zeta = softmax.number_or("zeta", 1.0, 100.0, 1.0)};
  if (options.softmax) clip = *options.softmax;
  return {.softmax = checked(clip), .gate = read_gate(section.section("gate"), options)};
}

std::vector<LinearBlock> take_gate(CheckpointTensors& tensors, const std::string& prefix, const AttentionMethod& method,
                                   int heads, int slice) {
  const std::string alpha = prefix + "alpha";
  if (!method.gate) {
    if (tensors.has(alpha) || tensors.has(alpha + ".weight") || tensors.has(alpha + ".0.weight") ||
        tensors.has(alpha + ".0.0.weight")) {
      throw Error("the checkpoint has gate tensors " + alpha +
                  ", but config.json does not say which gate: attention_method.gate is missing or none");
    }
    return {};
  }
  std::vector<LinearBlock> gate;
  for (int head = 0; head < heads; ++head) {
    const std::string name = alpha + "." + std::to_string(head);
    gate.push_back({.name = name,
                    .weight = tensors.take(name + ".weight", {1, slice}),
                    .bias = tensors.take(name + ".bias", {1}),
                    .columns = 1});
  }
  return gate;
}

}  // namespace octavo

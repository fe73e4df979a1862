#include "commands/method_flags.h"

#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

namespace octavo::tools {
namespace {

/// "A:B" as two numbers; nothing when it is not that.
std::optional<std::array<double, 2>> parse_pair(std::string_view text) {
  std::array<double, 2> pair{};
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view parts[] = {text.substr(0, colon), text.substr(colon + 1)};
  for (std::size_t i = 0; i < 2; ++i) {
    const char* end = parts[i].data() + parts[i].size();
    const auto [stop, error] = std::from_chars(parts[i].data(), end, pair[i]);
    if (error != std::errc() || stop != end || !std::isfinite(pair[i])) return {};
  }
  return pair;
}

std::optional<ClippedSoftmax> read_softmax(const Arguments& arguments) {
  const std::optional<std::string> softmax = arguments.text("softmax"), alpha = arguments.text("alpha");
  if (softmax && alpha) throw UsageError("--softmax and --alpha exclude each other");
  if (softmax) {
    const auto pair = parse_pair(*softmax);
    if (!pair || !((*pair)[0] <= 0.0 && (*pair)[0] >= -100.0 && (*pair)[1] >= 1.0 && (*pair)[1] <= 100.0)) {
      throw UsageError("--softmax is '" + *softmax +
                       "', expected GAMMA:ZETA with gamma from -100 to 0 and zeta from 1 to 100");
    }
    return ClippedSoftmax{.gamma = (*pair)[0], .zeta = (*pair)[1]};
  }
  if (!alpha) return {};
  const auto pair = parse_pair(*alpha);
  if (!pair || !((*pair)[0] >= 0.0 && (*pair)[1] >= 1.0 && (*pair)[0] / (*pair)[1] <= 100.0)) {
    throw UsageError("--alpha is '" + *alpha + "', expected A:T with A from 0 and the training length T from 1");
  }
  return ClippedSoftmax{.gamma = -(*pair)[0] / (*pair)[1], .zeta = 1.0};
}

std::optional<double> read_scale(const Arguments& arguments) {
  const std::optional<std::string> text = arguments.text("gate-scale");
  if (!text) return {};
  const auto pair = parse_pair(*text + ":0");
  if (!pair || !((*pair)[0] >= 1e-3 && (*pair)[0] <= 1e3)) {
    throw UsageError("--gate-scale is '" + *text + "', expected a number from 0.001 to 1000");
  }
  return (*pair)[0];
}

// 0 when the flag is not there.
double read_prune(const Arguments& arguments) {
  const std::optional<std::string> text = arguments.text("attn-prune");
  if (!text) return 0.0;
  const auto pair = parse_pair(*text + ":0");
  if (!pair || !((*pair)[0] >= 0.0 && (*pair)[0] < 1.0)) {
    throw UsageError("--attn-prune is '" + *text + "', expected a probability from 0 and below 1");
  }
  return (*pair)[0];
}

int read_log_bits(const Arguments& arguments, double prune) {
  const auto bits = arguments.integer("attn-log-bits", 1, 4);
  if (bits && prune == 0.0) throw UsageError("--attn-log-bits needs --attn-prune above 0, where the steps begin");
  return static_cast<int>(bits.value_or(0));
}

}  // namespace

Flags method_flags() {
  return {
      {"softmax", "clipped softmax of these two constants, in place of the checkpoint's", "GAMMA:ZETA"},
      {"alpha", "clipped softmax with gamma = -A/T, T the length that the model was trained with, and zeta = 1", "A:T"},
      {"softmax1", "exp(x) / (1 + sum exp(x)) in place of the softmax"},
      {"attn-prune", "attention probabilities up to this become zero", "TAU"},
      {"attn-log-bits", "attention probabilities take 2^B - 1 values, equal steps of their logarithm from TAU to 1",
       "B"},
      {"gate-type",
       "what a checkpoint's gates depend on, in place of what its config.json says: unconditional_per_head, "
       "conditional_per_head, conditional_per_token, conditional_per_element",
       "NAME"},
      {"gate-scale", "constant factor of conditional gates, in place of the checkpoint's", "S"}};
}

CheckpointOptions read_method(const Arguments& arguments) {
  const double prune = read_prune(arguments);
  return {.softmax = read_softmax(arguments),
          .gate_type =
              arguments.choice<GateType>("gate-type", {{"unconditional_per_head", GateType::unconditional_per_head},
                                                       {"conditional_per_head", GateType::conditional_per_head},
                                                       {"conditional_per_token", GateType::conditional_per_token},
                                                       {"conditional_per_element", GateType::conditional_per_element}}),
          .gate_scale = read_scale(arguments),
          .softmax1 = arguments.on("softmax1") ? std::optional(true) : std::nullopt,
          .attention_prune = prune,
          .attention_log_bits = read_log_bits(arguments, prune)};
}

}  // namespace octavo::tools

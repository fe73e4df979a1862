#include "models/parts/attention_method.h"

#include "graph/op_facts.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

constexpr GateType kTypes[] = {GateType::unconditional_per_head, GateType::conditional_per_head,
                               GateType::conditional_per_token, GateType::conditional_per_element};
constexpr GateKind kKinds[] = {GateKind::linear, GateKind::mlp, GateKind::all_heads, GateKind::dense};
constexpr char kQueryKind[] = "query";

const char* name_of(GateKind kind) {
  switch (kind) {
    case GateKind::mlp:
      return "mlp";
    case GateKind::all_heads:
      return "all_heads";
    case GateKind::dense:
      return "dense";
    default:
      return "linear";
  }
}

ClippedSoftmax checked(ClippedSoftmax softmax) {
  const bool valid = std::isfinite(softmax.gamma) && std::isfinite(softmax.zeta) && softmax.gamma <= 0.0 &&
                     softmax.gamma >= -100.0 && softmax.zeta >= 1.0 && softmax.zeta <= 100.0;
  if (!valid) {
    throw Error("clipped softmax has gamma " + std::to_string(softmax.gamma) + ", zeta " +
                std::to_string(softmax.zeta) + ", expected gamma in [-100, 0] and zeta in [1, 100]");
  }
  if (softmax.softmax1 && softmax.sink)
    throw Error("attention_method.softmax has softmax1, which is a sink of 0, and learned sinks, expected one of them");
  if (!(softmax.prune >= 0.0 && softmax.prune < 1.0)) {
    throw Error("attention pruning is " + std::to_string(softmax.prune) +
                ", expected a probability from 0 and below 1");
  }
  if (softmax.log_bits < 0 || softmax.log_bits > 4 || (softmax.log_bits > 0 && softmax.prune == 0.0)) {
    throw Error("logarithmic attention has " + std::to_string(softmax.log_bits) + " bits and pruning " +
                std::to_string(softmax.prune) + ", expected 1 to 4 bits and pruning above 0");
  }
  return softmax;
}

/// The value of a list that is called `name`.
template <typename T, std::size_t n>
std::optional<T> named(const T (&values)[n], std::string_view name) {
  for (const T value : values) {
    if (name_of(value) == name) return value;
  }
  return {};
}

void read_gate(const JsonObject& gate, const CheckpointOptions& options, AttentionMethod& method) {
  gate.allow_only({"type", "kind", "activation", "scale", "n_hid"});
  const std::string type = gate.text_or("type", "");
  method.gate_type = named(kTypes, type);
  method.no_gate = type == "none";
  if (!method.gate_type && !method.no_gate && !type.empty()) {
    gate.fail("type",
              "none, unconditional_per_head, conditional_per_head, conditional_per_token or conditional_per_element");
  }
  if (gate.has("kind")) {
    method.gate_in_query = gate.text("kind") == kQueryKind;
    method.gate_kind = method.gate_in_query ? GateKind::dense : named(kKinds, gate.text("kind"));
    if (!method.gate_kind) gate.fail("kind", "linear, mlp, all_heads, dense or query");
  }
  const std::string activation = gate.text_or("activation", "sigmoid");
  if (activation != "sigmoid" && activation != "softplus") gate.fail("activation", "sigmoid or softplus");
  method.gate_activation = activation == "softplus" ? GateActivation::softplus : GateActivation::sigmoid;
  method.gate_hidden = gate.integer_or("n_hid", 1, kMaxColumns, 0);
  if (options.gate_type) {
    method.gate_type = options.gate_type;
    method.no_gate = false;
  }
  method.gate_scale = options.gate_scale ? *options.gate_scale : gate.number_or("scale", 1e-3, 1e3, 1.0);
  if (!(method.gate_scale >= 1e-3 && method.gate_scale <= 1e3)) {
    throw Error("the gate scale is " + std::to_string(method.gate_scale) + ", expected a number from 0.001 to 1000");
  }
  if (method.gate_type == GateType::unconditional_per_head && method.gate_scale != 1.0) {
    throw Error("the gate scale is " + std::to_string(method.gate_scale) +
                ", expected 1: an unconditional_per_head gate has none");
  }
  if (method.gate_in_query && method.gate_type != GateType::conditional_per_element)
    throw Error("attention_method.gate is of kind query, expected type conditional_per_element");
}

enum class Bias { required, optional };

LinearBlock block(CheckpointTensors& tensors, const std::string& name, int columns, int inputs,
                  Bias bias = Bias::required) {
  return {.name = name,
          .weight = tensors.take(name + ".weight", {columns, inputs}),
          .bias = bias == Bias::required || tensors.has(name + ".bias") ? tensors.take(name + ".bias", {columns}) : "",
          .columns = columns};
}

/// The kind of gate that these tensors make; nothing for an unconditional one or none.
std::optional<GateKind> kind_of(const CheckpointTensors& tensors, const std::string& alpha,
                                const AttentionSizes& sizes) {
  if (tensors.has(alpha + ".weight")) {
    const Tensor::Shape& shape = tensors.shape(alpha + ".weight");
    return !shape.empty() && shape[0] == std::int64_t{sizes.heads} * sizes.head_size ? GateKind::dense
                                                                                     : GateKind::all_heads;
  }
  if (tensors.has(alpha + ".0.weight")) return GateKind::linear;
  if (tensors.has(alpha + ".0.0.weight")) return GateKind::mlp;
  return {};
}

/// Hidden units of an mlp gate: any number, all heads alike.
int hidden_units(const CheckpointTensors& tensors, const std::string& alpha, int expected) {
  const std::string name = alpha + ".0.0.weight";
  const Tensor::Shape& shape = tensors.shape(name);
  if (shape.empty() || shape[0] < 1 || shape[0] > kMaxColumns)
    throw Error("tensor " + name + " has no row per hidden unit of its gate");
  if (expected != 0 && shape[0] != expected) {
    throw Error("tensor " + name + " has " + std::to_string(shape[0]) + " rows, attention_method.gate.n_hid is " +
                std::to_string(expected));
  }
  return static_cast<int>(shape[0]);
}

void take_conditional(CheckpointTensors& tensors, const std::string& alpha, const AttentionSizes& sizes, Bias bias,
                      int expected_hidden, LayerGate& gate) {
  const auto [heads, head_size, columns] = sizes;
  const GateKind kind = gate.settings->kind;
  if (kind == GateKind::dense)
    return gate.blocks.push_back(block(tensors, alpha, heads * head_size, columns, Bias::optional));
  if (kind == GateKind::all_heads) return gate.blocks.push_back(block(tensors, alpha, heads, columns, bias));
  if (columns % heads != 0) {
    throw Error(alpha + ": " + std::to_string(columns) + " columns do not divide into " + std::to_string(heads) +
                " gates");
  }
  const int slice = columns / heads, hidden = kind == GateKind::mlp ? hidden_units(tensors, alpha, expected_hidden) : 1;
  for (int head = 0; head < heads; ++head) {
    const std::string name = alpha + "." + std::to_string(head);
    gate.blocks.push_back(block(tensors, kind == GateKind::mlp ? name + ".0" : name, hidden, slice));
    if (kind == GateKind::mlp) gate.output.push_back(block(tensors, name + ".2", 1, hidden));
  }
}

GateSettings settings_of(GateType type, GateKind kind, const AttentionMethod& method) {
  return {.type = type, .kind = kind, .activation = method.gate_activation, .scale = method.gate_scale, .logits = ""};
}

}  // namespace

AttentionMethod read_attention_method(const JsonObject& config, const CheckpointOptions& options) {
  const JsonObject section = config.section("attention_method");
  section.allow_only({"softmax", "gate", "urpe"});
  const JsonObject softmax = section.section("softmax");
  softmax.allow_only({"gamma", "zeta", "softmax1", "sink"});
  AttentionMethod method;
  method.softmax = {.gamma = softmax.number_or("gamma", -100.0, 0.0, 0.0),
                    .zeta = softmax.number_or("zeta", 1.0, 100.0, 1.0)};
  if (options.softmax) method.softmax = *options.softmax;
  method.softmax.softmax1 = options.softmax1.value_or(softmax.flag_or("softmax1", false));
  method.softmax.sink = softmax.flag_or("sink", false);
  method.softmax.prune = options.attention_prune;
  method.softmax.log_bits = options.attention_log_bits;
  method.softmax = checked(method.softmax);
  read_gate(section.section("gate"), options, method);
  method.factors = section.flag_or("urpe", false);
  return method;
}

int head_size_of(const CheckpointTensors& tensors, const std::string& weight, int heads,
                 const AttentionMethod& method) {
  const Tensor::Shape& shape = tensors.shape(weight);
  const std::int64_t all = std::int64_t{heads} * (method.gate_in_query ? 2 : 1);  // or their gates
  if (shape.size() != 2 || shape[0] <= 0 || shape[0] % all != 0 || shape[0] / all > 256 || shape[0] / all % 4 != 0) {
    throw Error("tensor " + weight + " does not divide into num_attention_heads = " + std::to_string(heads) +
                " heads whose size is a multiple of 4, at most 256");
  }
  return static_cast<int>(shape[0] / all);
}

LayerGate take_gate(CheckpointTensors& tensors, const std::string& prefix, const AttentionMethod& method,
                    const AttentionSizes& sizes) {
  const std::string published = prefix + "g_proj";
  const bool is_published = tensors.has(published + ".weight") && !tensors.has(prefix + "alpha.weight");
  const std::string alpha = is_published ? published : prefix + "alpha";
  const std::optional<GateKind> kind = kind_of(tensors, alpha, sizes);
  const bool unconditional = tensors.has(alpha);
  if (!kind && !unconditional) {
    if (method.gate_type)
      throw Error("the checkpoint has no gate tensors " + alpha + ", expected a gate " +
                  std::string(name_of(*method.gate_type)));
    return {};
  }
  if (method.no_gate)
    throw Error("the checkpoint has gate tensors " + alpha + ", but config.json says attention_method.gate is none");
  const GateType of_tensors = !kind                     ? GateType::unconditional_per_head
                              : kind == GateKind::dense ? GateType::conditional_per_element
                                                        : GateType::conditional_per_token;
  const GateType type = method.gate_type.value_or(of_tensors);
  if (kind && kind != GateKind::dense && !is_published && !method.gate_type) {
    throw Error("the checkpoint has gate tensors " + alpha +
                ", but config.json does not say of which type: attention_method.gate is missing; the option gate type "
                "can say it");
  }
  const bool fits = unconditional == (type == GateType::unconditional_per_head) &&
                    (kind == GateKind::dense) == (type == GateType::conditional_per_element);
  if (!fits || (method.gate_kind && kind && *method.gate_kind != *kind)) {
    throw Error("the checkpoint has gate tensors " + alpha + " that are " +
                (kind ? std::string(name_of(*kind)) : std::string(name_of(GateType::unconditional_per_head))) +
                ", expected " + std::string(name_of(type)) +
                (method.gate_kind ? std::string(", ") + name_of(*method.gate_kind) : ""));
  }
  LayerGate gate{.settings = settings_of(type, kind.value_or(GateKind::linear), method), .blocks = {}, .output = {}};
  if (unconditional) {
    gate.settings->logits = tensors.take(alpha, {sizes.heads});
  } else {
    take_conditional(tensors, alpha, sizes, is_published ? Bias::optional : Bias::required, method.gate_hidden, gate);
  }
  return gate;
}

QueryAndGate take_gated_query(CheckpointTensors& tensors, const std::string& name, const AttentionMethod& method,
                              const AttentionSizes& sizes) {
  const int width = sizes.heads * sizes.head_size, inputs = sizes.columns;
  const std::string weight = tensors.take(name + ".weight", {2 * width, inputs});
  const std::string bias = tensors.has(name + ".bias") ? tensors.take(name + ".bias", {2 * width}) : "";
  // The first or second half of each head's rows, `row` elements each.
  const auto half = [&](const std::string& of, int which, int row, const std::string& as, Tensor::Shape shape) {
    const Tensor whole = tensors.floats(of);
    Tensor result(DType::f32, std::move(shape));
    const std::ptrdiff_t size = std::ptrdiff_t{sizes.head_size} * row;
    for (int head = 0; head < sizes.heads; ++head)
      std::copy_n(whole.as<float>().data() + (2 * head + which) * size, size,
                  result.writable<float>().data() + head * size);
    return tensors.replace({of}, as, std::move(result));
  };
  const auto block_of = [&](int which, const std::string& part) {
    return LinearBlock{.name = name + part,
                       .weight = half(weight, which, inputs, name + part + ".weight", {width, inputs}),
                       .bias = bias.empty() ? "" : half(bias, which, 1, name + part + ".bias", {width}),
                       .columns = width};
  };
  QueryAndGate result{.query = block_of(0, ".query"), .gate = {}};
  result.gate.settings = settings_of(GateType::conditional_per_element, GateKind::dense, method);
  result.gate.blocks = {block_of(1, ".gate")};
  return result;
}

std::string take_sink(CheckpointTensors& tensors, const std::string& prefix, const AttentionMethod& method, int heads) {
  const std::string name = prefix + "sink";
  if (method.softmax.sink) return tensors.take(name, {heads});
  if (tensors.has(name))
    throw Error("the checkpoint has sinks " + name + ", but config.json does not say attention_method.softmax.sink");
  return "";
}

std::optional<DistanceFactors> take_factors(CheckpointTensors& tensors, const std::string& prefix,
                                            const AttentionMethod& method, int heads) {
  const std::string name = prefix + "urpe";
  if (!method.factors) {
    if (tensors.has(name))
      throw Error("the checkpoint has factors of distances " + name +
                  ", but config.json does not say attention_method.urpe");
    return {};
  }
  const ClippedSoftmax& softmax = method.softmax;
  if (softmax.gamma != 0.0 || softmax.zeta != 1.0 || softmax.softmax1 || softmax.sink || softmax.prune > 0.0)
    throw Error(
        "attention_method.urpe is true and the softmax is clipped, pruned or has a sink, expected the ordinary "
        "one");
  const Tensor::Shape& shape = tensors.shape(name);
  if (shape.size() != 2 || shape[1] % 2 != 1 || shape[1] > 2 * 65535 + 1)
    throw Error("tensor " + name +
                " does not hold factors of distances [heads, 2 * reach + 1] with a reach of at most "
                "65535");
  return DistanceFactors{.table = tensors.take(name, {heads, shape[1]}), .reach = static_cast<int>(shape[1] / 2)};
}

void describe_method(const Graph& graph, const AttentionMethod& method, ModelInfo& info) {
  info.softmax = method.softmax;
  for (const Node& node : graph.nodes) {
    const std::optional<AttentionFacts> attention = attention_facts(graph, node);
    if (!attention || !attention->gate) continue;
    const GateSettings& gate = *attention->gate;
    const std::string kind = gate.type == GateType::unconditional_per_head ? "" : name_of(gate.kind),
                      activation = gate.activation == GateActivation::softplus ? "softplus" : "";
    const std::string both = kind + (kind.empty() || activation.empty() ? "" : ", ") + activation;
    info.gate = std::string(name_of(gate.type)) + (both.empty() ? "" : " (" + both + ")");
    info.gate_scale = attention->gate->scale;
    return;
  }
}

}  // namespace octavo

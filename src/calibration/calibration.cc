#include "octavo/calibration.h"

#include "calibration/calibration_data.h"
#include "calibration/simulated.h"
#include "engine/engine_data.h"
#include "graph/op_facts.h"
#include "runtime/workspace.h"
#include "system/free_memory.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <utility>

namespace octavo {
namespace {

constexpr int kSampleRows = 1024;  // of each product's input, for what needs the values themselves
constexpr int kPart = 16;          // samples between two looks at how ranges converge; kRunningSamples is a multiple

const char* name_of(RangeMethod method) {
  switch (method) {
    case RangeMethod::running_minmax:
      return "running-minmax";
    case RangeMethod::percentile:
      return "percentile";
    case RangeMethod::mse:
      return "mse";
    case RangeMethod::automatic:
      return "auto";
    default:
      return "minmax";
  }
}
const char* name_of(WeightScales weights) {
  return weights == WeightScales::per_channel ? "per-channel" : "per-tensor";
}
const char* name_of(ProbabilityType type) { return type == ProbabilityType::uint16 ? "uint16" : "uint8"; }
const char* name_of(ResidualType residual) { return residual == ResidualType::int16 ? "int16" : "int8"; }
const char* name_of(EqualizeMethod method) {
  switch (method) {
    case EqualizeMethod::smoothquant:
      return "smoothquant";
    case EqualizeMethod::os_plus:
      return "os-plus";
    case EqualizeMethod::repq:
      return "repq";
    case EqualizeMethod::power_of_two:
      return "power-of-two";
    default:
      return "none";
  }
}

/// Wherever attention can have them; gives what there then is.
ProbabilityType set_probabilities(QuantizedGraph& graph, ProbabilityType type) {
  auto found = ProbabilityType::uint8;
  for (QuantizedOp& op : graph.ops) {
    auto* attention = std::get_if<QuantizedAttention>(&op);
    if (!attention || attention->clipped || attention->paper || attention->shift < kSmallestWideShift) continue;
    attention->wide = type == ProbabilityType::uint16;
    found = type;
  }
  return found;
}

std::shared_ptr<const Model::Data> float_data(const Model& model) {
  if (model.is_quantized())
    throw Error(model.info().name + " is already quantized; calibration needs a float32 checkpoint");
  return shared_data_of(model);
}

std::shared_ptr<const Model::Data> data_to_observe(const Model& model, const CalibrationOptions& options) {
  if (!options.paper) return float_data(model);
  if (model.info().image)
    throw Error(model.info().name + " takes images; the paper's setting is there for models of text only");
  return std::make_shared<const Model::Data>(with_simulated_weights(*float_data(model), 8));
}

/// The options as they take effect: the paper's setting leaves no choice.
CalibrationOptions settled(const CalibrationOptions& options) {
  if (!options.paper) return options;
  return {.method = RangeMethod::running_minmax,
          .weights = WeightScales::per_tensor,
          .residual = ResidualType::int8,
          .equalize = EqualizeMethod::none,
          .copies = 0,
          .bias_correction = false,
          .rounding = WeightRounding::nearest,
          .paper = true};
}

bool needs_samples(const CalibrationOptions& options) {
  return options.bias_correction || options.equalize == EqualizeMethod::os_plus ||
         options.equalize == EqualizeMethod::repq;
}

/// Names of the values that products of the body read.
std::set<std::string, std::less<>> product_inputs(const Graph& graph) {
  std::set<std::string, std::less<>> names;
  for (const Node& node : graph.nodes) {
    if (is_body_product(graph, node)) names.insert(graph.name(node.inputs[0]));
  }
  return names;
}

/// Names of what the products of a vocabulary's head read, in 16 bits.
std::set<std::string, std::less<>> head_inputs_of(const Graph& graph) {
  std::set<std::string, std::less<>> names;
  for (const Node& node : graph.nodes) {
    const bool product = facts(graph, node).depth > 0 && !node.inputs.empty();
    if (product && graph.value(node.output).rows == RowKind::chosen_token) names.insert(graph.name(node.inputs[0]));
  }
  return names;
}

/// Names of the 8-bit values that are quantized as they are observed: Q, K, V, contexts and activated hidden values.
std::set<std::string, std::less<>> byte_values(const Graph& graph) {
  std::set<std::string, std::less<>> names;
  for (const Node& node : graph.nodes) {
    const OpFacts known = facts(graph, node);
    for (const LinearBlock* block : known.qkv) names.insert(block->name);
    if (known.makes == std::vector{Form::u8}) names.insert(graph.name(node.output));
  }
  return names;
}

/// Names of V's blocks.
std::set<std::string, std::less<>> values_of(const Graph& graph) {
  std::set<std::string, std::less<>> names;
  for (const Node& node : graph.nodes) {
    if (const OpFacts known = facts(graph, node); !known.qkv.empty()) names.insert(known.qkv.back()->name);
  }
  return names;
}

/// Some sequences of a batch.
RaggedBatch sequences_of(const RaggedBatch& batch, int first, int count) {
  const auto start = batch.start.begin() + first;
  RaggedBatch part{.prefix = batch.prefix};
  for (int i = 0; i <= count; ++i) part.start.push_back(start[i] - start[0]);
  const auto copy = [](const auto& from, auto& to, std::ptrdiff_t begin, std::ptrdiff_t end) {
    if (!from.empty()) to.assign(from.begin() + begin, from.begin() + end);
  };
  copy(batch.ids, part.ids, start[0], start[count]);
  copy(batch.types, part.types, start[0], start[count]);
  copy(batch.positions, part.positions, start[0], start[count]);
  copy(batch.pixels, part.pixels, first, first + count);
  return part;
}

std::set<std::string, std::less<>> norm_values(const Graph& graph) {
  std::set<std::string, std::less<>> names;
  for (const Node& node : graph.nodes) {
    if (facts(graph, node).normalises) names.insert(graph.name(node.output));
  }
  return names;
}

}  // namespace

Calibrator::Data::Data(std::shared_ptr<const Model::Data> m, const FloatExecutor& e, const CalibrationOptions& o,
                       std::shared_ptr<SpillMemory> spill)
    : memory(std::move(spill)),
      model(std::move(m)),
      options(o),
      executor(e),
      inputs(product_inputs(model->graph)),
      head_inputs(head_inputs_of(model->graph)),
      bytes(uses_histograms(o.method) ? byte_values(model->graph) : std::set<std::string, std::less<>>{}),
      ranges(o.method),
      columns({.method = o.method,
               .sample_rows = needs_samples(o) ? kSampleRows : 0,
               .second_moments = compensates(o),
               .memory = memory.get()}),
      v_blocks(values_of(model->graph)),
      v_columns({.method = o.method}),
      norms(uses_histograms(o.method) ? norm_values(model->graph) : std::set<std::string, std::less<>>{}) {}

Calibrator::Calibrator(const Model& model, const CalibrationOptions& options, const MemoryOptions& memory) {
  const std::shared_ptr<const Model::Data> observed = data_to_observe(model, options);
  const std::size_t half = memory_budget(memory.bytes) / 2;
  const auto spill = std::make_shared<SpillMemory>(half, memory.directory);
  data_ = std::make_unique<Data>(observed, FloatExecutor(observed, half), settled(options), spill);
}

Calibrator::Calibrator(const Engine& reference, const CalibrationOptions& options, const MemoryOptions& memory) {
  const auto* executor = std::get_if<FloatExecutor>(&data_of(reference).executor);
  const std::shared_ptr<const Model::Data> observed = data_to_observe(reference.model(), options);
  const auto spill = std::make_shared<SpillMemory>(memory_budget(memory.bytes), memory.directory);
  data_ = std::make_unique<Data>(observed, executor && !options.paper ? *executor : FloatExecutor(observed),
                                 settled(options), spill);
}

Calibrator::~Calibrator() = default;
Calibrator::Calibrator(Calibrator&&) noexcept = default;
Calibrator& Calibrator::operator=(Calibrator&&) noexcept = default;

/// Says which value, and of which sample, has no end in float32.
void Calibrator::Data::refuse(std::string_view name, std::span<const float> values, int width,
                              const RaggedBatch& batch) const {
  const auto bad = std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
  const auto row = static_cast<std::int32_t>((bad - values.begin()) / width);
  const auto after = std::upper_bound(batch.start.begin(), batch.start.end(), row);
  const bool per_row = std::ssize(values) == std::ptrdiff_t{batch.rows()} * width;
  throw Error(std::string(name) + " is " + (std::isnan(*bad) ? "not a number" : "infinite") + " in float32" +
              (per_row ? ", in sample " + std::to_string(samples + (after - batch.start.begin())) : "") +
              "; calibration needs values that float32 can hold");
}

/// All samples of the batch count towards the same kRunningSamples.
void Calibrator::Data::observe(const RaggedBatch& batch, Workspace& workspace) {
  Transform transform;
  if (options.paper) {
    transform = [&](std::string_view name, std::span<float> values) { quantizers(name, values); };
  }
  if (options.paper || samples % kRunningSamples == 0) ranges.begin_batch();
  const SampleRows rows{.first = samples, .start = batch.start};
  columns.begin(rows);
  v_columns.begin(rows);
  ThreadPool& pool = data_of(workspace).pool;
  const Observer observer = [&](std::string_view name, std::span<const float> values, int width) {
    if (!std::isfinite(ranges.observe(name, values).low)) refuse(name, values, width, batch);
    if (inputs.contains(name) || head_inputs.contains(name))
      columns.observe(pool, name, values, width, norms.contains(name));
    if (v_blocks.contains(name)) v_columns.observe(pool, name, values, width);
    if (bytes.contains(name)) histograms[std::string(name)].add(values);
  };
  executor.run(batch, data_of(workspace), {.observer = observer, .transform = transform});
  ranges.end_part();
  samples += batch.sequences();
  const auto width_of = [](std::int64_t count) { return std::bit_width(static_cast<std::uint64_t>(count)); };
  if ((options.paper || samples % kPart == 0) && width_of(newer.samples) != width_of(samples)) {
    older = std::exchange(newer, {samples, ranges.ranges()});
  }
  tokens += batch.rows();
  solved_sites.clear();
}

/// In parts that end at multiples of kPart samples, whatever the batches are. The paper's setting has batches of its
/// own: its quantizers look at each as a whole.
void Calibrator::Data::observe_parts(const RaggedBatch& batch, Workspace& workspace) {
  for (int first = 0; first < batch.sequences();) {
    const int left = batch.sequences() - first,
              count = options.paper ? left : std::min(left, kPart - static_cast<int>(samples % kPart));
    observe(sequences_of(batch, first, count), workspace);
    first += count;
  }
}

void Calibrator::observe(const TokenBatch& batch, Workspace& workspace) {
  const RaggedBatch ragged = make_ragged(batch, data_->model->info);
  if (data_->options.method != RangeMethod::automatic) return data_->observe_parts(ragged, workspace);
  const TokenBatch observed = data_->set_aside(batch);
  if (!observed.sequences.empty()) data_->observe_parts(make_ragged(observed, data_->model->info), workspace);
}

void Calibrator::observe(const ImageBatch& batch, Workspace& workspace) {
  if (data_->options.method == RangeMethod::automatic) {
    throw Error("automatic ranges need texts; " + data_->model->info.name + " takes pictures");
  }
  data_->observe_parts(make_ragged(batch, data_->model->info), workspace);
}

std::int64_t Calibrator::samples() const { return data_->samples; }
std::int64_t Calibrator::tokens() const { return data_->tokens; }
std::int64_t Calibrator::spilled() const { return static_cast<std::int64_t>(data_->memory->spilled()); }

Convergence Calibrator::convergence() const {
  const bool recent = 2 * data_->newer.samples > data_->samples;
  const Data::Snapshot& snapshot = recent ? data_->older : data_->newer;
  Convergence result{.samples_before = snapshot.samples};
  for (const auto& [name, before] : snapshot.ranges) {
    const Range& after = data_->ranges.ranges().at(name);
    const double width = static_cast<double>(before.high) - static_cast<double>(before.low);
    const double change = std::max(std::abs(static_cast<double>(after.low) - static_cast<double>(before.low)),
                                   std::abs(static_cast<double>(after.high) - static_cast<double>(before.high))) /
                          std::max(width, 1e-12);
    ++result.values;
    if (change > 0.01) ++result.changed;
    if (change > result.largest_change) {
      result.largest_change = change;
      result.most_changed = name;
    }
  }
  return result;
}

/// Every sixteenth sequence is held out, 32 at most, and of the others the first 16 are kept to choose ranges by.
TokenBatch Calibrator::Data::set_aside(const TokenBatch& batch) {
  TokenBatch observed;
  for (const Tokens& sequence : batch.sequences) {
    if (offered++ % 16 == 15 && held_out.sequences.size() < 32) {
      held_out.sequences.push_back(sequence);
      continue;
    }
    if (probe.sequences.size() < 16) probe.sequences.push_back(sequence);
    observed.sequences.push_back(sequence);
  }
  return observed;
}

/// Mean of 1 - cosine of the last hidden states to float32 on the sequences held out.
double Calibrator::Data::distance(const Model& quantized, Workspace& workspace) const {
  const Tensor found = Engine(quantized).run(held_out, workspace);
  const Tensor exact = executor.run(make_ragged(held_out, model->info), data_of(workspace));
  const auto columns = static_cast<std::size_t>(found.columns());
  const auto x = found.as<float>(), y = exact.as<float>();
  double sum = 0.0;
  for (std::size_t first = 0; first < x.size(); first += columns) {
    double xy = 0.0, xx = 0.0, yy = 0.0;
    for (std::size_t j = first; j < first + columns; ++j) {
      xy += static_cast<double>(x[j]) * static_cast<double>(y[j]);
      xx += static_cast<double>(x[j]) * static_cast<double>(x[j]);
      yy += static_cast<double>(y[j]) * static_cast<double>(y[j]);
    }
    sum += 1.0 - xy / std::max(std::sqrt(xx * yy), 1e-30);
  }
  return sum / static_cast<double>(found.rows());
}

Model Calibrator::Data::make(const CalibrationOptions& chosen, const Ranges& chosen_ranges,
                             const QuantizeOptions& result) const {
  Model::Data quantized = octavo::quantize(*model, chosen_ranges, result);
  const ProbabilityType probabilities = set_probabilities(*quantized.integer, chosen.probabilities);
  std::int64_t added = 0;
  for (const auto& [name, counts] : result.copies) {
    for (const int count : counts) added += count - 1;
  }
  quantized.provenance = nlohmann::json{
      {"samples", samples},
      {"tokens", tokens},
      {"method", name_of(chosen.method)},
      {"weights", name_of(chosen.weights)},
      {"residual", name_of(chosen.residual)},
      {"head", chosen.head == HeadType::int16 ? "int16" : "int8"},
      {"equalize", name_of(chosen.equalize)},
      {"added_columns", added},
      {"extra_bits", chosen.extra_bits.size()},
      {"probabilities", name_of(probabilities)},
      {"bias_correction", chosen.bias_correction},
      {"compensated_rounding", compensates(chosen)},
      {"paper",
       chosen.paper}}.dump();
  return Access::make<Model>(std::make_shared<const Model::Data>(std::move(quantized)));
}

Model with_probabilities(const Model& model, ProbabilityType type) {
  if (!model.is_quantized()) throw Error(model.info().name + " is not quantized; its probabilities are float32");
  Model::Data data = data_of(model);
  const ProbabilityType found = set_probabilities(*data.integer, type);
  if (!data.provenance.empty()) {
    nlohmann::json provenance = nlohmann::json::parse(data.provenance);
    provenance["probabilities"] = name_of(found);
    data.provenance = provenance.dump();
  }
  return Access::make<Model>(std::make_shared<const Model::Data>(std::move(data)));
}

Model Calibrator::quantize() const { return quantize(data_->options); }

QuantizeOptions Calibrator::Data::settle(const CalibrationOptions& chosen, Ranges& chosen_ranges, ThreadPool& pool) {
  if (samples == 0) throw Error("calibration has observed no samples");
  if (chosen.paper != options.paper || chosen.method != options.method || chosen.percentile != options.percentile ||
      (needs_samples(chosen) && !needs_samples(options)) || (compensates(chosen) && !compensates(options))) {
    throw Error("calibration did not keep what these options need; observe with them");
  }
  columns.finish(pool);
  QuantizeOptions result{.weights = chosen.weights,
                         .residual = chosen.residual,
                         .head = chosen.head,
                         .paper = chosen.paper,
                         .statistics = &columns.statistics(),
                         .pool = &pool,
                         .bias_correction = chosen.bias_correction,
                         .compensated_rounding = compensates(chosen),
                         .memory = memory};
  chosen_ranges = ranges.ranges();
  for (const auto& [name, range] : quantizers.ranges())
    chosen_ranges[name] = range;  // the paper's; others are of gates
  choose_ranges(chosen_ranges);
  equalize_sites(chosen, chosen_ranges, result);
  equalize_contexts(chosen, chosen_ranges, result);
  return result;
}

Model Calibrator::quantize(const CalibrationOptions& wanted) const {
  Workspace workspace({.threads = 1});
  return quantize(wanted, workspace);
}

Model Calibrator::quantize(const CalibrationOptions& wanted, Workspace& workspace) const {
  const CalibrationOptions options = settled(wanted);
  Ranges ranges;
  QuantizeOptions chosen = data_->settle(options, ranges, data_of(workspace).pool);
  const std::vector<ExtraBits> possible = extra_bits();
  for (const ExtraBits& bits : options.extra_bits) {
    if (options.paper || std::find(possible.begin(), possible.end(), bits) == possible.end()) {
      throw Error(bits.value +
                  (bits.of_weights ? ": the weights that read it cannot have extra bits" : " cannot have extra bits"));
    }
    Refinements& refinements = chosen.refinements[bits.value];
    (bits.of_weights ? refinements.coarse : refinements.fine) = true;
  }
  QuantizeOptions plain = chosen;
  Ranges plain_ranges = ranges;
  data_->copy_neurons(options.copies, plain_ranges, plain);
  Model result = data_->make(options, plain_ranges, plain);
  if (options.method != RangeMethod::automatic || data_->held_out.sequences.empty()) return result;
  data_->improve_ranges(options, ranges, chosen, workspace);
  Model improved = data_->make(options, ranges, chosen);
  return data_->distance(improved, workspace) < data_->distance(result, workspace) ? improved : result;
}

}  // namespace octavo

#include "octavo/calibration.h"

#include "calibration/calibration_data.h"
#include "calibration/simulated.h"
#include "engine/engine_data.h"
#include "runtime/workspace.h"
#include "system/free_memory.h"

#include "octavo/error.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace octavo {
namespace {

constexpr int kSampleRows = 1024;  // of each product's input, for what needs the values themselves
constexpr int kPart = 16;          // samples between two looks at how ranges converge; kRunningSamples is a multiple

/// What runs while it is observed: in the paper's setting with rounded weights.
std::shared_ptr<const Model::Data> data_to_observe(const Model& model, const CalibrationOptions& options) {
  if (model.is_quantized())
    throw Error(model.info().name + " is already quantized; calibration needs a float32 checkpoint");
  if (!every_value(options)) return shared_data_of(model);
  if (model.info().image)
    throw Error(model.info().name + " takes images; the paper's setting is there for models of text only");
  return std::make_shared<const Model::Data>(with_simulated_weights(data_of(model), 8));
}

void require_labels(std::size_t labels, std::size_t samples) {
  if (labels == 0 || labels == samples) return;
  throw Error("there are " + std::to_string(labels) + " labels of " + std::to_string(samples) + " samples");
}

Engine float_engine(const Model& model, const MemoryOptions& memory) {
  return Engine(model, {.weight_memory = static_cast<std::int64_t>(memory_budget(memory.bytes) / 2)});
}

MemoryOptions half_of(const MemoryOptions& memory) {
  return {.bytes = static_cast<std::int64_t>(memory_budget(memory.bytes) / 2), .directory = memory.directory};
}

}  // namespace

Calibrator::Data::Data(Engine r, const CalibrationOptions& o, std::shared_ptr<SpillMemory> spill)
    : memory(std::move(spill)),
      reference(std::move(r)),
      model(data_to_observe(reference.model(), o)),
      options(o),
      executor(every_value(o) ? FloatExecutor(model) : std::get<FloatExecutor>(data_of(reference).executor)),
      inputs(product_inputs(model->graph)),
      head_inputs(octavo::head_inputs(model->graph)),
      bytes(uses_histograms(o.ranges.method) ? byte_values(model->graph) : ValueNames{}),
      ranges(o.ranges.method),
      columns({.method = o.ranges.method,
               .sample_rows = needs_samples(o) ? kSampleRows : 0,
               .second_moments = compensates(o),
               .memory = memory.get()}),
      v_blocks(attention_values(model->graph)),
      v_columns({.method = o.ranges.method}),
      sums(sum_values(model->graph)),
      sum_columns({.method = o.ranges.method}),
      norms(uses_histograms(o.ranges.method) ? norm_values(model->graph) : ValueNames{}),
      kept(o.precision.max_drop ? KeptSamples::kMany : KeptSamples::kFew) {}

Calibrator::Calibrator(const Model& model, const CalibrationOptions& options, const MemoryOptions& memory)
    : Calibrator(float_engine(model, memory), options, half_of(memory)) {}

Calibrator::Calibrator(Engine reference, const CalibrationOptions& options, const MemoryOptions& memory) {
  check_options(options);
  require_answers(reference.model().info(), options);
  data_ = std::make_unique<Data>(std::move(reference), options,
                                 std::make_shared<SpillMemory>(memory_budget(memory.bytes), memory.directory));
}

Calibrator::~Calibrator() = default;
Calibrator::Calibrator(Calibrator&&) noexcept = default;
Calibrator& Calibrator::operator=(Calibrator&&) noexcept = default;

const Engine& Calibrator::reference() const { return data_->reference; }

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
  if (every_value(options)) {
    transform = [&](std::string_view name, std::span<float> values) { quantizers(name, values); };
  }
  if (every_value(options) || samples % kRunningSamples == 0) ranges.begin_batch();
  const SampleRows rows{.first = samples, .start = batch.start};
  columns.begin(rows);
  v_columns.begin(rows);
  sum_columns.begin(rows);
  ThreadPool& pool = data_of(workspace).pool;
  const Observer observer = [&](std::string_view name, std::span<const float> values, int width) {
    if (!std::isfinite(ranges.observe(name, values).low)) refuse(name, values, width, batch);
    if (inputs.contains(name) || head_inputs.contains(name))
      columns.observe(pool, name, values, width, norms.contains(name));
    if (v_blocks.contains(name)) v_columns.observe(pool, name, values, width);
    if (sums.contains(name)) sum_columns.observe(pool, name, values, width);
    if (bytes.contains(name)) histograms[std::string(name)].add(values);
  };
  executor.run(batch, data_of(workspace), {.observer = observer, .transform = transform});
  ranges.end_part();
  samples += batch.sequences();
  const auto width_of = [](std::int64_t count) { return std::bit_width(static_cast<std::uint64_t>(count)); };
  if ((every_value(options) || samples % kPart == 0) && width_of(newer.samples) != width_of(samples)) {
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
              count = every_value(options) ? left : std::min(left, kPart - static_cast<int>(samples % kPart));
    observe(sequences_of(batch, first, count), workspace);
    first += count;
  }
}

void Calibrator::observe(const TokenBatch& batch, Workspace& workspace) { observe(batch, {}, workspace); }

void Calibrator::observe(const TokenBatch& batch, std::span<const SampleLabel> labels, Workspace& workspace) {
  require_labels(labels.size(), batch.sequences.size());
  const RaggedBatch ragged = make_ragged(batch, data_->model->info);
  data_->kept.add(batch, labels);
  if (data_->options.ranges.method != RangeMethod::automatic) return data_->observe_parts(ragged, workspace);
  const TokenBatch observed = data_->set_aside(batch);
  if (!observed.sequences.empty()) data_->observe_parts(make_ragged(observed, data_->model->info), workspace);
}

void Calibrator::observe(const ImageBatch& batch, Workspace& workspace) { observe(batch, {}, workspace); }

void Calibrator::observe(const ImageBatch& batch, std::span<const SampleLabel> labels, Workspace& workspace) {
  require_labels(labels.size(), batch.images.size());
  if (data_->options.ranges.method == RangeMethod::automatic) {
    throw Error("automatic ranges need texts; " + data_->model->info.name + " takes pictures");
  }
  const RaggedBatch ragged = make_ragged(batch, data_->model->info);
  data_->kept.add(batch, labels);
  data_->observe_parts(ragged, workspace);
}

void Calibrator::forget() {
  data_ = std::make_unique<Data>(std::move(data_->reference), data_->options, data_->memory);
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

double Calibrator::Data::excess(const RaggedBatch& batch, Workspace& workspace) const {
  RangeObserver others(RangeMethod::minmax);
  others.begin_batch();
  const Observer observer = [&](std::string_view name, std::span<const float> values, int) {
    others.observe(name, values);
  };
  for (int first = 0; first < batch.sequences(); first += kPart) {
    const int count = std::min(kPart, batch.sequences() - first);
    executor.run(sequences_of(batch, first, count), data_of(workspace), {.observer = observer});
  }
  others.end_part();
  return mean_excess(ranges.extremes(), others.ranges());
}

double Calibrator::excess(const TokenBatch& batch, Workspace& workspace) const {
  return data_->excess(make_ragged(batch, data_->model->info), workspace);
}

double Calibrator::excess(const ImageBatch& batch, Workspace& workspace) const {
  return data_->excess(make_ragged(batch, data_->model->info), workspace);
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

}  // namespace octavo

#include "octavo/calibration.h"

#include "float_executor.h"
#include "observers.h"
#include "octavo/error.h"
#include "quantize.h"
#include "simulated.h"
#include "workspace.h"

#include <nlohmann/json.hpp>

namespace octavo {
namespace {

const char* name_of(RangeMethod method) { return method == RangeMethod::minmax ? "minmax" : "running-minmax"; }
const char* name_of(WeightScales weights) { return weights == WeightScales::per_channel ? "per-channel" : "per-tensor"; }
const char* name_of(ResidualType residual) { return residual == ResidualType::int16 ? "int16" : "int8"; }

std::shared_ptr<const Model::Data> float_data(const Model& model) {
  if (model.is_quantized()) throw Error(model.info().name + " is already quantized; calibration needs a float32 checkpoint");
  return {std::make_shared<const Model>(model), &model.data()};
}

std::shared_ptr<const Model::Data> data_to_observe(const Model& model, const CalibrationOptions& options) {
  if (!options.paper) return float_data(model);
  if (model.info().image) throw Error(model.info().name + " takes images; the paper's setting is there for models of text only");
  return std::make_shared<const Model::Data>(with_simulated_weights(*float_data(model), 8));
}

}  // namespace

struct Calibrator::Data {
  Data(const Model& m, const CalibrationOptions& o)
      : model(data_to_observe(m, o)), options(o), executor(model), ranges(o.method) {}

  void observe(const RaggedBatch& batch, Workspace& workspace);

  RunningQuantizers quantizers;  // of the paper's setting
  std::shared_ptr<const Model::Data> model;
  CalibrationOptions options;
  FloatExecutor executor;
  RangeObserver ranges;
  std::int64_t samples = 0, tokens = 0;
};

Calibrator::Calibrator(Model model, const CalibrationOptions& options)
    : data_(std::make_unique<Data>(model, options)) {}
Calibrator::~Calibrator() = default;
Calibrator::Calibrator(Calibrator&&) noexcept = default;
Calibrator& Calibrator::operator=(Calibrator&&) noexcept = default;

void Calibrator::Data::observe(const RaggedBatch& batch, Workspace& workspace) {
  Transform transform;
  if (options.paper) transform = [&](std::string_view name, std::span<float> values) { quantizers(name, values); };
  ranges.begin_batch();
  executor.run(batch, workspace.data(), [&](std::string_view name, std::span<const float> values, int) { ranges.observe(name, values); },
               ObserveStages::values, transform);
  ranges.end_batch();
  samples += batch.sequences();
  tokens += batch.rows();
}

void Calibrator::observe(const TokenBatch& batch, Workspace& workspace) {
  data_->observe(make_ragged(batch, data_->model->info), workspace);
}

void Calibrator::observe(const ImageBatch& batch, Workspace& workspace) {
  data_->observe(make_ragged(batch, data_->model->info), workspace);
}

std::int64_t Calibrator::samples() const { return data_->samples; }
std::int64_t Calibrator::tokens() const { return data_->tokens; }

Model Calibrator::quantize() const {
  if (data_->samples == 0) throw Error("calibration has observed no samples");
  CalibrationOptions options = data_->options;
  Ranges ranges = data_->ranges.ranges();
  if (options.paper) {
    options = {.method = RangeMethod::running_minmax, .weights = WeightScales::per_tensor, .residual = ResidualType::int8, .paper = true};
    for (const auto& [name, range] : data_->quantizers.ranges()) ranges[name] = range;  // the others are of gates
  }
  Model::Data quantized = octavo::quantize(*data_->model, ranges, {.weights = options.weights, .residual = options.residual, .paper = options.paper});
  quantized.provenance = nlohmann::json{{"samples", data_->samples},
                                        {"tokens", data_->tokens},
                                        {"method", name_of(options.method)},
                                        {"weights", name_of(options.weights)},
                                        {"residual", name_of(options.residual)},
                                        {"paper", options.paper}}
                             .dump();
  return Model(std::make_shared<const Model::Data>(std::move(quantized)));
}

}  // namespace octavo

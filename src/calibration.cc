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
  return std::make_shared<const Model::Data>(with_simulated_weights(*float_data(model), 8));
}

}  // namespace

struct Calibrator::Data {
  Data(const Model& m, const CalibrationOptions& o)
      : model(data_to_observe(m, o)), options(o), executor(model), ranges(o.method) {}
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

void Calibrator::observe(const TokenBatch& batch, Workspace& workspace) {
  const RaggedBatch ragged = make_ragged(batch, data_->model->info);
  Transform transform;
  if (data_->options.paper) transform = [&](std::string_view name, std::span<float> values) { data_->quantizers(name, values); };
  data_->ranges.begin_batch();
  data_->executor.run(ragged, workspace.data(), [&](std::string_view name, std::span<const float> values, int) {
    data_->ranges.observe(name, values);
  }, ObserveStages::values, transform);
  data_->ranges.end_batch();
  data_->samples += ragged.sequences();
  data_->tokens += ragged.rows();
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

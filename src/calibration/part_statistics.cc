#include "calibration/part_statistics.h"

#include "engine/engine_data.h"
#include "graph/op_facts.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

void add(ColumnActivity& activity, std::span<const float> values, std::size_t columns) {
  activity.largest.resize(columns, 0.0f);
  activity.sum.resize(columns, 0.0);
  activity.square.resize(columns, 0.0);
  activity.rows += std::ssize(values) / std::ssize(activity.sum);
  for (std::size_t first = 0; first < values.size(); first += columns) {
    for (std::size_t j = 0; j < columns; ++j) {
      const float x = values[first + j];
      activity.largest[j] = std::max(activity.largest[j], std::abs(x));
      activity.sum[j] += static_cast<double>(x);
      activity.square[j] += static_cast<double>(x) * static_cast<double>(x);
    }
  }
}

}  // namespace

PartObserver::Data::Data(Engine engine) : reference(std::move(engine)) {
  const Model& model = reference.model();
  if (model.is_quantized())
    throw Error(model.info().name + " is quantized already; parts are those of a float32 model");
  const Graph& graph = data_of(model).graph;
  for (const Node& node : graph.nodes) {
    if (facts(graph, node).adds && graph.value(node.output).rows == RowKind::token)
      activities[graph.name(node.inputs[0])];
  }
}

void PartObserver::Data::observe(const RaggedBatch& batch, Workspace& workspace) {
  const Observer observer = [&](std::string_view name, std::span<const float> values, int columns) {
    const auto found = activities.find(name);
    if (found != activities.end()) add(found->second, values, static_cast<std::size_t>(columns));
  };
  std::get<FloatExecutor>(data_of(reference).executor).run(batch, data_of(workspace), {.observer = observer});
}

PartObserver::PartObserver(Engine reference) : data_(std::make_unique<Data>(std::move(reference))) {}
PartObserver::~PartObserver() = default;
PartObserver::PartObserver(PartObserver&&) noexcept = default;
PartObserver& PartObserver::operator=(PartObserver&&) noexcept = default;

void PartObserver::observe(const TokenBatch& batch, Workspace& workspace) {
  data_->observe(make_ragged(batch, data_->reference.model().info()), workspace);
}

void PartObserver::observe(const ImageBatch& batch, Workspace& workspace) {
  data_->observe(make_ragged(batch, data_->reference.model().info()), workspace);
}

}  // namespace octavo

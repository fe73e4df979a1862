// The language head in float32: what it reads, and logits of chosen rows.
#include "float/float_run.h"

#include <algorithm>

namespace octavo {

/// Logits are made in parts, see FloatExecutor::token_logits; only what the head's weights read is seen here.
void FloatExecutor::Run::execute(const LanguageHead& op, const Node& node) {
  if (!op.projection) return;
  const int columns = op.projection->columns;
  auto* rows = workspace.get<float>("float.projected", padded_rows(batch.rows()) * static_cast<std::size_t>(columns));
  model.projection->run(workspace.pool, batch.rows(), at(node.inputs[0]), rows);
  observe(model.name(node.output) + ".input", rows, batch.rows(), columns);
}

void FloatExecutor::token_logits(const RaggedBatch& batch, std::span<const std::int32_t> rows,
                                 Workspace::Data& workspace, const FloatLogits& visit) const {
  const Node& head = *impl_->data->graph.language_head();
  const Tensor hidden = run(batch, workspace);
  const auto width = static_cast<std::size_t>(hidden.columns()),
             vocabulary = static_cast<std::size_t>(impl_->columns(head.output));
  const std::shared_ptr<const FloatLinear> product = impl_->products.of(head);
  const auto& projection = std::get<LanguageHead>(head.op).projection;
  const std::size_t inputs = projection ? static_cast<std::size_t>(projection->columns) : width;
  auto* chosen = workspace.get<float>("float.chosen", kLogitRows * width);
  auto* projected = workspace.get<float>("float.projected", kLogitRows * inputs);
  auto* logits = workspace.get<float>("float.logits", kLogitRows * vocabulary);
  for (std::size_t first = 0; first < rows.size(); first += kLogitRows) {
    const std::size_t count = std::min(rows.size() - first, std::size_t{kLogitRows});
    for (std::size_t i = 0; i < count; ++i) {
      const float* row = hidden.as<float>().data() + static_cast<std::size_t>(rows[first + i]) * width;
      std::copy_n(row, width, chosen + i * width);
    }
    const int n = static_cast<int>(count);
    workspace.node(static_cast<std::size_t>(&head - impl_->data->graph.nodes.data()), [&] {
      if (projection) impl_->projection->run(workspace.pool, n, chosen, projected);
      product->run(workspace.pool, n, projection ? projected : chosen, logits);
    });
    workspace.pool.run(n, [&](int i, int) {
      visit(first + static_cast<std::size_t>(i), {logits + static_cast<std::size_t>(i) * vocabulary, vocabulary});
    });
  }
}

}  // namespace octavo

#include "integer/integer_executor.h"

#include "graph/op_facts.h"
#include "integer/integer_pass.h"
#include "runtime/chosen_rows.h"

namespace octavo {

using namespace kernels;

struct IntegerExecutor::Impl {
  Impl(std::shared_ptr<const Model::Data> model, Isa isa)
      : data(std::move(model)), table(table_for(isa)), bound(bind_graph(*data)) {}

  /// Runs nodes in order, and shows them to the observer.
  void run(IntegerPass& pass, Workspace::Data& workspace, const std::vector<bool>& needed,
           CodeObserver observer = nullptr, void* context = nullptr) const {
    for (std::size_t i = 0; i < needed.size(); ++i) {
      if (!needed[i]) continue;
      NodeCodes codes;
      workspace.node(data->graph, i, [&] { codes = pass.run(i); });
      if (observer) observer(context, i, codes);
    }
  }

  OutputCodes codes_of(IntegerPass& pass, ValueId value, int rows) const;

  std::shared_ptr<const Model::Data> data;
  KernelTable table;
  BoundGraph bound;
};

OutputCodes IntegerExecutor::Impl::codes_of(IntegerPass& pass, ValueId value, int rows) const {
  const auto count = static_cast<std::size_t>(rows) * static_cast<std::size_t>(data->graph.columns(value));
  const ValueBuffers& made = bound.values[static_cast<std::size_t>(value)];
  if (made.s32 >= 0) return {.s32 = {pass.at<std::int32_t>(made.s32), count}};
  return {.s16 = pass.packed_rows(made.s16, rows)};
}

IntegerExecutor::IntegerExecutor(std::shared_ptr<const Model::Data> data, Isa isa)
    : impl_(std::make_unique<Impl>(std::move(data), isa)) {}
IntegerExecutor::~IntegerExecutor() = default;
IntegerExecutor::IntegerExecutor(IntegerExecutor&&) noexcept = default;
IntegerExecutor& IntegerExecutor::operator=(IntegerExecutor&&) noexcept = default;

OutputCodes IntegerExecutor::run(ValueId value, const RaggedBatch& batch, Workspace::Data& workspace,
                                 CodeObserver observer, void* context) const {
  const Graph& graph = impl_->data->graph;
  IntegerPass pass(impl_->bound, impl_->table, batch, workspace);
  if (observer) pass.observe();
  impl_->run(pass, workspace, graph.needed_for(value), observer, context);
  return impl_->codes_of(pass, value, batch.rows(graph.value(value), 0));
}

void IntegerExecutor::visit_chosen(ValueId value, const RaggedBatch& batch, std::span<const std::int32_t> rows,
                                   Workspace::Data& workspace, const IntegerRowVisitor& visit) const {
  const Graph& graph = impl_->data->graph;
  std::vector<bool> body = graph.needed_for(value), head = body;
  for (std::size_t i = 0; i < body.size(); ++i)
    (graph.values[i].rows == RowKind::chosen_token ? body : head)[i] = false;
  IntegerPass pass(impl_->bound, impl_->table, batch, workspace);
  pass.choose(rows.first(std::min(kChosenRows, rows.size())));
  impl_->run(pass, workspace, body);
  const auto columns = static_cast<std::size_t>(graph.columns(value));
  for_chosen_rows(rows, [&](std::size_t first, std::span<const std::int32_t> part) {
    pass.choose(part);
    impl_->run(pass, workspace, head);
    const OutputCodes all = impl_->codes_of(pass, value, static_cast<int>(part.size()));
    workspace.pool.run(static_cast<int>(part.size()), [&](int i, int thread) {
      const std::size_t own = static_cast<std::size_t>(i) * columns;
      OutputCodes row;
      if (all.s16.empty())
        row.s32 = all.s32.subspan(own, columns);
      else
        row.s16 = all.s16.subspan(own, columns);
      visit(first + static_cast<std::size_t>(i), thread, row);
    });
  });
}

std::span<const std::int32_t> IntegerExecutor::sum_tokens(const RaggedBatch& batch, std::span<const std::int16_t> codes,
                                                          Workspace::Data& workspace) const {
  const int columns = impl_->data->info.hidden_size;
  const auto elements = static_cast<std::size_t>(batch.sequences()) * static_cast<std::size_t>(columns);
  auto* sums = workspace.get<std::int32_t>("sums", elements);
  for (int i = 0; i < batch.sequences(); ++i) {
    const std::ptrdiff_t first = batch.start[static_cast<std::size_t>(i)] + batch.prefix;
    impl_->table.column_sum({.rows = batch.length(i) - batch.prefix,
                             .columns = columns,
                             .in = codes.data() + first * columns,
                             .stride = columns,
                             .out = sums + static_cast<std::ptrdiff_t>(i) * columns});
  }
  return {sums, elements};
}

float IntegerExecutor::scale(ValueId value) const {
  return output_encoding(impl_->data->integer->ops[static_cast<std::size_t>(value)]).scale;
}

}  // namespace octavo

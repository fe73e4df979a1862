// A pass of the integer executor: its buffers by liveness, and spans of ops over blocks of rows.
#include "integer/integer_pass.h"

#include "tests/support/support.h"
#include "tests/support/tiny_bert.h"

#include <vector>

namespace octavo::test {
namespace {

/// The node of this name.
std::size_t node_of(const Graph& graph, const std::string& name) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (graph.name(static_cast<ValueId>(i)) == name) return i;
  }
  FAIL("no node " << name);
  return 0;
}

/// What the last of the nodes leaves on the stream, the feed-forward network being run over blocks of so many rows.
std::vector<std::int16_t> stream_by_blocks(const Model& model, const RaggedBatch& batch, int rows) {
  const Graph& graph = data_of(model).graph;
  const BoundGraph bound = bind_graph(data_of(model));
  const kernels::KernelTable table = kernels::table_for(kernels::Isa::scalar);
  Workspace::Data workspace(1);
  IntegerPass pass(bound, table, batch, workspace);
  const std::size_t first = node_of(graph, "encoder.layer.0.intermediate.dense"),
                    last = node_of(graph, "encoder.layer.0.output.LayerNorm");
  for (std::size_t i = 0; i < first; ++i) pass.run(i);
  NodeCodes codes;
  for (int row = 0; row < batch.rows(); row += rows) {
    pass.set_block({.first = row, .count = rows});
    for (std::size_t i = first; i <= last; ++i) codes = pass.run(i);
  }
  std::vector<std::int16_t> result;
  for (int row = 0; row < batch.rows(); ++row)
    result.insert(result.end(), codes.stream + row * codes.stream_stride,
                  codes.stream + row * codes.stream_stride + 48);
  return result;
}

}  // namespace

TEST_CASE("row-wise ops give the same codes over blocks of rows as over all of them at once") {
  const Model model = quantized_tiny_model();
  const RaggedBatch batch = make_ragged(random_batch(9, 30, 50, 3), model.info());
  REQUIRE(batch.rows() > 64);
  const std::vector<std::int16_t> whole = stream_by_blocks(model, batch, batch.rows());
  for (const int rows : {16, 32, 48}) CHECK(stream_by_blocks(model, batch, rows) == whole);
}

TEST_CASE("buffers are shared by liveness: a deeper model needs no more of them, and sums stay where they are") {
  const auto slots = [](int layers) {
    return bind_graph(data_of(quantized_tiny_model({.layers = layers}))).plan.slots.size();
  };
  CHECK(slots(3) == slots(1));
  const Model model = quantized_tiny_model();
  const Graph& graph = data_of(model).graph;
  const BoundGraph bound = bind_graph(data_of(model));
  const auto slot = [&](ValueId value) {
    return bound.plan.slot_of[static_cast<std::size_t>(bound.values[static_cast<std::size_t>(value)].s16.buffer)];
  };
  for (const Node& node : graph.nodes) {
    if (node.inputs.size() == 2) CHECK(slot(node.output) == slot(node.inputs[1]));
  }
}

}  // namespace octavo::test

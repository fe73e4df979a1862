#include "integer/integer_pass.h"

namespace octavo {

using namespace kernels;

namespace {

std::size_t padded(int rows) { return static_cast<std::size_t>(round_up(rows, kTileRows)); }

}  // namespace

IntegerPass::IntegerPass(const BoundGraph& graph, const KernelTable& table, const RaggedBatch& batch,
                         Workspace::Data& workspace)
    : graph_(graph), table_(table), batch_(batch), workspace_(workspace) {
  int longest = 1;
  for (int i = 0; i < batch.sequences(); ++i) longest = std::max(longest, batch.past(i) + batch.length(i));
  attention_scratch_bytes_ = (kernels::attention_scratch_bytes(longest, graph.largest_head_size) + 63) / 64 * 64;
  attention_scratch_ = workspace.get<std::uint8_t>(
      "attention", attention_scratch_bytes_ * static_cast<std::size_t>(workspace.pool.threads()));
  for (const int removed : graph.removed) {
    if (removed > 0) fewer_.try_emplace(removed, without_tokens(batch, removed));
  }
  if (graph.four_bit_scratch_bytes > 0)
    four_bit_scratch_ = workspace.get<std::int8_t>(
        "four_bit", graph.four_bit_scratch_bytes * static_cast<std::size_t>(workspace.pool.threads()));
  choose({});
}

void IntegerPass::choose(std::span<const std::int32_t> rows) {
  chosen_ = rows;
  const std::vector<std::byte*> slots = workspace_.buffers_of(
      graph_.plan, {padded(batch_.rows()), padded(batch_.sequences()), padded(static_cast<int>(chosen_.size()))});
  buffers_.clear();
  for (const int slot : graph_.plan.slot_of) buffers_.push_back(slots[static_cast<std::size_t>(slot)]);
}

NodeCodes IntegerPass::run(std::size_t node) {
  removed_ = graph_.removed_before[node];
  return graph_.ops[node]->run(*this, graph_.rows[node]);
}

std::span<const std::int16_t> IntegerPass::packed_rows(const Rows16& rows, int count) {
  std::int16_t* first = rows_at(rows);
  const auto columns = static_cast<std::size_t>(rows.columns);
  for (int i = 1; rows.columns != rows.stride && i < count; ++i)
    std::copy_n(first + i * rows.stride, columns, first + static_cast<std::size_t>(i) * columns);
  return {first, static_cast<std::size_t>(count) * columns};
}

void IntegerPass::write_coarse(const Rows8& rows, const RowBlock& block) const {
  if (!rows.refined.coarse) return;
  for_rows(block, rows.columns, [&](int row, int count) {
    table_.shift_tiles(coarse_tiles(bytes_at(rows), rows.columns, rows.refined, row, count));
  });
}

NodeCodes IntegerPass::codes_of(const Rows8& rows) const {
  const ByteMatrix bytes = bytes_at(rows);
  return {.bytes = bytes, .fine = rows.refined.fine_bits > 0 ? fine_codes(bytes, rows.columns) : ByteMatrix{}};
}

}  // namespace octavo

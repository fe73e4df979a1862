#include "partition.h"

#include <algorithm>
#include <vector>

namespace octavo {
namespace {

constexpr int kTileRows = 16, kPanelColumns = 32;
constexpr int kColumnUnit = 64;  // two panels: bytes in tile order are addressed from multiples of 64 columns only
constexpr std::int64_t kSmallProduct = 200'000;  // multiply-adds per thread below which waking one does not pay
constexpr std::int64_t kSmallRows = 16'000;      // elements per thread, likewise
constexpr int kTasksPerThread = 3;

int ceil_div(int a, int b) { return (a + b - 1) / b; }

/// Length of runs, a multiple of `unit`, that cut `count` into about `tasks`.
int run_length(int count, int unit, int tasks) { return ceil_div(ceil_div(count, unit), tasks) * unit; }

}  // namespace

void for_parts(ThreadPool& pool, int rows, int columns, int depth, const std::function<void(const Part&)>& task) {
  const int padded = ceil_div(columns, kPanelColumns) * kPanelColumns;
  const int threads = pool.threads();
  if (threads == 1 || std::int64_t{rows} * padded * depth < kSmallProduct * threads) {
    task({.row = 0, .rows = rows, .column = 0, .columns = padded});
    return;
  }
  const bool by_rows = rows >= 4 * kTileRows * threads;
  const int tasks = threads * kTasksPerThread;
  const int row_run = by_rows ? run_length(rows, kTileRows, tasks) : rows;
  const int column_run = by_rows ? padded : run_length(padded, kColumnUnit, tasks);
  const int row_runs = ceil_div(rows, row_run), column_runs = ceil_div(padded, column_run);
  pool.run(row_runs * column_runs, [&](int index, int) {
    const int row = index / column_runs * row_run, column = index % column_runs * column_run;
    task({.row = row,
          .rows = std::min(row_run, rows - row),
          .column = column,
          .columns = std::min(column_run, padded - column)});
  });
}

void for_rows(ThreadPool& pool, int rows, int columns, const std::function<void(int row, int rows)>& task) {
  if (pool.threads() == 1 || std::int64_t{rows} * columns < kSmallRows * pool.threads()) {
    task(0, rows);
    return;
  }
  const int run = run_length(rows, kTileRows, pool.threads() * kTasksPerThread);
  pool.run(ceil_div(rows, run), [&](int index, int) { task(index * run, std::min(run, rows - index * run)); });
}

void for_heads(ThreadPool& pool, const RaggedBatch& batch, int heads,
               const std::function<void(int sequence, int head, int query, int queries, int thread)>& task) {
  // Whole heads share the packing of K and V; only when there are too few for the threads are long ones cut.
  const bool cut = batch.sequences() * heads < pool.threads() * kTasksPerThread;
  constexpr int kQueries = 64;
  struct Item {
    int sequence, query, queries;
  };
  std::vector<Item> items;
  for (int i = 0; i < batch.sequences(); ++i) {
    const int run = cut ? kQueries : batch.length(i);
    for (int query = 0; query < batch.length(i); query += run) {
      items.push_back({i, query, std::min(run, batch.length(i) - query)});
    }
  }
  pool.run(static_cast<int>(items.size()) * heads, [&](int index, int thread) {
    const Item& item = items[static_cast<std::size_t>(index / heads)];
    task(item.sequence, index % heads, item.query, item.queries, thread);
  });
}

}  // namespace octavo

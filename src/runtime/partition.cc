#include "runtime/partition.h"

#include <algorithm>
#include <vector>

namespace octavo {
namespace {

constexpr int kTileRows = 16, kPanelColumns = 32;
constexpr int kColumnUnit = 64;  // two panels: bytes in tile order are addressed from multiples of 64 columns only
constexpr std::int64_t kSmallProduct = 200'000;  // multiply-adds per thread below which waking one does not pay
constexpr std::int64_t kSmallRows = 16'000;      // elements per thread, likewise
constexpr int kMostTasksPerThread = 3;
constexpr int kTaskRows = 512;                      // of a product cut by rows: each task fetches all weights
constexpr std::int64_t kTaskProducts = 20'000'000;  // multiply-adds

int ceil_div(int a, int b) { return (a + b - 1) / b; }

/// `count` things in units, cut into runs as even as units allow.
class Runs {
 public:
  Runs(int count, int unit, int runs)
      : total_(count), unit_(unit), units_(ceil_div(count, unit)), runs_(std::min(runs, units_)) {}
  int count() const { return runs_; }
  int begin(int run) const { return static_cast<int>(std::int64_t{units_} * run / runs_) * unit_; }
  int length(int run) const { return std::min(begin(run + 1), total_) - begin(run); }

 private:
  int total_, unit_, units_, runs_;
};

/// As many tasks as help threads that are slowed down, none of them so small that it costs more than it does.
int tasks_for(int threads, std::int64_t amount, std::int64_t least) {
  return threads * static_cast<int>(std::clamp<std::int64_t>(amount / (least * threads), 1, kMostTasksPerThread));
}

/// From how many rows per thread on a product is cut by rows. Then all that a thread reads it wrote itself, but it
/// fetches all weights; cut by columns, it fetches what other threads wrote. The wider a product, the more its weights
/// weigh.
int thread_rows(int columns, int depth) {
  return std::clamp(std::min(columns, depth) / 6, 2 * kTileRows, 8 * kTileRows);
}

}  // namespace

void for_parts(ThreadPool& pool, int rows, int columns, int depth, const std::function<void(const Part&)>& task,
               int products) {
  const int padded = ceil_div(columns, kPanelColumns) * kPanelColumns;
  const int threads = pool.threads();
  const std::int64_t work = std::int64_t{rows} * padded * depth * products;
  if (threads == 1 || work < kSmallProduct * threads) {
    for (int product = 0; product < products; ++product)
      task({.row = 0, .rows = rows, .column = 0, .columns = padded, .product = product});
    return;
  }
  const bool by_rows = rows >= thread_rows(columns, depth) * threads;
  const Runs row_runs(rows, kTileRows, by_rows ? tasks_for(threads, rows, kTaskRows) : 1);
  const Runs column_runs(padded, kColumnUnit, by_rows ? 1 : tasks_for(threads, work, kTaskProducts));
  pool.run(row_runs.count() * column_runs.count() * products, [&](int index, int thread) {
    const int run = index / products, row = by_rows ? run : 0, column = by_rows ? 0 : run;
    task({.row = row_runs.begin(row),
          .rows = row_runs.length(row),
          .column = column_runs.begin(column),
          .columns = column_runs.length(column),
          .product = index % products,
          .thread = thread});
  });
}

void for_rows(ThreadPool& pool, int rows, int columns, const std::function<void(int row, int rows)>& task) {
  if (pool.threads() == 1 || std::int64_t{rows} * columns < kSmallRows * pool.threads()) {
    task(0, rows);
    return;
  }
  const Runs runs(rows, kTileRows, pool.threads() * kMostTasksPerThread);
  pool.run(runs.count(), [&](int index, int) { task(runs.begin(index), runs.length(index)); });
}

int key_shares(int calls, int threads, int keys) {
  constexpr int kLeastKeys = 512;
  if (2 * calls > threads || keys < kLeastKeys) return 1;
  int shares = ceil_div(threads, calls);
  while (calls * shares % threads != 0 && calls * shares < kMostTasksPerThread * threads) ++shares;
  return shares;
}

void for_heads(ThreadPool& pool, const RaggedBatch& batch, int heads,
               const std::function<void(int sequence, int head, int query, int queries, int thread)>& task) {
  // Whole heads share the packing of K and V. Only when there are too few for the threads is each cut, into as many
  // parts as give all threads the same.
  const int whole = batch.sequences() * heads, threads = pool.threads();
  int parts = 1;
  while (whole * parts % threads != 0 && whole * parts < kMostTasksPerThread * threads) ++parts;
  struct Item {
    int sequence, query, queries;
  };
  std::vector<Item> items;
  for (int i = 0; i < batch.sequences(); ++i) {
    const int run = ceil_div(ceil_div(batch.length(i), parts), kTileRows) * kTileRows;
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

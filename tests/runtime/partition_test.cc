// How work is cut: every element once, at boundaries that kernels can take.
#include "runtime/partition.h"

#include "tests/support/support.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

namespace octavo::test {
namespace {

// Counts, by one thread at a time, how often each element of a grid is covered.
class Cover {
 public:
  Cover(int rows, int columns) : columns_(columns), counts_(static_cast<std::size_t>(rows * columns)) {}
  void add(int row, int rows, int column, int columns) {
    const std::lock_guard lock(mutex_);
    for (int i = row; i < row + rows; ++i) {
      for (int j = column; j < column + columns; ++j) ++counts_.at(static_cast<std::size_t>(i * columns_ + j));
    }
  }
  bool is_once() const {
    return std::count(counts_.begin(), counts_.end(), 1) == static_cast<std::ptrdiff_t>(counts_.size());
  }

 private:
  int columns_;
  std::vector<int> counts_;
  std::mutex mutex_;
};

}  // namespace

TEST_CASE("the parts of products cover every output once, from whole tiles and panels on") {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (const int rows : {1, 16, 33, 200, 700}) {
      for (const int columns : {32, 96, 384, 1000}) {
        for (const int products : {1, 3}) {
          CAPTURE(threads, rows, columns, products);
          const int padded = (columns + 31) / 32 * 32;
          Cover cover(rows * products, padded);
          std::atomic<bool> aligned = true;
          const auto task = [&](const Part& part) {
            if (part.row % 16 != 0 || part.column % 64 != 0) aligned = false;
            cover.add(part.product * rows + part.row, part.rows, part.column, part.columns);
          };
          for_parts(pool, rows, columns, 1024, task, products);
          CHECK(cover.is_once());
          CHECK(aligned);
        }
      }
    }
  }
}

TEST_CASE("runs of rows, and of a head's queries, cover each once") {
  RaggedBatch batch;
  const std::vector<int> lengths = {1, 130, 7, 64};
  batch.start = {0};
  for (const int length : lengths) batch.start.push_back(batch.start.back() + length);
  for (const int threads : {1, 2, 5, 16}) {
    CAPTURE(threads);
    ThreadPool pool(threads);
    Cover rows(5000, 1);
    for_rows(pool, 5000, 64, [&](int row, int count) { rows.add(row, count, 0, 1); });
    CHECK(rows.is_once());
    for (const int heads : {1, 3, 12}) {
      Cover queries(batch.start.back(), heads);
      for_heads(pool, batch, heads, [&](int sequence, int head, int query, int count, int) {
        queries.add(batch.start[static_cast<std::size_t>(sequence)] + query, count, head, 1);
      });
      CHECK(queries.is_once());
    }
  }
}

TEST_CASE("threads share the keys of heads where heads are few and texts long") {
  CHECK(key_shares(3, 7, 596) == 7);    // 21 shares, three for each thread
  CHECK(key_shares(3, 16, 599) == 16);  // as many for each
  CHECK(key_shares(6, 16, 599) == 8);
  CHECK(key_shares(12, 96, 4096) == 8);
  CHECK(key_shares(3, 2, 4096) == 1);
  CHECK(key_shares(12, 16, 4096) == 1);
  CHECK(key_shares(3, 7, 511) == 1);
}

}  // namespace octavo::test

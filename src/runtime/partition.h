// How one op's work is cut into tasks for the threads. Integer sums are exact, so no cut can change a bit.
#pragma once

#include "base/thread_pool.h"
#include "runtime/ragged.h"

#include <functional>

namespace octavo {

/// A rectangle of a product's output: rows from a multiple of 16, columns from a multiple of 32.
struct Part {
  int row, rows;
  int column, columns;
  int product = 0;
  int thread = 0;                  ///< of the pool, that works on it
  std::int8_t* scratch = nullptr;  ///< of that thread, where weights have 4 bits
};

/// Cuts products [rows, columns] of the same rows and the given depth: by rows when there are many, else by panels;
/// small ones are not cut. A thread gets the same rows, or columns, of all products.
void for_parts(ThreadPool& pool, int rows, int columns, int depth, const std::function<void(const Part&)>& task,
               int products = 1);

/// Cuts rows into runs that start at multiples of 16.
void for_rows(ThreadPool& pool, int rows, int columns, const std::function<void(int row, int rows)>& task);

/// Into how many shares the keys of a head are cut in a step of decoding with `calls` heads of all sequences, the
/// longest over `keys` tokens: 1 unless there are twice as many threads, and so many keys that it pays for the phases
/// between which all wait.
int key_shares(int calls, int threads, int keys);

/// Cuts attention into (sequence, head, run of queries).
void for_heads(ThreadPool& pool, const RaggedBatch& batch, int heads,
               const std::function<void(int sequence, int head, int query, int queries, int thread)>& task);

}  // namespace octavo

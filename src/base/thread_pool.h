// A small pool: workers spin briefly for the next job, then sleep; the caller works too.
#pragma once

#include <functional>
#include <memory>

namespace octavo {

/// Runs jobs on `threads` threads, the calling one included. Not for concurrent callers: it belongs to one Workspace.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;

  int threads() const { return threads_; }

  /// Calls task(i, thread) for every i in [0, count), each once, in any order, thread in [0, threads()); returns when
  /// all are done. Thread t takes those from ceil(count * t / threads()) on, then what others have left: who numbers
  /// the tasks of one job after another alike finds its data in its cache. A task's exception is rethrown here after
  /// all are done.
  void run(int count, const std::function<void(int index, int thread)>& task);

 private:
  struct State;
  int threads_;
  std::unique_ptr<State> state_;
};

}  // namespace octavo

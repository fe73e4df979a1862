// How jobs reach the workers within a fraction of a microsecond, and how workers that wait long stop costing CPU time.
//
// A job's tasks lie in one range per thread, so that a thread which worked on some rows or columns in one job has them
// in its cache in the next. Whoever is done with its own range helps in the others.
//
// Workers wait for the number of jobs to change. One number per range, `unclaimed`, hands out the tasks: the caller
// sets it to the range's length, every thread takes tasks by decrementing it, and a value of 0 or less means that there
// is nothing to take. A worker that comes late finds nothing or the next job, never a wrong one: a job cannot end while
// a task that someone took is unfinished, so whoever took a task may read the fields of the job and of the range.
#include "base/thread_pool.h"

#include "octavo/error.h"
#include "octavo/system.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <immintrin.h>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace octavo {
namespace {

/// Long enough to bridge what a caller does between two layers, short enough not to be noticed in an idle process.
constexpr std::chrono::microseconds kSpin{150};

/// Polls until `ready()` or kSpin has passed; the answer is the last ready().
template <typename Ready>
bool spin_until(const Ready& ready) {
  constexpr int kPollsPerClock = 32;
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < kPollsPerClock; ++i) {
      if (ready()) return true;
      _mm_pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

}  // namespace

struct ThreadPool::State {
  using Task = std::function<void(int, int)>;

  State(int threads, bool spin) : ranges(static_cast<std::size_t>(threads)), spin(spin) {}

  ~State() {
    {
      const std::lock_guard lock(mutex);
      stopping.store(true);
    }
    wake.notify_all();
    for (std::thread& worker : workers) worker.join();
  }

  /// The tasks of one thread: those in front of `end` that nobody took yet.
  struct alignas(64) Range {
    std::atomic<int> unclaimed = 0;
    int end = 0;
  };

  /// Takes tasks until none is left, of its own range first; how many it took.
  int take_tasks(int thread) {
    int taken = 0;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      Range& range = ranges[(static_cast<std::size_t>(thread) + i) % ranges.size()];
      while (range.unclaimed.load(std::memory_order_relaxed) > 0) {
        const int left = range.unclaimed.fetch_sub(1, std::memory_order_acq_rel);
        if (left <= 0) break;
        run_task(range.end - left, thread);
        ++taken;
      }
    }
    return taken;
  }

  void run_task(int index, int thread) {
    try {
      (*task)(index, thread);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  }

  void work(int thread) {
    std::uint64_t seen = 0;
    const auto called = [&] { return jobs.load() != seen || stopping.load(); };
    for (;;) {
      if (!spin || !spin_until(called)) {
        std::unique_lock lock(mutex);
        // Announced before the last look at `jobs`, as start() counts the job before it looks at `sleepers` (both in
        // the single order of sequentially consistent operations): one of the two sees the other.
        sleepers.fetch_add(1);
        wake.wait(lock, called);
        sleepers.fetch_sub(1);
      }
      if (stopping.load()) return;
      seen = jobs.load();
      const int taken = take_tasks(thread);
      if (taken == 0) continue;
      finished_by_workers.fetch_add(static_cast<std::uint64_t>(taken));
      if (caller_sleeps.load()) {
        { const std::lock_guard lock(mutex); }
        done.notify_one();
      }
    }
  }

  void start(int tasks, const Task& job) {
    task = &job;
    const auto threads = static_cast<std::int64_t>(ranges.size());
    int begin = 0;
    for (std::int64_t i = 0; i < threads; ++i) {
      Range& range = ranges[static_cast<std::size_t>(i)];
      range.end = static_cast<int>(((i + 1) * tasks + threads - 1) / threads);
      range.unclaimed.store(range.end - begin, std::memory_order_release);
      begin = range.end;
    }
    jobs.fetch_add(1);
    if (sleepers.load() == 0) return;
    // Once the mutex was ours, every announced sleeper either waits or will still see the job.
    { const std::lock_guard lock(mutex); }
    // The caller takes one task itself, so more than count - 1 helpers would find nothing.
    for (int i = 0; i < tasks - 1 && i < static_cast<int>(workers.size()); ++i) wake.notify_one();
  }

  void wait_for_workers(int tasks) {
    expected_of_workers += static_cast<std::uint64_t>(tasks);
    const auto finished = [&] { return finished_by_workers.load() == expected_of_workers; };
    if (finished() || (spin && spin_until(finished))) return;
    std::unique_lock lock(mutex);
    caller_sleeps.store(true);
    done.wait(lock, finished);
    caller_sleeps.store(false);
  }

  // What a worker waits for, and the job, lie on one cache line; each range has one of its own.
  alignas(64) std::atomic<std::uint64_t> jobs = 0;
  const Task* task = nullptr;
  std::vector<Range> ranges;
  // What the caller waits for lies on another; it only ever grows, so that no job needs to reset it.
  alignas(64) std::atomic<std::uint64_t> finished_by_workers = 0;
  // What seldom changes may be polled by all.
  alignas(64) std::atomic<int> sleepers = 0;
  std::atomic<bool> stopping = false, caller_sleeps = false;
  const bool spin;
  // The rest is the caller's own, or used in the slow cases only.
  alignas(64) std::uint64_t expected_of_workers = 0;
  std::mutex mutex;
  std::condition_variable wake, done;
  std::exception_ptr failure;
  std::vector<std::thread> workers;
};

ThreadPool::ThreadPool(int threads) : threads_(threads) {
  if (threads < 1)
    throw Error("A thread pool of " + std::to_string(threads) + " threads was asked for, expected at least 1.");
  // With more threads than cores, a thread that spins keeps another one from working.
  state_ = std::make_unique<State>(threads, threads <= default_threads());
  try {
    for (int thread = 1; thread < threads; ++thread)
      state_->workers.emplace_back([state = state_.get(), thread] { state->work(thread); });
  } catch (const std::system_error& error) {
    throw Error("Cannot start " + std::to_string(threads - 1) + " worker threads: " + error.what() + ".");
  }
}

ThreadPool::~ThreadPool() = default;

void ThreadPool::run(int count, const std::function<void(int index, int thread)>& task) {
  if (count <= 0) return;
  if (count == 1) return task(0, 0);
  State& state = *state_;
  state.start(count, task);
  const int own = state.take_tasks(0);
  state.wait_for_workers(count - own);
  if (state.failure) std::rethrow_exception(std::exchange(state.failure, nullptr));
}

}  // namespace octavo

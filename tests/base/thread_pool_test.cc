// Tests of ThreadPool: every task once, errors, reuse, what an idle pool costs.
#include "base/thread_pool.h"

#include "tests/support/support.h"

#include "octavo/error.h"

#include <atomic>
#include <chrono>
#include <ctime>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using octavo::ThreadPool;

namespace {

double cpu_seconds() {
  timespec time = {};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

TEST_CASE("a pool runs every task once, on threads 0 to threads() - 1") {
  for (const int threads : {1, 2, 7}) {
    ThreadPool pool(threads);
    REQUIRE(pool.threads() == threads);
    for (const int count : {0, 1, 2, 3, 8, 1000}) {
      CAPTURE(threads, count);
      std::vector<int> runs(static_cast<std::size_t>(count));
      std::atomic<int> strangers = 0;
      pool.run(count, [&](int index, int thread) {
        ++runs[static_cast<std::size_t>(index)];  // not atomic: run() must order it before the check below
        if (thread < 0 || thread >= threads) ++strangers;
      });
      REQUIRE(runs == std::vector<int>(static_cast<std::size_t>(count), 1));
      REQUIRE(strangers == 0);
    }
  }
}

TEST_CASE("no two tasks run at once with the same thread number, and one number is one thread") {
  constexpr int kThreads = 4;
  ThreadPool pool(kThreads);
  std::vector<std::atomic<int>> busy(kThreads);
  std::vector<std::set<std::thread::id>> ids(kThreads);
  std::atomic<int> clashes = 0;
  for (int round = 0; round < 50; ++round)
    pool.run(64, [&](int, int thread) {
      const auto slot = static_cast<std::size_t>(thread);
      if (busy[slot].fetch_add(1) != 0) ++clashes;
      ids[slot].insert(std::this_thread::get_id());
      busy[slot].fetch_sub(1);
    });
  REQUIRE(clashes == 0);
  for (const auto& id : ids) REQUIRE(id.size() <= 1);
  REQUIRE(ids[0] == std::set<std::thread::id>{std::this_thread::get_id()});
}

TEST_CASE("threads that all work take each its own part of the tasks, whichever job it is") {
  constexpr int kThreads = 5;
  ThreadPool pool(kThreads);
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> arrived = 0;
    std::vector<int> taken_by(kThreads, -1);
    pool.run(kThreads, [&](int index, int thread) {
      taken_by[static_cast<std::size_t>(index)] = thread;
      ++arrived;  // nobody is done before all have begun, so that each takes one
      while (arrived < kThreads) std::this_thread::yield();
    });
    REQUIRE(taken_by == std::vector<int>{0, 1, 2, 3, 4});
  }
}

TEST_CASE("tasks run side by side, also after the workers fell asleep") {
  ThreadPool pool(2);
  for (int round = 0; round < 3; ++round) {
    // Each task waits for the other: one thread alone would never finish.
    std::atomic<int> arrived = 0;
    pool.run(2, [&](int, int) {
      ++arrived;
      while (arrived < 2) std::this_thread::yield();
    });
    REQUIRE(arrived == 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

TEST_CASE("run returns only after the slowest worker is done") {
  for (const int threads : {2, 7}) {
    CAPTURE(threads);
    ThreadPool pool(threads);
    for (int round = 0; round < 5; ++round) {
      std::atomic<int> arrived = 0, finished = 0;
      pool.run(2, [&](int, int thread) {
        ++arrived;
        while (arrived < 2) std::this_thread::yield();
        if (thread != 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        ++finished;
      });
      REQUIRE(finished == 2);
    }
  }
}

TEST_CASE("with one thread or one task everything runs on the caller") {
  const auto check = [caller = std::this_thread::get_id()](int threads, int count) {
    ThreadPool pool(threads);
    std::atomic<int> elsewhere = 0;
    for (int round = 0; round < 2000; ++round)
      pool.run(count, [&](int, int thread) {
        if (thread != 0 || std::this_thread::get_id() != caller) ++elsewhere;
      });
    REQUIRE(elsewhere == 0);
  };
  check(1, 20);
  check(3, 1);
}

TEST_CASE("a task's exception reaches the caller after all tasks ran, and the pool stays usable") {
  for (const int threads : {1, 2, 7}) {
    CAPTURE(threads);
    ThreadPool pool(threads);
    for (int round = 0; round < 20; ++round) {
      std::atomic<int> ran = 0;
      REQUIRE_THROWS_WITH(pool.run(100,
                                   [&](int index, int) {
                                     ++ran;
                                     if (index == 37) throw std::runtime_error("task 37");
                                   }),
                          "task 37");
      REQUIRE(ran == 100);
      pool.run(10, [&](int, int) { ++ran; });
      REQUIRE(ran == 110);
    }
    REQUIRE_THROWS_WITH(pool.run(1, [](int, int) { throw std::runtime_error("alone"); }), "alone");
    REQUIRE_THROWS_AS(pool.run(50, [](int, int) { throw std::runtime_error("every one"); }), std::runtime_error);
  }
}

TEST_CASE("a pool is reused for many short jobs, and for jobs after a pause") {
  for (const int threads : {2, 7}) {
    CAPTURE(threads);
    ThreadPool pool(threads);
    std::int64_t sum = 0;
    std::mutex mutex;
    constexpr int kRounds = 3000;
    for (int round = 0; round < kRounds; ++round) {
      if (round % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // the workers fall asleep
      pool.run(2 + round % 5, [&](int index, int) {
        const std::lock_guard lock(mutex);
        sum += index + 1;
      });
    }
    REQUIRE(sum == kRounds / 5 * (3 + 6 + 10 + 15 + 21));
  }
}

TEST_CASE("pools come and go, also without having worked") {
  for (int round = 0; round < 50; ++round) {
    ThreadPool idle(3);
    ThreadPool pool(3);
    std::atomic<int> ran = 0;
    pool.run(5, [&](int, int) { ++ran; });
    REQUIRE(ran == 5);
  }
}

TEST_CASE("an idle pool soon sleeps") {
  ThreadPool pool(2);
  pool.run(2, [](int, int) {});
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  REQUIRE(cpu_seconds() - before < 0.1);
}

TEST_CASE("a pool has at least one thread") {
  REQUIRE_THROWS_AS(ThreadPool(0), octavo::Error);
  REQUIRE_THROWS_AS(ThreadPool(-2), octavo::Error);
}

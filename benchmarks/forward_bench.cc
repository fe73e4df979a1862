// How long whole forward passes take in INT8 and in float32, side by side, and how near INT8 comes to the peak of its
// product instruction. Usage: octavo_forward_bench CHECKPOINT MODEL.octavo [ROUNDS]
//
// Every round runs the peak and each case once in turn, so that a machine whose speed changes treats all alike. The
// share of the peak is the ninth decile over rounds of multiply-adds per second relative to the peaks next to it.
#include "peak.h"

#include "octavo/engine.h"
#include "octavo/error.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using namespace octavo;

TokenBatch batch_of(int sequences, int length, int vocab_size) {
  TokenBatch batch;
  for (int i = 0; i < sequences; ++i) {
    Tokens tokens;
    for (int t = 0; t < length; ++t) tokens.ids.push_back((i * 7919 + t * 104729 + 1000) % vocab_size);
    batch.sequences.push_back(std::move(tokens));
  }
  return batch;
}

/// Multiply-adds of all products of one pass, attention's included, for heads that divide hidden_size.
double multiply_adds(const ModelInfo& info, int sequences, int length) {
  const double hidden = info.hidden_size, tokens = 1.0 * sequences * length;
  return info.layers * tokens * (4 * hidden * hidden + 2 * hidden * info.intermediate_size + 2 * length * hidden);
}

struct Case {
  const Engine* engine;
  int threads, sequences, length;
  Workspace workspace{{.threads = threads}};
  std::vector<double> milliseconds = {}, shares = {};

  double run() {
    const TokenBatch batch = batch_of(sequences, length, engine->model().info().vocab_size);
    const auto start = std::chrono::steady_clock::now();
    engine->run(batch, workspace);
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }
};

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
}

void print(const Case& c) {
  std::printf("%-12s %7d %6d %7d %10.2f %10.2f", std::string(c.engine->isa()).c_str(), c.threads, c.sequences, c.length,
              quantile(c.milliseconds, 0.0), quantile(c.milliseconds, 0.5));
  if (!c.shares.empty()) std::printf(" %7.1f", 100.0 * quantile(c.shares, 0.9));
  std::printf("\n");
}

void run(const char* checkpoint, const char* file, int rounds) {
  const Engine integer(Model::open(file)), reference(Model::open(checkpoint));
  std::vector<Case> cases;
  for (const auto& [sequences, length] : {std::pair{1, 128}, {8, 128}, {1, 16}, {32, 16}}) {
    for (int threads = 1; threads <= default_threads(); threads *= 2) {
      for (const Engine* engine : {&integer, &reference}) cases.push_back({engine, threads, sequences, length});
    }
  }
  for (Case& c : cases) c.run();
  for (int round = 0; round < rounds; ++round) {
    for (Case& c : cases) {
      const double before = peak_rate(c.engine->isa()), time = c.run();
      const double peak = std::max(before, peak_rate(c.engine->isa()));
      c.milliseconds.push_back(time);
      const double rate = multiply_adds(c.engine->model().info(), c.sequences, c.length) / (time * 1e-3);
      if (peak > 0) c.shares.push_back(rate / (peak * c.threads));
    }
  }
  std::printf("%s\nruns         threads  batch  length     min ms  median ms   %%peak\n", cpu_name().c_str());
  for (const Case& c : cases) print(c);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "Usage: octavo_forward_bench CHECKPOINT MODEL.octavo [ROUNDS]\n");
    return 2;
  }
  try {
    run(argv[1], argv[2], argc > 3 ? std::max(1, std::atoi(argv[3])) : 20);
  } catch (const Error& error) {
    std::fprintf(stderr, "octavo_forward_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}

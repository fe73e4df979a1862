// How near the GEMM kernels of every instruction set come to the peak of its product instruction on this core.
//
// A shared machine changes its speed from one second to the next. So each kernel window lies between two windows of the
// calibrator, all timed with the thread's CPU clock: `%peak` is the ninth decile over windows of the kernel's rate
// relative to the faster of its two neighbours, `best_us` the kernel's best time. The column Time is the mean of a
// window, which holds several calls of small kernels. Inputs are random: zeros would run faster.
#include "benchmarks/peak.h"
#include "kernels/kernels.h"
#include "system/gemm_problem.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace octavo {
namespace {

using namespace kernels;

constexpr auto kUniform = problems::Fill::uniform;

using problems::GemmOptions;
using problems::GemmProblem;
using problems::GemmShape;
using Product = GemmProblem (*)(const GemmOptions&, problems::Random&);

void run(benchmark::State& state, const IsaStatus& isa, Product product, GemmShape shape, bool four_bit) {
  const KernelTable table = table_for(isa.isa);
  problems::Random random(1);
  const GemmOptions options = {
      .shape = shape, .a = kUniform, .b = kUniform, .bias = kUniform, .four_bit = four_bit, .typical = true};
  GemmProblem problem = product(options, random);
  const double macs = 1.0 * shape.rows * shape.columns * shape.depth;
  const int repeats = std::max(1, static_cast<int>(1e8 / macs));
  double best = std::numeric_limits<double>::infinity(), before = peak_rate(isa.name);
  std::vector<double> ratios;
  for (auto _ : state) {
    const double start = thread_seconds();
    for (int i = 0; i < repeats; ++i) problem.call(table);
    const double seconds = thread_seconds() - start;
    state.SetIterationTime(seconds);
    best = std::min(best, seconds / repeats);
    const double after = peak_rate(isa.name);
    ratios.push_back(macs * repeats / seconds / std::max(before, after));
    before = after;
  }
  state.counters["best_us"] = best * 1e6;
  state.counters["GMAC/s"] = macs / best * 1e-9;
  std::sort(ratios.begin(), ratios.end());
  if (before > 0) state.counters["%peak"] = 100 * ratios[ratios.size() * 9 / 10];
}

void register_all(const IsaStatus& status) {
  struct Case {
    const char* name;
    Product product;
    GemmShape shape;
    bool four_bit = false;
  };
  const std::vector<Case> cases = {{"to_bytes", problems::gemm_to_u8, {128, 768, 768}},
                                   {"to_bytes", problems::gemm_to_u8, {128, 1152, 384}},
                                   {"to_bytes", problems::gemm_to_u8, {128, 384, 384}},
                                   {"to_bytes", problems::gemm_to_u8, {128, 1536, 384}},
                                   {"to_bytes", problems::gemm_to_u8, {32, 1536, 384}},
                                   {"to_bytes", problems::gemm_to_u8, {128, 384, 1536}},
                                   {"to_bytes", problems::gemm_to_u8, {1024, 768, 768}},
                                   {"to_bytes", problems::gemm_to_u8, {1024, 1536, 384}},
                                   {"to_bytes", problems::gemm_to_u8, {16, 768, 768}},
                                   {"to_bytes", problems::gemm_to_u8, {9, 384, 384}},
                                   {"to_bytes", problems::gemm_to_u8, {4, 768, 768}},
                                   {"to_bytes", problems::gemm_to_u8, {1, 768, 768}},
                                   {"four_bit", problems::gemm_to_u8, {128, 768, 768}, true},
                                   {"four_bit", problems::gemm_to_u8, {4, 768, 768}, true},
                                   {"four_bit", problems::gemm_to_u8, {1, 768, 768}, true},
                                   {"logits", problems::gemm_to_s32, {2, 50272, 768}},
                                   {"four_bit_logits", problems::gemm_to_s32, {2, 50272, 768}, true},
                                   {"gelu", problems::gemm_gelu, {128, 1536, 384}},
                                   {"gelu", problems::gemm_gelu, {128, 3072, 768}},
                                   {"add_to_stream", problems::gemm_add_to_s16, {128, 384, 1536}},
                                   {"add_to_stream", problems::gemm_add_to_s16, {128, 768, 3072}}};
  for (const Case& c : cases) {
    const std::string name = "gemm_" + std::string(c.name) + "/" + status.name + "/" + std::to_string(c.shape.rows) +
                             "x" + std::to_string(c.shape.columns) + "x" + std::to_string(c.shape.depth);
    const auto body = [status, c](benchmark::State& state) {
      if (status.available) {
        run(state, status, c.product, c.shape, c.four_bit);
      } else {
        state.SkipWithError(status.missing);
      }
    };
    benchmark::RegisterBenchmark(name.c_str(), body)->UseManualTime()->MinTime(0.2)->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace
}  // namespace octavo

int main(int argc, char** argv) {
  for (int i = 0; i < octavo::kernels::kIsaCount; ++i) octavo::register_all(octavo::kernels::isa_status()[i]);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

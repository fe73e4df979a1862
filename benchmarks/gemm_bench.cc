// How near the GEMM kernels of every instruction set come to the peak of its product instruction on this core.
//
// A shared machine changes its speed from one second to the next. So each kernel window lies between two windows of the
// calibrator, all timed with the thread's CPU clock: `%peak` is the ninth decile over windows of the kernel's rate
// relative to the faster of its two neighbours, `best_us` the kernel's best time. The column Time is the mean of a
// window, which holds several calls of small kernels. Inputs are random: zeros would run faster.
#include "benchmarks/peak.h"
#include "kernels/kernels.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace octavo::kernels;

struct Shape {
  int rows, columns, depth;
};

template <class T>
struct Buffer {
  explicit Buffer(size_t count)
      : values(static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64)), std::free) {}
  T* get() const { return values.get(); }
  std::unique_ptr<T, decltype(&std::free)> values;
};

template <class T>
Buffer<T> random_buffer(size_t count, int64_t low, int64_t high) {
  Buffer<T> buffer(count);
  std::mt19937_64 random(count);
  std::uniform_int_distribution<int64_t> uniform(low, high);
  for (size_t i = 0; i < count; ++i) buffer.get()[i] = static_cast<T>(uniform(random));
  return buffer;
}

// Operands of one product and room for every epilogue's output.
struct Problem {
  explicit Problem(Shape shape)
      : padded_rows(static_cast<size_t>(shape.rows + 15) / 16 * 16),
        chunks((shape.columns + 63) / 64),
        a(random_buffer<uint8_t>(padded_rows * shape.depth, 0, 255)),
        b(random_buffer<int8_t>(static_cast<size_t>(shape.columns) * shape.depth, -127, 127)),
        bias(random_buffer<int32_t>(shape.columns, -100000, 100000)),
        multiplier(random_buffer<int32_t>(shape.columns, int64_t{1} << 30, (int64_t{1} << 31) - 1)),
        tables(random_buffer<int16_t>(64, -200, 200)),
        offset(random_buffer<int16_t>(shape.columns, 0, 0)),
        stream(random_buffer<int16_t>(padded_rows * shape.columns, -2000, 2000)),
        bytes(padded_rows * chunks * 64),
        gemm{shape.rows, shape.columns, shape.depth, a.get(), b.get(), bias.get(), multiplier.get(), 46},
        out{bytes.get(), chunks * 1024, 64, 1024} {}
  size_t padded_rows;
  ptrdiff_t chunks;
  Buffer<uint8_t> a;
  Buffer<int8_t> b;
  Buffer<int32_t> bias, multiplier;
  Buffer<int16_t> tables, offset, stream;
  Buffer<uint8_t> bytes;
  Gemm gemm;
  ByteMatrix out;
};

void to_bytes(const KernelTable& table, const Problem& p) { table.gemm_to_bytes(p.gemm, {128, 0, 255, p.out}); }
void gelu(const KernelTable& table, const Problem& p) {
  table.gemm_gelu(p.gemm, {5, 6554, 3, 40000, p.tables.get(), p.tables.get() + 32, p.offset.get(), p.out});
}
void add_to_stream(const KernelTable& table, const Problem& p) {
  table.gemm_add_to_stream(p.gemm, {p.stream.get(), p.gemm.columns});
}

using Product = void (*)(const KernelTable&, const Problem&);

void run(benchmark::State& state, const IsaStatus& isa, Product product, Shape shape) {
  const KernelTable table = table_for(isa.isa);
  const Problem problem(shape);
  const double macs = 1.0 * shape.rows * shape.columns * shape.depth;
  const int repeats = std::max(1, static_cast<int>(1e8 / macs));
  double best = std::numeric_limits<double>::infinity(), before = peak_rate(isa.name);
  std::vector<double> ratios;
  for (auto _ : state) {
    const double start = thread_seconds();
    for (int i = 0; i < repeats; ++i) product(table, problem);
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
    Shape shape;
  };
  const std::vector<Case> cases = {{"to_bytes", to_bytes, {128, 768, 768}},
                                   {"to_bytes", to_bytes, {128, 1152, 384}},
                                   {"to_bytes", to_bytes, {128, 384, 384}},
                                   {"to_bytes", to_bytes, {128, 1536, 384}},
                                   {"to_bytes", to_bytes, {32, 1536, 384}},
                                   {"to_bytes", to_bytes, {128, 384, 1536}},
                                   {"to_bytes", to_bytes, {1024, 768, 768}},
                                   {"to_bytes", to_bytes, {1024, 1536, 384}},
                                   {"to_bytes", to_bytes, {16, 768, 768}},
                                   {"to_bytes", to_bytes, {9, 384, 384}},
                                   {"to_bytes", to_bytes, {4, 768, 768}},
                                   {"to_bytes", to_bytes, {1, 768, 768}},
                                   {"gelu", gelu, {128, 1536, 384}},
                                   {"gelu", gelu, {128, 3072, 768}},
                                   {"add_to_stream", add_to_stream, {128, 384, 1536}},
                                   {"add_to_stream", add_to_stream, {128, 768, 3072}}};
  for (const Case& c : cases) {
    const std::string name = "gemm_" + std::string(c.name) + "/" + status.name + "/" + std::to_string(c.shape.rows) +
                             "x" + std::to_string(c.shape.columns) + "x" + std::to_string(c.shape.depth);
    const auto body = [status, c](benchmark::State& state) {
      if (status.available) {
        run(state, status, c.product, c.shape);
      } else {
        state.SkipWithError(status.missing);
      }
    };
    benchmark::RegisterBenchmark(name.c_str(), body)->UseManualTime()->MinTime(0.2)->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 0; i < kIsaCount; ++i) register_all(isa_status()[i]);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

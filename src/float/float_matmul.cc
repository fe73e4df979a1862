#include "float/float_matmul.h"

#include "octavo/error.h"

#include <dnnl.hpp>

#include <algorithm>
#include <cstring>
#include <dlfcn.h>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace octavo {
namespace {

using Desc = dnnl::memory::desc;
using Tag = dnnl::memory::format_tag;
constexpr auto kF32 = dnnl::memory::data_type::f32;

constexpr int kRowUnit = 16;  // rows of one call are a multiple of it, so that few primitives serve all batches
constexpr int kMostRows = 512;
constexpr int kOddRows = 32;  // oneDNN 2.6 rounds these many alone otherwise than any other number of rows, with AVX2

const dnnl::engine& cpu() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

/// What oneDNN throws becomes the library's own error.
template <typename Work>
auto guarded(Work work) {
  try {
    return work();
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_out_of_memory) throw std::bad_alloc();
    throw Error(std::string("oneDNN: ") + error.what());
  }
}

/// Keeps oneDNN from starting threads next to the pool's, where it uses OpenMP. Looked up by name: which OpenMP, if
/// any, is oneDNN's affair.
class OneThread {
 public:
  OneThread() {
    if (get_ != nullptr && set_ != nullptr) {
      before_ = get_();
      set_(1);
    }
  }
  ~OneThread() {
    if (before_ > 0) set_(before_);
  }
  OneThread(const OneThread&) = delete;

 private:
  template <typename Function>
  static Function* find(const char* name) {
    return reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
  }
  inline static int (*const get_)() = find<int()>("omp_get_max_threads");
  inline static void (*const set_)(int) = find<void(int)>("omp_set_num_threads");
  int before_ = 0;
};

/// What oneDNN calls it, with the factor inside the sigmoid of its "swish".
std::pair<dnnl::algorithm, float> algorithm_of(Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return {dnnl::algorithm::eltwise_gelu_erf, 0.0f};
    case Activation::gelu_new:
      return {dnnl::algorithm::eltwise_gelu_tanh, 0.0f};
    case Activation::quick_gelu:
      return {dnnl::algorithm::eltwise_swish, 1.702f};
    case Activation::silu:
      return {dnnl::algorithm::eltwise_swish, 1.0f};
    case Activation::tanh:
      return {dnnl::algorithm::eltwise_tanh, 0.0f};
    case Activation::relu:
    case Activation::none:
      break;
  }
  return {dnnl::algorithm::eltwise_relu, 0.0f};
}

void append_activation(dnnl::post_ops& ops, Activation activation) {
  if (activation == Activation::none) return;
  const auto [kind, alpha] = algorithm_of(activation);
#if DNNL_VERSION_MAJOR >= 3
  ops.append_eltwise(kind, alpha, 0.0f);
#else
  ops.append_eltwise(1.0f, kind, alpha, 0.0f);
#endif
}

/// Scratch memory is the caller's, so that one primitive may run on several threads at a time.
dnnl::primitive_attr attributes(Activation activation, bool accumulate = false) {
  dnnl::post_ops ops;
  append_activation(ops, activation);
  if (accumulate) ops.append_sum();
  dnnl::primitive_attr attr;
  attr.set_post_ops(ops);
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

dnnl::matmul::primitive_desc describe(const Desc& a, const Desc& b, const Desc& bias, const Desc& c,
                                      const dnnl::primitive_attr& attr) {
#if DNNL_VERSION_MAJOR >= 3
  return {cpu(), a, b, bias, c, attr};
#else
  return {dnnl::matmul::desc(a, b, bias, c), attr, cpu()};
#endif
}

dnnl::memory view(const Desc& desc, const void* data) { return {desc, cpu(), const_cast<void*>(data)}; }

void execute(const dnnl::primitive& primitive, std::unordered_map<int, dnnl::memory> arguments) {
  dnnl::stream stream(cpu());
  primitive.execute(stream, arguments);
  stream.wait();
}

Desc row_major(int rows, int columns) { return {{rows, columns}, kF32, Tag::ab}; }

/// A product that is ready to run.
struct Ready {
  explicit Ready(dnnl::matmul::primitive_desc d) : desc(std::move(d)), primitive(desc) {}
  dnnl::matmul::primitive_desc desc;
  dnnl::matmul primitive;
};

}  // namespace

struct FloatLinear::Impl {
  Impl(int inputs_, int columns_, std::span<const float> weight, std::span<const float> bias_, Activation activation)
      : inputs(inputs_),
        columns(columns_),
        attr(attributes(activation)),
        bias_desc({1, columns_}, kF32, Tag::ab),
        bias(bias_desc, cpu()) {
    std::memcpy(bias.get_data_handle(), bias_.data(), bias_.size_bytes());
    const OneThread one;
    const Desc any({inputs, columns}, kF32, Tag::any);
    packed = describe(row_major(128, inputs), any, bias_desc, row_major(128, columns), attr).weights_desc();
    weights = dnnl::memory(packed, cpu());
    dnnl::memory plain = view({{inputs, columns}, kF32, Tag::ba}, weight.data());
    dnnl::stream stream(cpu());
    dnnl::reorder(plain, weights).execute(stream, plain, weights);
    stream.wait();
  }

  /// The primitive for a number of rows, made when first asked for.
  const Ready& ready(int rows) {
    const std::lock_guard lock(mutex);
    const auto found = by_rows.find(rows);
    if (found != by_rows.end()) return found->second;
    return by_rows
        .emplace(rows, Ready(describe(row_major(rows, inputs), packed, bias_desc, row_major(rows, columns), attr)))
        .first->second;
  }

  void run(int rows, const float* x, float* y) {
    const OneThread one;
    const Ready& product = ready(rows);
    execute(product.primitive, {{DNNL_ARG_SRC, view(product.desc.src_desc(), x)},
                                {DNNL_ARG_WEIGHTS, weights},
                                {DNNL_ARG_BIAS, bias},
                                {DNNL_ARG_DST, view(product.desc.dst_desc(), y)},
                                {DNNL_ARG_SCRATCHPAD, dnnl::memory(product.desc.scratchpad_desc(), cpu())}});
  }

  const int inputs, columns;
  const dnnl::primitive_attr attr;
  const Desc bias_desc;
  Desc packed;
  dnnl::memory bias, weights;
  std::mutex mutex;
  std::map<int, Ready> by_rows;
};

FloatLinear::FloatLinear(int inputs, int columns, std::span<const float> weight, std::span<const float> bias,
                         Activation activation)
    : impl_(guarded([&] { return std::make_unique<Impl>(inputs, columns, weight, bias, activation); })) {}
FloatLinear::~FloatLinear() = default;
FloatLinear::FloatLinear(FloatLinear&&) noexcept = default;

void FloatLinear::run(ThreadPool& pool, int rows, const float* x, float* y) const {
  const auto ceil_div = [](int a, int b) { return (a + b - 1) / b; };
  const int share = ceil_div(ceil_div(rows, pool.threads()), kRowUnit) * kRowUnit, run = std::min(share, kMostRows);
  pool.run(ceil_div(rows, run), [&](int index, int) {
    const std::ptrdiff_t first = std::ptrdiff_t{index} * run;
    const int count = ceil_div(std::min(run, rows - static_cast<int>(first)), kRowUnit) * kRowUnit;
    const int at_once = count == kOddRows ? kRowUnit : count;
    for (std::ptrdiff_t row = first; row < first + count; row += at_once)
      guarded([&] { impl_->run(at_once, x + row * impl_->inputs, y + row * impl_->columns); });
  });
}

struct FloatMatmul::Impl {
  explicit Impl(const Shape& s)
      : product(describe({{s.rows, s.depth}, kF32, {s.a_row_stride, s.a_column_stride}},
                         {{s.depth, s.columns}, kF32, {s.b_row_stride, s.b_column_stride}}, Desc(),
                         {{s.rows, s.columns}, kF32, {s.c_stride, 1}}, attributes(Activation::none, s.accumulate))) {}
  Ready product;
};

FloatMatmul::FloatMatmul(const Shape& shape)
    : impl_(guarded([&] {
        const OneThread one;
        return std::make_unique<Impl>(shape);
      })) {}
FloatMatmul::~FloatMatmul() = default;
FloatMatmul::FloatMatmul(FloatMatmul&&) noexcept = default;

void FloatMatmul::run(const float* a, const float* b, float* c) const {
  guarded([&] {
    const OneThread one;
    const auto& desc = impl_->product.desc;
    execute(impl_->product.primitive, {{DNNL_ARG_SRC, view(desc.src_desc(), a)},
                                       {DNNL_ARG_WEIGHTS, view(desc.weights_desc(), b)},
                                       {DNNL_ARG_DST, view(desc.dst_desc(), c)},
                                       {DNNL_ARG_SCRATCHPAD, dnnl::memory(desc.scratchpad_desc(), cpu())}});
  });
}

void add_second_moments(ThreadPool& pool, std::span<const float> x, int columns, std::span<float> sums) {
  constexpr int kStripe = 128;  // rows of the result that one task makes
  const int rows = static_cast<int>(x.size()) / columns;
  pool.run((columns + kStripe - 1) / kStripe, [&](int index, int) {
    const int first = index * kStripe, width = columns - first;
    const FloatMatmul product({.rows = std::min(kStripe, width),
                               .columns = width,
                               .depth = rows,
                               .a_row_stride = 1,
                               .a_column_stride = columns,
                               .b_row_stride = columns,
                               .b_column_stride = 1,
                               .c_stride = columns,
                               .accumulate = true});
    product.run(x.data() + first, x.data() + first, sums.data() + static_cast<std::ptrdiff_t>(first) * columns + first);
  });
}

}  // namespace octavo

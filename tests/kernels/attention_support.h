// What tests of attention kernels share: a call in guarded memory, and layers in real units.
#pragma once

#include "kernels/kernels.h"
#include "tests/kernels/kernel_support.h"
#include "tests/support/support.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <random>
#include <vector>

namespace octavo::test {

using namespace octavo::kernels;

constexpr int kMost = 1 << 30;

// Where a head lies and what is asked of it.
struct Shape {
  int length, head_size;
  int first_query = 0, queries = kMost;  // all by default
  bool gated = false;
  int context_row = 0, context_head = 0;
  bool tile_order = false;
  bool fine = false;  // also fine codes
};

inline int round_up(int value, int step) { return (value + step - 1) / step * step; }

// One call with all that it may touch in guarded memory; q, k, v and gate end with the last element that may be read.
class Problem {
 public:
  Problem(const Shape& shape, const AttentionConstants& layer)
      : constants(layer),
        stride_(shape.head_size + 24),
        q(elements(shape, stride_), 1),
        k(elements(shape, stride_), 1),
        v(elements(shape, stride_), 1),
        gate(static_cast<size_t>(shape.length - 1) * kGateStride + 1, 2),
        scratch_(attention_scratch_bytes(shape.length, shape.head_size)),
        columns_(round_up((shape.context_head + 1) * shape.head_size, 64)),
        context_(static_cast<size_t>(round_up(shape.context_row + shape.length, 16)) * columns_),
        fine_(context_.size()) {
    constants.head_size = shape.head_size;
    const ptrdiff_t tile_stride = ptrdiff_t{16} * columns_;
    call_ = {.constants = &constants,
             .length = shape.length,
             .first_query = shape.first_query,
             .queries = std::min(shape.queries, shape.length - shape.first_query),
             .q = q.data(),
             .k = k.data(),
             .v = v.data(),
             .stride = stride_,
             .key_stride = stride_,
             .gate = shape.gated ? gate.data() : nullptr,
             .gate_stride = kGateStride,
             .context = shape.tile_order ? ByteMatrix{context_.data(), tile_stride, 64, 1024}
                                         : ByteMatrix{context_.data(), tile_stride, columns_, 64},
             .context_row = shape.context_row,
             .context_column = shape.context_head * shape.head_size,
             .scratch = scratch_.data()};
    if (shape.fine) {
      call_.fine = call_.context;
      call_.fine.data = fine_.data();
    }
    std::mt19937_64 unused;
    fill(q, Fill::zero, 0, 0, unused);
    fill(k, Fill::zero, 0, 0, unused);
    fill(v, Fill::zero, 0, 0, unused);
    fill(gate, Fill::zero, 0, 0, unused);
  }

  uint8_t& query(int row, int d) { return q[static_cast<size_t>(row * stride_ + d)]; }
  int8_t& key(int row, int d) { return k[static_cast<size_t>(row * stride_ + d)]; }
  int8_t& value(int row, int d) { return v[static_cast<size_t>(row * stride_ + d)]; }
  int16_t& gate_of(int row) { return gate[static_cast<size_t>(row) * kGateStride]; }

  // The whole context matrix and that of fine codes, 0xA5 where the call wrote nothing.
  std::vector<uint8_t> run(const KernelTable& table) {
    return run_by([&](const Attention& call) { table.attention(call); });
  }
  // The same by shares of the keys, in any order within a phase.
  std::vector<uint8_t> run_shares(const KernelTable& table, int shares, std::mt19937_64& random) {
    const auto do_share = [&](const Attention& call, AttentionShare::Phase phase, int share) {
      const int first = share_begin(call.length, share, shares), end = share_begin(call.length, share + 1, shares);
      table.attention_share(call, {phase, share, shares, first, end - first});
    };
    const auto do_all = [&](const Attention& call, AttentionShare::Phase phase) {
      table.attention_share(call, {phase, 0, shares, 0, call.length});
    };
    std::vector<int> turns(static_cast<size_t>(shares));
    std::iota(turns.begin(), turns.end(), 0);
    return run_by([&](const Attention& call) {
      std::shuffle(turns.begin(), turns.end(), random);
      for (const int share : turns) do_share(call, AttentionShare::scores, share);
      do_all(call, AttentionShare::probabilities);
      std::shuffle(turns.begin(), turns.end(), random);
      for (const int share : turns) do_share(call, AttentionShare::sums, share);
      do_all(call, AttentionShare::context);
    });
  }
  // Element (query, d) of what the last run wrote.
  int context(int query, int d) const { return at(call_.context, query, d); }
  int fine(int query, int d) const { return at(call_.fine, query, d); }
  int at(const ByteMatrix& m, int query, int d) const {
    const ptrdiff_t row = call_.context_row + query, column = call_.context_column + d;
    return m.data[row / 16 * m.tile_stride + row % 16 * m.row_stride + column / 64 * m.chunk_stride + column % 64];
  }
  bool intact() const {
    return q.intact() && k.intact() && v.intact() && gate.intact() && scratch_.intact() && context_.intact() &&
           fine_.intact();
  }
  Attention& call() { return call_; }

  AttentionConstants constants;

 private:
  template <class Call>
  std::vector<uint8_t> run_by(Call call) {
    std::fill(context_.begin(), context_.end(), uint8_t{0xA5});
    std::fill(scratch_.begin(), scratch_.end(), uint8_t{0xFF});
    std::fill(fine_.begin(), fine_.end(), uint8_t{0xA5});
    call(call_);
    std::vector<uint8_t> written(context_.begin(), context_.end());
    written.insert(written.end(), fine_.begin(), fine_.end());
    return written;
  }
  static constexpr int kGateStride = 3;
  static size_t elements(const Shape& shape, int stride) {
    return static_cast<size_t>(shape.length - 1) * stride + shape.head_size;
  }
  int stride_;

 public:
  Guarded<uint8_t> q;
  Guarded<int8_t> k, v;
  Guarded<int16_t> gate;

 private:
  Guarded<uint8_t> scratch_;
  int columns_;
  Guarded<uint8_t> context_, fine_;
  Attention call_;
};

// real = multiplier * 2^-shift, multiplier in [2^30, 2^31)
inline void set_multiplier(AttentionConstants& constants, double real) {
  int exponent;
  const double fraction = std::frexp(real, &exponent);
  constants.multiplier = static_cast<int32_t>(std::min(std::round(std::ldexp(fraction, 31)), 2147483647.0));
  constants.shift = 31 - exponent;
}

// Scores in steps of `nats`.
inline void set_score_scale(AttentionConstants& constants, double nats) {
  const double f = nats / std::log(2.0) * std::ldexp(1.0, 27);
  constants.score_shift = 16 - (std::ilogb(f) + 1);
  constants.score_multiplier =
      static_cast<uint16_t>(std::min(std::round(std::ldexp(f, constants.score_shift)), 65535.0));
}
// What the integers above say, exactly.
inline double score_scale(const AttentionConstants& constants) {
  return std::ldexp(constants.score_multiplier, -27 - constants.score_shift) * std::log(2.0);
}

struct Clipping {
  double gamma, zeta;
};

inline AttentionConstants layer(double nats_per_score, double context_per_value) {
  AttentionConstants constants = {};
  constants.zero_point = 128;
  set_score_scale(constants, nats_per_score);
  set_multiplier(constants, context_per_value);
  return constants;
}
inline AttentionConstants clipped_layer(double nats_per_score, double context_per_value, Clipping clipping) {
  const double range = clipping.zeta - clipping.gamma;
  AttentionConstants constants = layer(nats_per_score, context_per_value * range / 255);
  constants.clipped = true;
  constants.theta = static_cast<int32_t>(std::round(-clipping.gamma / range * std::ldexp(1.0, 31)));
  constants.cap = static_cast<uint32_t>(std::round(std::ldexp(1.0, 31) / range));
  return constants;
}

inline KernelTable scalar_table() { return available_tables()[0].table; }

// Seven levels from 1e-3 on, each 2.68 times the one below, and contexts in units of V.
inline const AttentionLevels kThreeBits = [] {
  AttentionLevels levels = {};
  levels.count = 7;
  for (int i = 0; i < levels.count; ++i) {
    const double step = std::log2(1e3) / 7, value = 1e-3 * std::exp2((i + 0.5) * step);
    AttentionConstants constants = {};
    set_multiplier(constants, value / 255);
    levels.edge[i] = static_cast<uint32_t>(std::round(1e-3 * std::exp2(i * step + 31)));
    levels.code[i] = static_cast<uint8_t>(std::round(255 * std::exp2(-i * step)));
    levels.multiplier[i] = constants.multiplier;
    levels.shift[i] = constants.shift;
  }
  return levels;
}();

}  // namespace octavo::test

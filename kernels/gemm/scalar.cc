// GEMM in plain C++: what the products and their epilogues are. Every other instruction set gives these bits.
#include "kernels/kernels.h"

#include <stdint.h>

namespace octavo::kernels {
namespace {

int32_t clamp(int32_t value, int32_t low, int32_t high) { return value < low ? low : value > high ? high : value; }
int32_t sat16(int32_t value) { return clamp(value, -32768, 32767); }
int32_t satu8(int32_t value) { return clamp(value, 0, 255); }
int32_t mulhrs(int32_t a, int32_t b) { return (a * b + (1 << 14)) >> 15; }

// A weight whose code has 4 bits.
int32_t weight(const Gemm& gemm, int column, int k) {
  const auto n = static_cast<size_t>(column), step = static_cast<size_t>(k), depth = static_cast<size_t>(gemm.depth);
  const int32_t both = gemm.four_bit.codes[code_index(n, step, depth)];
  return ((in_high_half(n) ? both >> 4 : both & 15) - 8) * gemm.four_bit.multiplier[group_index(n, step, depth)];
}

// Calls epilogue(row, column, accumulator) for every element of the product.
template <class Epilogue>
void for_each_accumulator(const Gemm& gemm, Epilogue epilogue) {
  const int chunks = gemm.depth / kTileDepth;
  for (int column = 0; column < gemm.columns; ++column) {
    const ptrdiff_t panel = column / kPanelColumns, tile = column % kPanelColumns / 16;
    for (int row = 0; row < gemm.rows; ++row) {
      int32_t accumulator = gemm.bias[column];
      for (int chunk = 0; chunk < chunks; ++chunk) {
        const uint8_t* a = gemm.a + (ptrdiff_t{row / kTileRows} * chunks + chunk) * 1024 + row % kTileRows * kTileDepth;
        if (gemm.four_bit.codes) {
          for (int k = 0; k < kTileDepth; ++k) accumulator += a[k] * weight(gemm, column, chunk * kTileDepth + k);
          continue;
        }
        const int8_t* b = gemm.b + ((panel * chunks + chunk) * 2 + tile) * 1024 + column % 16 * 4;
        for (int k = 0; k < kTileDepth; ++k) accumulator += a[k] * b[k / 4 * 64 + k % 4];
      }
      epilogue(row, column, accumulator);
    }
  }
}

int32_t pre_shifted(int32_t accumulator, int pre_shift) {
  const int32_t high = INT32_MAX >> pre_shift;
  return static_cast<int32_t>(static_cast<uint32_t>(clamp(accumulator, -high - 1, high)) << pre_shift);
}

// Calls epilogue(row, column, r) with r the requantized accumulator.
template <class Epilogue>
void for_each_result(const Gemm& gemm, Epilogue epilogue) {
  for_each_accumulator(gemm, [&](int row, int column, int32_t accumulator) {
    const int64_t product = int64_t{pre_shifted(accumulator, gemm.pre_shift)} * gemm.multiplier[column];
    epilogue(row, column, static_cast<int32_t>((product + (int64_t{1} << (gemm.shift - 1))) >> gemm.shift));
  });
}

void store(const ByteMatrix& out, int row, int column, int32_t value) {
  out.data[row / kTileRows * out.tile_stride + row % kTileRows * out.row_stride +
           column / kTileDepth * out.chunk_stride + column % kTileDepth] = static_cast<uint8_t>(value);
}

void gemm_to_u8(const Gemm& gemm, const ToU8& to) {
  for_each_result(gemm, [&](int row, int column, int32_t r) {
    store(to.out, row, column, clamp(r + to.zero_point, to.low, to.high));
  });
}

void gemm_gelu(const Gemm& gemm, const Gelu& to) {
  for_each_result(gemm, [&](int row, int column, int32_t r) {
    const int32_t x = sat16(r), magnitude = x < 0 ? -x : x, limit = to.limit;
    const int32_t scaled = (magnitude < limit ? magnitude : limit) << to.normalize;
    const uint32_t position = static_cast<uint32_t>(scaled) * to.inverse >> 16;
    const int32_t p = position < 32767 ? static_cast<int32_t>(position) : 32767, cell = p >> 10;
    const int32_t t = to.base[cell] + mulhrs(to.slope[cell], (p & 1023) << 5);
    const int32_t v = sat16(sat16((x > 0 ? x : 0) + t) + to.offset[column]);
    store(to.out, row, column, satu8(v >> to.fraction_bits));
    if (to.fine_bits == 0) return;
    const int32_t within = clamp(v, 0, 255 << to.fraction_bits) >> (to.fraction_bits - to.fine_bits);
    store(to.fine, row, column, within & ((1 << to.fine_bits) - 1));
  });
}

void gemm_add_to_s16(const Gemm& gemm, const AddToS16& to) {
  for_each_result(gemm, [&](int row, int column, int32_t r) {
    int16_t& stream = to.stream[row * to.stride + column];
    stream = static_cast<int16_t>(sat16(sat16(r) + stream));
  });
}

void gemm_add_to_u8(const Gemm& gemm, const AddToU8& to) {
  for_each_result(gemm, [&](int row, int column, int32_t r) {
    int16_t& stream = to.stream[row * to.stride + column];
    const int32_t a = satu8(r + to.zero_point) - to.zero_point;
    // Sums of codes fit 32 bits. Columns of padding hold anything, and wrap as they do in vectors.
    const auto term = [](int32_t code, int32_t multiplier) {
      return static_cast<uint32_t>(code) * static_cast<uint32_t>(multiplier);
    };
    const uint32_t sum = term(a, to.product_multiplier) + term(stream, to.stream_multiplier) + (1U << 19);
    stream = static_cast<int16_t>(clamp(static_cast<int32_t>(sum) >> 20, to.low, to.high));
  });
}

void gemm_to_s16(const Gemm& gemm, const ToS16& to) {
  for_each_result(gemm, [&](int row, int column, int32_t r) {
    to.out[row * to.stride + column] = static_cast<int16_t>(sat16(r + to.zero_point));
  });
}

void gemm_to_s32(const Gemm& gemm, const ToS32& to) {
  for_each_accumulator(
      gemm, [&](int row, int column, int32_t accumulator) { to.out[row * to.stride + column] = accumulator; });
}

}  // namespace

void install_gemm_scalar(KernelTable& table);
void install_gemm_scalar(KernelTable& table) {
  table.gemm_to_u8 = gemm_to_u8;
  table.gemm_gelu = gemm_gelu;
  table.gemm_add_to_s16 = gemm_add_to_s16;
  table.gemm_add_to_u8 = gemm_add_to_u8;
  table.gemm_to_s16 = gemm_to_s16;
  table.gemm_to_s32 = gemm_to_s32;
}

}  // namespace octavo::kernels

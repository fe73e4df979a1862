// Gated linear units and rotary positions over the vectors of vectors.h: both multiply two 16-bit numbers exactly and
// requantize the product.
#pragma once

#include "kernels/rowwise/rows.h"

namespace octavo::kernels {
namespace {

// The requantization rule for products of 32 bits and one multiplier, with the clamp to codes.
struct Codes {
  Vector multiplier, rounding, shift, zero_point, low, high;

  Codes(int32_t m, int s, int32_t zero, int32_t least, int32_t most)
      : multiplier(all_32(m)),
        rounding(all_32(static_cast<int32_t>(int64_t{1} << (s - 33)))),
        shift(all_32(s - 32)),
        zero_point(all_32(zero)),
        low(all_32(least)),
        high(all_32(most)) {}

  [[gnu::always_inline]] Vector operator()(Vector product) const {
    const Vector even = mul_even_s32(product, multiplier), odd = mul_even_s32(odd_32(product), multiplier);
    const Vector r = shift_each_right_s32(add_32(high_halves(even, odd), rounding), shift);
    return max_s32(min_s32(add_32(r, zero_point), high), low);
  }
};

// An activation's values of 32-bit elements that are s16 codes.
[[gnu::always_inline]] inline Vector activated(const int16_t* table, Vector codes) {
  const Vector place = add_32(codes, all_32(32768)), rest = bit_and(place, all_32(63));
  const Vector parts = add_32(sub_32(all_32(64), rest), shift_left_32(rest, 16));
  const Vector pairs = gather_pairs(table, shift_right_s32<6>(place));
  return shift_right_s32<6>(add_pairs_s16(all_32(32), pairs, parts));
}

// Codes of a vector of 16-bit columns, in packed order.
[[gnu::always_inline]] inline Vector gated_units(const GatedUnits& units, const Codes& codes, ptrdiff_t from,
                                                 int count) {
  const Vector gate = load_some(units.gate + from, count);
  const Vector up = units.up != nullptr ? load_some(units.up + from, count) : all_16(1);
  const Vector left = mul_32(activated(units.table, low_s16_as_s32(gate)), low_s16_as_s32(up));
  const Vector right = mul_32(activated(units.table, high_s16_as_s32(gate)), high_s16_as_s32(up));
  return pack_s32(codes(left), codes(right));
}

[[gnu::always_inline]] inline uint8_t* byte_at(const ByteMatrix& m, int row, int column) {
  return m.data + row / kTileRows * m.tile_stride + row % kTileRows * m.row_stride +
         column / kTileDepth * m.chunk_stride + column % kTileDepth;
}

void gated_units(const GatedUnits& units) {
  const bool fine = units.fine.data != nullptr;
  const Codes codes(units.multiplier, units.shift, units.zero_point, 0, fine ? 2047 : 255);
  for (int row = 0; row < units.rows; ++row) {
    for (int column = 0; column < units.columns; column += kBlockColumns) {
      const int count = units.columns - column;
      const ptrdiff_t from = row * units.stride + column;
      const Vector first = gated_units(units, codes, from, count);
      const Vector second =
          count > kColumns16 ? gated_units(units, codes, from + kColumns16, count - kColumns16) : zero();
      uint8_t* out = byte_at(units.out, row, column);
      if (!fine) {
        store_some(out, count, to_u8(first, second));
        continue;
      }
      store_some(out, count, to_u8(shift_right_u16<3>(first), shift_right_u16<3>(second)));
      store_some(byte_at(units.fine, row, column), count, to_u8(bit_and(first, all_16(7)), bit_and(second, all_16(7))));
    }
  }
}

// The pairs of a head from column j on.
[[gnu::always_inline]] inline void rotate_pairs(const RotateHeads& heads, const Codes& codes, Vector sign,
                                                const int16_t* in, const int16_t* cosine, const int16_t* sine,
                                                uint8_t* out, int j, int count) {
  const int half = heads.head_size / 2;
  const Vector x = load_some(in + j, count), y = load_some(in + half + j, count);
  const Vector c = load_some(cosine + j, count), s = load_some(sine + j, count);
  const auto turned = [&](Vector x32, Vector y32, Vector c32, Vector s32, bool second) __attribute__((always_inline)) {
    return codes(second ? add_32(mul_32(y32, c32), mul_32(x32, s32)) : sub_32(mul_32(x32, c32), mul_32(y32, s32)));
  };
  Vector made[2];
#pragma GCC unroll 2
  for (int k = 0; k < 2; ++k) {
    made[k] = pack_s32(turned(low_s16_as_s32(x), low_s16_as_s32(y), low_s16_as_s32(c), low_s16_as_s32(s), k == 1),
                       turned(high_s16_as_s32(x), high_s16_as_s32(y), high_s16_as_s32(c), high_s16_as_s32(s), k == 1));
  }
  const int bytes = least(count, kColumns16);
  store_some(out + j, bytes, add_8(to_u8(made[0], zero()), sign));
  store_some(out + half + j, bytes, add_8(to_u8(made[1], zero()), sign));
}

void rotate_heads(const RotateHeads& heads) {
  const int half = heads.head_size / 2, lift = heads.low < 0 ? 128 : 0;  // codes are packed as unsigned bytes
  const Codes codes(heads.multiplier, heads.shift, heads.zero_point + lift, heads.low + lift, heads.high + lift);
  const Vector sign = all_8(lift);
  for (int row = 0; row < heads.rows; ++row) {
    const ptrdiff_t first = ptrdiff_t{heads.position[row]} * half;
    for (int head = 0; head < heads.heads; ++head) {
      const int16_t* in = heads.in + row * heads.stride + head * heads.head_size;
      uint8_t* out = heads.out + row * heads.out_stride + head * heads.head_size;
      for (int j = 0; j < half; j += kColumns16)
        rotate_pairs(heads, codes, sign, in, heads.cosine + first, heads.sine + first, out, j, half - j);
    }
  }
}

void install_gated_rows(KernelTable& table) {
  table.gated_units = gated_units;
  table.rotate_heads = rotate_heads;
}

}  // namespace
}  // namespace octavo::kernels

// What the GEMM kernels of the instruction sets above scalar make of accumulators: all epilogues of kernels.h, over the
// vectors of vectors.h, and the table of the products that end in them.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vectors.h"

namespace octavo::kernels {
namespace {

constexpr int kTileBytes = kTileRows * kTileDepth;
constexpr int kRowColumns = kVectorBytes / 2;  // of a Row

// Accumulators of one row, s32. Epilogues take whatever has these members: amx.cc has rows that lie in memory.
struct Row {
  Vector left, right;
  Vector odd_left() const { return odd_32(left); }
  Vector odd_right() const { return odd_32(right); }
};

[[gnu::always_inline]] inline Vector pack(Row r) { return pack_s32(r.left, r.right); }

// A group of kRowColumns columns of a byte matrix; rows 0 and 1 of a pair lie in one tile.
struct ByteRows {
  explicit ByteRows(const ByteMatrix& out) : out(out), column(out.data) {}
  void start_columns(int j) { column = out.data + j / kTileDepth * out.chunk_stride + j % kTileDepth; }
  [[gnu::always_inline]] void store(unsigned row, Vector pair) const {
    uint8_t* to = column + ptrdiff_t{row / kTileRows} * out.tile_stride + ptrdiff_t{row % kTileRows} * out.row_stride;
    store_low_half(to, pair);
    store_high_half(to + out.row_stride, pair);
  }
  ByteMatrix out;
  uint8_t* column;
};

// (accumulator * multiplier + 2^(shift-1)) >> shift by high halves: even elements are multiplied to 64 bits, and so are
// the odd ones after a shift; their high halves are merged. See kernels.h.
class Requantize {
 public:
  explicit Requantize(const Gemm& gemm)
      : multiplier_(gemm.multiplier),
        rounding_(all_32(int32_t{1} << (gemm.shift - 33))),
        count_(count_32(gemm.shift - 32)),
        pre_shift_(gemm.pre_shift) {}
  void start_columns(int column) {
    even_[0] = load(multiplier_ + column);
    even_[1] = load(multiplier_ + column + kRowColumns / 2);
    odd_[0] = odd_32(even_[0]);
    odd_[1] = odd_32(even_[1]);
  }
  template <class AnyRow>
  [[gnu::always_inline]] Row operator()(AnyRow accumulator) const {
    if (pre_shift_ != 0) return shifted(Row{pre_shifted(accumulator.left), pre_shifted(accumulator.right)});
    return shifted(accumulator);
  }

 private:
  template <class AnyRow>
  [[gnu::always_inline]] Row shifted(AnyRow accumulator) const {
    return {half(accumulator.left, accumulator.odd_left(), 0), half(accumulator.right, accumulator.odd_right(), 1)};
  }
  [[gnu::always_inline]] Vector pre_shifted(Vector accumulator) const {
    const Vector high = all_32(INT32_MAX >> pre_shift_), low = all_32(~(INT32_MAX >> pre_shift_));
    return shift_left_32(min_s32(max_s32(accumulator, low), high), pre_shift_);
  }
  [[gnu::always_inline]] Vector half(Vector accumulator, Vector odd_elements, int side) const {
    const Vector even = mul_even_s32(accumulator, even_[side]), odd = mul_even_s32(odd_elements, odd_[side]);
    return shift_right_s32(add_32(high_halves(even, odd), rounding_), count_);
  }
  const int32_t* multiplier_;
  Vector rounding_;
  Count count_;
  int pre_shift_;
  Vector even_[2], odd_[2];
};

// Epilogues: start_columns(column), then store(row, accumulators) for two rows at a time, the first one even.

// clamp(r + zero_point, low, high) = low + min(satu8(r + zero_point - low), high - low).
class U8Epilogue {
 public:
  U8Epilogue(const Gemm& gemm, const ToU8& to)
      : requantize_(gemm),
        out_(to.out),
        offset_(all_16(to.zero_point - to.low)),
        range_(all_8(to.high - to.low)),
        low_(all_8(to.low)) {}
  void start_columns(int column) {
    requantize_.start_columns(column);
    out_.start_columns(column);
  }
  template <class AnyRow>
  [[gnu::always_inline]] void store(unsigned row, AnyRow first, AnyRow second) const {
    out_.store(row, add_8(min_u8(to_u8(s16(first), s16(second)), range_), low_));
  }

 private:
  template <class AnyRow>
  [[gnu::always_inline]] Vector s16(AnyRow accumulator) const {
    return add_saturating_s16(pack(requantize_(accumulator)), offset_);
  }
  Requantize requantize_;
  ByteRows out_;
  Vector offset_, range_, low_;
};

// In an odd cell, bit 15 of p << 5 is the lowest bit of the cell and takes away one slope, which base_ has more there:
// no mask is needed.
class GeluEpilogue {
 public:
  GeluEpilogue(const Gemm& gemm, const Gelu& to)
      : requantize_(gemm),
        out_(to.out),
        fine_(to.fine),
        offsets_(to.offset),
        limit_(all_16(to.limit)),
        inverse_(all_16(to.inverse)),
        slope_(to.slope),
        base_(to.base, slope_),
        normalize_(count_16(to.normalize)),
        fraction_bits_(count_16(to.fraction_bits)),
        fine_shift_(count_16(to.fraction_bits - to.fine_bits)),
        largest_(all_16(255 << to.fraction_bits)),
        fine_mask_(all_16((1 << to.fine_bits) - 1)),
        has_fine_(to.fine_bits > 0) {}
  void start_columns(int column) {
    requantize_.start_columns(column);
    out_.start_columns(column);
    if (has_fine_) fine_.start_columns(column);
    offset_ = to_packed_order(load(offsets_ + column));
  }
  template <class AnyRow>
  [[gnu::always_inline]] void store(unsigned row, AnyRow first, AnyRow second) const {
    const Vector v = gelu(first), w = gelu(second);
    out_.store(row, to_u8(shift_right_s16(v, fraction_bits_), shift_right_s16(w, fraction_bits_)));
    if (has_fine_) fine_.store(row, to_u8(fine(v), fine(w)));
  }

 private:
  [[gnu::always_inline]] Vector fine(Vector v) const {
    const Vector clamped = min_s16(max_s16(v, zero()), largest_);
    return bit_and(shift_right_u16(clamped, fine_shift_), fine_mask_);
  }
  template <class AnyRow>
  [[gnu::always_inline]] Vector gelu(AnyRow accumulator) const {
    const Vector x = pack(requantize_(accumulator));
    const Vector magnitude = min_u16(abs_s16(x), limit_);
    const Vector p = min_u16(mulhi_u16(shift_left_16(magnitude, normalize_), inverse_), all_16(32767));
    const Vector cell = Table32::position(shift_right_u16<10>(p)), within = shift_left_16<5>(p);
    const Vector t = add_16(base_[cell], mulhrs_s16(slope_[cell], within));
    return add_saturating_s16(add_saturating_s16(max_s16(x, zero()), t), offset_);
  }
  Requantize requantize_;
  ByteRows out_, fine_;
  const int16_t* offsets_;
  Vector limit_, inverse_;
  Table32 slope_, base_;
  Vector offset_;
  Count normalize_, fraction_bits_, fine_shift_;
  Vector largest_, fine_mask_;
  bool has_fine_;
};

class AddS16Epilogue {
 public:
  AddS16Epilogue(const Gemm& gemm, const AddToS16& to) : requantize_(gemm), to_(to), column_(to.stream) {}
  void start_columns(int column) {
    requantize_.start_columns(column);
    column_ = to_.stream + column;
  }
  template <class AnyRow>
  [[gnu::always_inline]] void store(unsigned row, AnyRow first, AnyRow second) const {
    add(column_ + ptrdiff_t{row} * to_.stride, first);
    add(column_ + ptrdiff_t{row + 1} * to_.stride, second);
  }

 private:
  template <class AnyRow>
  [[gnu::always_inline]] void add(int16_t* stream, AnyRow accumulator) const {
    const Vector r = to_column_order(pack(requantize_(accumulator)));
    kernels::store(stream, add_saturating_s16(r, load(stream)));
  }
  Requantize requantize_;
  AddToS16 to_;
  int16_t* column_;
};

class AddU8Epilogue {
 public:
  AddU8Epilogue(const Gemm& gemm, const AddToU8& to)
      : requantize_(gemm),
        to_(to),
        column_(to.stream),
        zero_point_(all_32(to.zero_point)),
        product_multiplier_(all_32(to.product_multiplier)),
        stream_multiplier_(all_32(to.stream_multiplier)),
        low_(all_32(to.low)),
        high_(all_32(to.high)) {}
  void start_columns(int column) {
    requantize_.start_columns(column);
    column_ = to_.stream + column;
  }
  template <class AnyRow>
  [[gnu::always_inline]] void store(unsigned row, AnyRow first, AnyRow second) const {
    add(column_ + ptrdiff_t{row} * to_.stride, requantize_(first));
    add(column_ + ptrdiff_t{row + 1} * to_.stride, requantize_(second));
  }

 private:
  [[gnu::always_inline]] void add(int16_t* stream, Row r) const {
    const Vector left = sum(r.left, stream), right = sum(r.right, stream + kRowColumns / 2);
    kernels::store(stream, to_column_order(pack_s32(left, right)));
  }
  [[gnu::always_inline]] Vector sum(Vector r, const int16_t* stream) const {
    const Vector code = clamp(add_32(r, zero_point_), zero(), all_32(255));
    const Vector product = mul_32(sub_32(code, zero_point_), product_multiplier_);
    const Vector both = add_32(product, mul_32(load_s16_as_s32(stream), stream_multiplier_));
    return clamp(shift_right_s32<20>(add_32(both, all_32(1 << 19))), low_, high_);
  }
  static Vector clamp(Vector value, Vector low, Vector high) { return min_s32(max_s32(value, low), high); }
  Requantize requantize_;
  AddToU8 to_;
  int16_t* column_;
  Vector zero_point_, product_multiplier_, stream_multiplier_, low_, high_;
};

class S16Epilogue {
 public:
  S16Epilogue(const Gemm& gemm, const ToS16& to)
      : requantize_(gemm), to_(to), column_(to.out), zero_point_(all_32(to.zero_point)) {}
  void start_columns(int column) {
    requantize_.start_columns(column);
    column_ = to_.out + column;
  }
  template <class AnyRow>
  [[gnu::always_inline]] void store(unsigned row, AnyRow first, AnyRow second) const {
    put(column_ + ptrdiff_t{row} * to_.stride, requantize_(first));
    put(column_ + ptrdiff_t{row + 1} * to_.stride, requantize_(second));
  }

 private:
  [[gnu::always_inline]] void put(int16_t* out, Row r) const {
    kernels::store(out, to_column_order(pack({add_32(r.left, zero_point_), add_32(r.right, zero_point_)})));
  }
  Requantize requantize_;
  ToS16 to_;
  int16_t* column_;
  Vector zero_point_;
};

class S32Epilogue {
 public:
  S32Epilogue(const Gemm&, const ToS32& to) : to_(to), column_(to.out) {}
  void start_columns(int column) { column_ = to_.out + column; }
  template <class AnyRow>
  [[gnu::always_inline]] void store(unsigned row, AnyRow first, AnyRow second) const {
    put(column_ + ptrdiff_t{row} * to_.stride, first);
    put(column_ + ptrdiff_t{row + 1} * to_.stride, second);
  }

 private:
  static void put(int32_t* out, Row accumulator) {
    kernels::store(out, accumulator.left);
    kernels::store(out + kRowColumns / 2, accumulator.right);
  }
  ToS32 to_;
  int32_t* column_;
};

// The products of one instruction set in a table. Products::product<Epilogue>(gemm, output) computes a product and
// hands its accumulators to the epilogue.
template <class Products>
void write_table(KernelTable& table) {
  table.gemm_to_u8 = Products::template product<U8Epilogue>;
  table.gemm_gelu = Products::template product<GeluEpilogue>;
  table.gemm_add_to_s16 = Products::template product<AddS16Epilogue>;
  table.gemm_add_to_u8 = Products::template product<AddU8Epilogue>;
  table.gemm_to_s16 = Products::template product<S16Epilogue>;
  table.gemm_to_s32 = Products::template product<S32Epilogue>;
}

}  // namespace
}  // namespace octavo::kernels

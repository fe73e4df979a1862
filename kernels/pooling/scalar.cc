// Windows of pictures and means by scores, in plain C++, which every instruction set runs.
#include "kernels/attention/tables.h"
#include "kernels/kernels.h"

#include <stdint.h>

namespace octavo::kernels {
namespace {

// Bytes to a run of columns, which may cross chunks; `from` null: `outside` again and again.
void write_place(const uint8_t* from, int count, const ByteMatrix& to, int row, int column) {
  uint8_t* line = to.data + row / kTileRows * to.tile_stride + row % kTileRows * to.row_stride;
  while (count > 0) {
    const int room = kTileDepth - column % kTileDepth, part = count < room ? count : room;
    __builtin_memcpy(line + column / kTileDepth * to.chunk_stride + column % kTileDepth, from,
                     static_cast<size_t>(part));
    from += part;
    column += part;
    count -= part;
  }
}

void copy_window(const CopyWindow& copy) {
  const CopyWindow own = copy;
  int column = 0;
  for (int y = own.top; y < own.top + own.edge; ++y) {
    for (int x = own.left; x < own.left + own.edge; ++x, column += own.channels) {
      const bool inside = y >= 0 && y < own.height && x >= 0 && x < own.width;
      const uint8_t* from = inside ? own.picture + y * own.stride + ptrdiff_t{x} * own.channels : own.outside;
      write_place(from, own.channels, own.out, own.row, column);
    }
  }
}

void largest_of_window(const LargestOfWindow& window) {
  const LargestOfWindow own = window;
  const int right = own.left + own.edge < own.width ? own.left + own.edge : own.width,
            bottom = own.top + own.edge < own.height ? own.top + own.edge : own.height;
  for (int j = 0; j < own.columns; ++j) {
    int largest = 0;
    for (int y = own.top > 0 ? own.top : 0; y < bottom; ++y) {
      for (int x = own.left > 0 ? own.left : 0; x < right; ++x) {
        const int value = own.in[(ptrdiff_t{y} * own.width + x) * own.stride + j];
        largest = value > largest ? value : largest;
      }
    }
    if (own.out != nullptr) own.out[j] = static_cast<int16_t>(largest);
    if (own.u8 != nullptr) own.u8[j] = static_cast<uint8_t>(largest < 255 ? largest : 255);
  }
}

// 2^-u in Q15 of a score that lies this far below the largest, as attention has it.
int32_t weight_of(const WeightedMean& mean, uint32_t difference) {
  const uint64_t scaled =
      mean.score_shift >= 0 ? difference >> mean.score_shift : uint64_t{difference} << -mean.score_shift;
  const uint32_t t = scaled < 65535 ? static_cast<uint32_t>(scaled) : 65535,
                 distance = (t * mean.score_multiplier) >> 16, cell = (distance >> 6) & 31;
  // What the table has of an odd cell is its end.
  const int32_t start = kExpBase[cell] + (cell % 2 == 1 ? kExpSlope[cell] : 0);
  const int32_t within = static_cast<int32_t>((distance & 63) << 9);
  return (start - ((kExpSlope[cell] * within + (1 << 14)) >> 15)) >> (distance >> 11);
}

void weighted_mean(const WeightedMean& mean) {
  const WeightedMean own = mean;
  int32_t largest = own.score[0];
  for (int i = 1; i < own.rows; ++i) {
    const int32_t score = own.score[i * own.score_stride];
    largest = score > largest ? score : largest;
  }
  int64_t total = 0;
  for (int j = 0; j < own.columns; ++j) own.sums[j] = 0;
  for (int i = 0; i < own.rows; ++i) {
    const int32_t weight = weight_of(own, static_cast<uint32_t>(largest - own.score[i * own.score_stride]));
    total += weight;
    for (int j = 0; j < own.columns; ++j) own.sums[j] += weight * own.in[i * own.stride + j];
  }
  for (int j = 0; j < own.columns; ++j) {
    const int64_t numerator = 2 * own.sums[j] + total, by = 2 * total, quotient = numerator / by;
    own.out[j] = static_cast<int16_t>(quotient - (numerator % by < 0 ? 1 : 0));
  }
}

}  // namespace

void install_pooling_scalar(KernelTable& table);
void install_pooling_scalar(KernelTable& table) {
  table.copy_window = copy_window;
  table.largest_of_window = largest_of_window;
  table.weighted_mean = weighted_mean;
}

}  // namespace octavo::kernels

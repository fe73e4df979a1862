#include "system/problem.h"

#include <algorithm>

namespace octavo::problems {

using kernels::kTileDepth;
using kernels::kTileRows;

Bytes Problem::run(const kernels::KernelTable& table) {
  for (const Output& each : outputs_) std::copy(each.initial.begin(), each.initial.end(), each.data);
  call(table);
  Bytes bytes;
  for (const Output& each : outputs_) {
    for (const Range& range : each.specified) {
      bytes.insert(bytes.end(), each.data + range.begin, each.data + range.begin + range.size);
    }
  }
  return bytes;
}

bool Problem::intact() const {
  return std::all_of(arrays_.begin(), arrays_.end(), [](const auto& array) { return array->intact(); });
}

kernels::ByteMatrix Problem::byte_output(int rows, int columns, Random& random, Order order) {
  if (order == Order::any) order = random.one_in(2) ? Order::tiles : Order::rows;
  const bool tiles = order == Order::tiles;
  const int stride = tiles ? round_up(columns, kTileDepth) : columns + random.one_of({0, 5, 32});
  const int padded = round_up(rows, kTileRows), whole = rows / kTileRows * kTileRows, rest = rows - whole;
  // Row-major, kernels may write whole tiles of rows, but nothing behind the last row's columns.
  const std::size_t size =
      tiles ? elements(padded, stride) : elements(padded - 1, stride) + static_cast<std::size_t>(columns);
  Guarded<std::uint8_t>& array = this->array<std::uint8_t>(size, tiles ? kTileDepth : 1);
  fill(array, Fill::any, 0, 255, random);
  output(array, tiles ? elements(whole, stride) : std::min(elements(rows, stride), size));
  for (int chunk = 0; tiles && rest > 0 && chunk < stride / kTileDepth; ++chunk) {
    const std::size_t first = elements(whole, stride) + elements(chunk * kTileRows, kTileDepth);
    outputs_.back().specified.push_back({first, elements(rest, kTileDepth)});
  }
  const std::ptrdiff_t tile = std::ptrdiff_t{kTileRows} * stride;
  if (tiles) return {array.data(), tile, kTileDepth, kTileRows * kTileDepth};
  return {array.data(), tile, stride, kTileDepth};
}

}  // namespace octavo::problems

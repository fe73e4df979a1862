// The instructions of AMX. The intrinsics of GCC 12 do not tell the compiler which memory they read and write.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace octavo::kernels {
namespace {

// All eight tiles are 16 rows of 64 bytes.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileConfig kTileConfig;

// The tile registers of this thread, for one call of a kernel: whoever ran before may have left another configuration.
class Tiles {
 public:
  Tiles() { __asm__ volatile("ldtilecfg %0" : : "m"(kTileConfig)); }
  ~Tiles() { __asm__ volatile("tilerelease"); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

// Rows `stride` bytes apart; with 0 all rows are the same.
template <int kTile>
[[gnu::always_inline]] inline void load_tile(const void* from, ptrdiff_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(kTile) : "memory");
}
// The same of what will not be read again soon: it leaves in the L1 cache what is there.
template <int kTile>
[[gnu::always_inline]] inline void load_tile_once(const void* from, ptrdiff_t stride) {
  __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
[[gnu::always_inline]] inline void store_tile(void* to, ptrdiff_t stride) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
[[gnu::always_inline]] inline void zero_tile() {
  __asm__ volatile("tilezero %%tmm%c0" : : "i"(kTile));
}
// kSum[i][j] += sum over k of kUnsigned[i][k] * kSigned[k / 4][4 j + k % 4], over 64 bytes of depth.
template <int kSum, int kUnsigned, int kSigned>
[[gnu::always_inline]] inline void multiply_tiles() {
  __asm__ volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kUnsigned), "i"(kSigned));
}

}  // namespace
}  // namespace octavo::kernels

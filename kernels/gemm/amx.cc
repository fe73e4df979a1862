// GEMM on AMX tiles: one tdpbusd is 16 rows x 16 columns x 64 steps of depth.
//
// A block is 32 rows x 32 columns, four tiles of sums; per 64 steps of depth it loads two tiles of activations and two of
// weights for four products. The weights of a panel stay in the L1 cache while all rows pass it; the activations are loaded
// with the hint that they will not be read again, lest they drive the weights out. While the tiles of a block are at work, the
// vector units make the block before it, which lies in scratch, into the output: its epilogue is spread over the steps.
#include "gemm/vpdpbusd_512.h"

namespace octavo::kernels {
namespace {

constexpr int kFewRows = 2;  // up to which vpdpbusd reads weights as fast as they come
constexpr int kBlockTiles = 2;  // tiles of 16 rows, and of 16 columns, of a block

// All eight tiles are 16 rows of 64 bytes. Tiles 0 .. 3 are the sums of row tile t / 2 and column tile t % 2, 4 and 5
// activations, 6 and 7 weights. The intrinsics of GCC 12 do not tell the compiler which memory they read and write.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileConfig kConfig;

// The tile registers of this thread, for one product. Whoever ran before may have left another configuration.
class Tiles {
 public:
  Tiles() { __asm__ volatile("ldtilecfg %0" : : "m"(kConfig)); }
  ~Tiles() { __asm__ volatile("tilerelease"); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

template <int kTile>
[[gnu::always_inline]] inline void load_tile(const void* from, ptrdiff_t stride) {
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
[[gnu::always_inline]] inline void load_tile_once(const void* from) {
  __asm__ volatile("tileloaddt1 (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(ptrdiff_t{kTileDepth}), "i"(kTile) : "memory");
}
template <int kTile>
[[gnu::always_inline]] inline void store_tile(void* to) {
  __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(ptrdiff_t{kTileDepth}), "i"(kTile) : "memory");
}
template <int kSum, int kActivations, int kWeights>
[[gnu::always_inline]] inline void multiply_tiles() {
  __asm__ volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kActivations), "i"(kWeights));
}

// The sums of a block: tile t is row tile t / 2, column tile t % 2.
struct alignas(64) Sums {
  int32_t tile[kBlockTiles * kBlockTiles][kTileRows][16];
};

// The output of a block whose sums are in scratch, made in portions while the tiles have the next block.
template <class Epilogue>
class Pending {
 public:
  explicit Pending(const Epilogue& epilogue) : epilogue_(epilogue) {}

  /// The block that takes its place in scratch; the one before must be finished.
  void start(int column, int row, int rows) {
    if (column != column_) epilogue_.start_panel(column);
    column_ = column;
    row_ = row;
    rows_ = rows;
    done_ = 0;
  }
  /// Makes the output of its first rows, the share `part` / `parts` of them.
  [[gnu::always_inline]] inline void advance(const Sums& sums, int part, int parts) {
    for (; done_ * parts < rows_ * part; done_ += 2) {
      const auto& left = sums.tile[done_ / kTileRows * kBlockTiles];
      const auto& right = sums.tile[done_ / kTileRows * kBlockTiles + 1];
      const int i = done_ % kTileRows;
      epilogue_.store(row_ + done_, {load(left[i]), load(right[i])}, {load(left[i + 1]), load(right[i + 1])});
    }
  }

 private:
  Epilogue epilogue_;
  int column_ = -1, row_ = 0, rows_ = 0, done_ = 0;
};

template <int kRowTiles>
[[gnu::always_inline]] inline void load_operands(const uint8_t* a, ptrdiff_t row_tile, const int8_t* panel) {
  load_tile<6>(panel, kTileDepth);
  load_tile_once<4>(a);
  load_tile<7>(panel + kTileBytes, kTileDepth);
  if constexpr (kRowTiles == 2) load_tile_once<5>(a + row_tile);
}

// Sum t of the block before goes to scratch, and starts again with the bias of its columns and a first product.
template <int kSum>
[[gnu::always_inline]] inline void first_product(const int32_t* bias, Sums* before) {
  store_tile<kSum>(before->tile[kSum]);
  load_tile<kSum>(bias + kSum % kBlockTiles * 16, 0);
  multiply_tiles<kSum, 4 + kSum / kBlockTiles, 6 + kSum % kBlockTiles>();
}

// A block of kRowTiles row tiles. The sums that the tiles held go to `scratch` and, as `pending`, to the output.
template <int kRowTiles, class Epilogue>
void block(const Gemm& gemm, int column, int row, Sums* scratch, Pending<Epilogue>* pending) {
  const ptrdiff_t row_tile = static_cast<ptrdiff_t>(gemm.depth) * kTileRows;
  const uint8_t* a = gemm.a + row / kTileRows * row_tile;
  const int8_t* panel = gemm.b + static_cast<ptrdiff_t>(column) * gemm.depth;
  const int32_t* bias = gemm.bias + column;
  const int steps = gemm.depth / kTileDepth;
  load_operands<kRowTiles>(a, row_tile, panel);
  first_product<0>(bias, scratch);
  first_product<1>(bias, scratch);
  if constexpr (kRowTiles == 2) {
    first_product<2>(bias, scratch);
    first_product<3>(bias, scratch);
  } else {
    store_tile<2>(scratch->tile[2]);
    store_tile<3>(scratch->tile[3]);
  }
  for (int step = 1; step < steps; ++step) {
    a += kTileBytes;
    panel += kBlockTiles * kTileBytes;
    load_operands<kRowTiles>(a, row_tile, panel);
    multiply_tiles<0, 4, 6>();
    multiply_tiles<1, 4, 7>();
    if constexpr (kRowTiles == 2) {
      multiply_tiles<2, 5, 6>();
      multiply_tiles<3, 5, 7>();
    }
    pending->advance(*scratch, step, steps);
  }
  pending->advance(*scratch, 1, 1);
}

template <class Epilogue, class Output>
void product(const Gemm& gemm, const Output& output) {
  if (gemm.rows <= kFewRows) {
    vpdpbusd_product<Epilogue>(gemm, output);
    return;
  }
  const Tiles tiles;
  Sums scratch;
  Pending<Epilogue> pending{Epilogue(gemm, output)};
  const int rows = (gemm.rows + kTileRows - 1) / kTileRows * kTileRows;
  for (int column = 0; column < gemm.columns; column += kPanelColumns) {
    for (int row = 0; row < rows; row += kBlockTiles * kTileRows) {
      if (rows - row > kTileRows) {
        block<2>(gemm, column, row, &scratch, &pending);
        pending.start(column, row, 2 * kTileRows);
      } else {
        block<1>(gemm, column, row, &scratch, &pending);
        pending.start(column, row, kTileRows);
      }
    }
  }
  store_tile<0>(scratch.tile[0]);
  store_tile<1>(scratch.tile[1]);
  store_tile<2>(scratch.tile[2]);
  store_tile<3>(scratch.tile[3]);
  pending.advance(scratch, 1, 1);
}

void gemm_to_bytes(const Gemm& gemm, const ToBytes& to) { product<BytesEpilogue>(gemm, to); }
void gemm_gelu(const Gemm& gemm, const Gelu& to) { product<GeluEpilogue>(gemm, to); }
void gemm_add_to_stream(const Gemm& gemm, const AddToStream& to) { product<StreamEpilogue>(gemm, to); }
void gemm_add_to_stream8(const Gemm& gemm, const AddToStream8& to) { product<Stream8Epilogue>(gemm, to); }
void gemm_to_shorts(const Gemm& gemm, const ToShorts& to) { product<ShortsEpilogue>(gemm, to); }
void gemm_to_accumulators(const Gemm& gemm, const ToAccumulators& to) { product<AccumulatorsEpilogue>(gemm, to); }

}  // namespace

void install_gemm_amx(KernelTable& table);
void install_gemm_amx(KernelTable& table) {
  table.gemm_to_bytes = gemm_to_bytes;
  table.gemm_gelu = gemm_gelu;
  table.gemm_add_to_stream = gemm_add_to_stream;
  table.gemm_add_to_stream8 = gemm_add_to_stream8;
  table.gemm_to_shorts = gemm_to_shorts;
  table.gemm_to_accumulators = gemm_to_accumulators;
}

}  // namespace octavo::kernels

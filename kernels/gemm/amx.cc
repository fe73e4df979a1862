// GEMM on AMX tiles: one tdpbusd is 16 rows x 16 columns x 64 steps of depth.
//
// A block is 32 rows x 32 columns, four tiles of sums; per 64 steps of depth it loads two tiles of activations and two of
// weights for four products. The weights of a panel stay in the L1 cache while all rows pass it; the activations are loaded
// with the hint that they will not be read again, lest they drive the weights out. While the tiles of a block are at work, the
// vector units make the block before it, which lies in scratch, into the output: its epilogue is spread over the steps.
#include "gemm/vpdpbusd_512.h"
#include "tiles.h"

namespace octavo::kernels {
namespace {

constexpr int kFewRows = 2;  // up to which vpdpbusd reads weights as fast as they come
constexpr int kStepLines = 2 * kTileBytes / 64;  // cache lines of a panel in a step of depth
constexpr int kRowTiles = 2, kColumnTiles = 2;  // of 16 rows, 16 columns, in a block

// Tile t of 0 .. 3 is the sums of row tile t / 2 and column tile t % 2, 4 and 5 are activations, 6 and 7 weights.

// The sums of a block.
struct alignas(64) Sums {
  int32_t row[kRowTiles * kTileRows][kPanelColumns];
};

template <int kTile>
[[gnu::always_inline]] inline void store_sums(Sums* to) {
  store_tile<kTile>(to->row[kTile / kColumnTiles * kTileRows] + kTile % kColumnTiles * 16, sizeof to->row[0]);
}

// The output of a block whose sums are in scratch, made in portions while the tiles have the next block.
template <class Epilogue>
class Pending {
 public:
  Pending(const Epilogue& epilogue, const Sums& sums, int portions)
      : epilogue_(epilogue), sums_(sums), portions_(static_cast<unsigned>(portions)) {}

  /// The block that takes its place in scratch; the one before must be finished.
  void start(int column, int row, int rows) {
    if (column != column_) epilogue_.start_panel(column);
    column_ = column;
    row_ = static_cast<unsigned>(row);
    done_ = due_ = 0;
    rows_ = static_cast<unsigned>(rows);
    portion_ = portions_ == 0 ? 0 : ((rows_ << 16) + portions_ - 1) / portions_;
  }
  /// Two rows, if they are due.
  [[gnu::always_inline]] void advance() {
    due_ += portion_;
    if (done_ + 2 <= due_ >> 16) make_two();
  }
  [[gnu::always_inline]] void finish() {
    while (done_ < rows_) make_two();
  }

 private:
  [[gnu::always_inline]] void make_two() {
    epilogue_.store(row_ + done_, StoredRow(sums_.row[done_]), StoredRow(sums_.row[done_ + 1]));
    done_ += 2;
  }
  Epilogue epilogue_;
  const Sums& sums_;
  unsigned portions_, portion_ = 0;  // the second in 2^-16 rows
  int column_ = -1;
  unsigned row_ = 0, rows_ = 0, done_ = 0, due_ = 0;
};

template <int kTiles>
[[gnu::always_inline]] inline void load_operands(const uint8_t* a, ptrdiff_t row_tile, const int8_t* panel) {
  load_tile<6>(panel, kTileDepth);
  load_tile_once<4>(a, kTileDepth);
  load_tile<7>(panel + kTileBytes, kTileDepth);
  if constexpr (kTiles == 2) load_tile_once<5>(a + row_tile, kTileDepth);
}

// Sum t of the block before goes to scratch, and starts again with the bias of its columns and a first product.
template <int kSum>
[[gnu::always_inline]] inline void first_product(const int32_t* bias, Sums* before) {
  store_sums<kSum>(before);
  load_tile<kSum>(bias + kSum % kColumnTiles * 16, 0);
  multiply_tiles<kSum, 4 + kSum / kColumnTiles, 6 + kSum % kColumnTiles>();
}

// What a block fetches into the L2 cache while it is at work: its share of the weights that follow, some lines in each step.
struct Ahead {
  [[gnu::always_inline]] void fetch() {
    for (int i = 0; i < lines; ++i, from += kLine) _mm_prefetch(reinterpret_cast<const char*>(from), _MM_HINT_T1);
  }
  static constexpr int kLine = 64;
  const int8_t* from;
  int lines;
};

// A block of kTiles row tiles. The sums that the tiles held go to `scratch` and, as `pending`, to the output.
template <int kTiles, class Epilogue>
void block(const Gemm& gemm, int column, int row, Ahead ahead, Sums* scratch, Pending<Epilogue>& output) {
  Pending<Epilogue> pending = output;  // a copy of its own, which the compiler keeps in registers
  const ptrdiff_t row_tile = static_cast<ptrdiff_t>(gemm.depth) * kTileRows;
  const uint8_t* a = gemm.a + row / kTileRows * row_tile;
  const int8_t* panel = gemm.b + static_cast<ptrdiff_t>(column) * gemm.depth;
  const int32_t* bias = gemm.bias + column;
  load_operands<kTiles>(a, row_tile, panel);
  first_product<0>(bias, scratch);
  first_product<1>(bias, scratch);
  if constexpr (kTiles == 2) {
    first_product<2>(bias, scratch);
    first_product<3>(bias, scratch);
  } else {
    store_sums<2>(scratch);
    store_sums<3>(scratch);
  }
  for (int step = 1; step < gemm.depth / kTileDepth; ++step) {
    a += kTileBytes;
    panel += kColumnTiles * kTileBytes;
    load_operands<kTiles>(a, row_tile, panel);
    ahead.fetch();
    multiply_tiles<0, 4, 6>();
    pending.advance();
    multiply_tiles<1, 4, 7>();
    pending.advance();
    if constexpr (kTiles == 2) multiply_tiles<2, 5, 6>();
    pending.advance();
    if constexpr (kTiles == 2) multiply_tiles<3, 5, 7>();
    pending.advance();
  }
  pending.finish();
}

// Rows first .. end - 1, multiples of 16, by all panels: while they stay in the L2 cache, each weight is read once.
template <class Epilogue>
void blocks(const Gemm& gemm, int first, int end, Sums* scratch, Pending<Epilogue>& pending) {
  constexpr int kRows = kRowTiles * kTileRows;
  const int lines = (kStepLines * kRows + end - first - 1) / (end - first);
  for (int column = 0; column < gemm.columns; column += kPanelColumns) {
    Ahead ahead = {gemm.b + static_cast<ptrdiff_t>(column + kPanelColumns) * gemm.depth, lines};
    for (int row = first; row < end; row += kRows) {
      if (end - row > kTileRows) {
        block<2>(gemm, column, row, ahead, scratch, pending);
        pending.start(column, row, kRows);
      } else {
        block<1>(gemm, column, row, ahead, scratch, pending);
        pending.start(column, row, kTileRows);
      }
      ahead.from += static_cast<ptrdiff_t>(lines) * Ahead::kLine * (gemm.depth / kTileDepth);
    }
  }
}

// At least a block of rows, and else what stays in the L2 cache.
int rows_together(int depth) {
  constexpr int kRows = kRowTiles * kTileRows, kBytes = 768 << 10;
  return depth > kBytes / kRows ? kRows : kBytes / depth / kRows * kRows;
}

template <class Epilogue, class Output>
void product(const Gemm& gemm, const Output& output) {
  if (gemm.rows <= kFewRows) {
    vpdpbusd_product<Epilogue>(gemm, output);
    return;
  }
  const Tiles tiles;
  Sums scratch;
  Pending<Epilogue> pending(Epilogue(gemm, output), scratch, 4 * (gemm.depth / kTileDepth - 1));
  const int rows = (gemm.rows + kTileRows - 1) / kTileRows * kTileRows, together = rows_together(gemm.depth);
  for (int first = 0; first < rows; first += together) {
    blocks(gemm, first, rows - first < together ? rows : first + together, &scratch, pending);
  }
  store_sums<0>(&scratch);
  store_sums<1>(&scratch);
  store_sums<2>(&scratch);
  store_sums<3>(&scratch);
  pending.finish();
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

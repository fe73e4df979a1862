// GEMM on AMX tiles: one tdpbusd is 16 rows x 16 columns x 64 steps of depth.
//
// A block is 32 rows x 32 columns, four tiles of sums; per 64 steps of depth it loads two tiles of activations and two
// of weights for four products. The weights of a panel stay in the L1 cache while all rows pass it; the activations are
// loaded with the hint that they will not be read again, lest they drive the weights out. While the tiles of a block
// are at work, the vector units make the block before it, which lies in scratch, into the output: its epilogue is
// spread over the steps.
#include "kernels/gemm/vpdpbusd_512.h"
#include "kernels/tiles.h"

namespace octavo::kernels {
namespace {

constexpr int kFewRows = 2;                      // up to which vpdpbusd reads weights as fast as they come
constexpr int kStepLines = 2 * kTileBytes / 64;  // cache lines of a panel in a step of depth
constexpr int kRowTiles = 2, kColumnTiles = 2;   // of 16 rows, 16 columns, in a block

// Tile t of 0 .. 3 is the sums of row tile t / 2 and column tile t % 2, 4 and 5 are activations, 6 and 7 weights.

// The sums of a block.
struct alignas(64) Sums {
  int32_t row[kRowTiles * kTileRows][kPanelColumns];
};

// A row of sums in memory, whence the loads bring odd elements into the places of the even ones without a vector
// instruction.
struct StoredRow {
  explicit StoredRow(const int32_t* from) : left(load(from)), right(load(from + 16)), from(from) {}
  operator Row() const { return {left, right}; }
  __m512i odd_left() const { return odd(from); }
  __m512i odd_right() const { return odd(from + 16); }
  static __m512i odd(const int32_t* from) {
    __m512i result;  // the compiler would shift what it has loaded already
    __asm__("vmovshdup %1, %0" : "=v"(result) : "m"(*reinterpret_cast<const __m512i*>(from)));
    return result;
  }
  __m512i left, right;
  const int32_t* from;
};

template <int kTile>
[[gnu::always_inline]] inline void store_sums(Sums* to) {
  store_tile<kTile>(to->row[kTile / kColumnTiles * kTileRows] + kTile % kColumnTiles * 16, sizeof to->row[0]);
}

// The output of a block whose sums are in scratch, made in portions while the tiles have the next block.
template <class Epilogue>
class Pending {
 public:
  Pending(const Epilogue& epilogue, int portions) : epilogue_(epilogue), portions_(static_cast<unsigned>(portions)) {}

  /// A block whose sums will be in `sums` after the first products of the next one.
  void start(const Sums& sums, int column, int row, int rows) {
    sums_ = &sums;
    if (column != column_) epilogue_.start_columns(column);
    column_ = column;
    row_ = static_cast<unsigned>(row);
    done_ = due_ = 0;
    rows_ = static_cast<unsigned>(rows);
    portion_ = portions_ == 0 ? 0 : ((rows_ << 16) + portions_ - 1) / portions_;
  }
  /// No output is due during the next block.
  void clear() { rows_ = portion_ = done_ = due_ = 0; }
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
    epilogue_.store(row_ + done_, StoredRow(sums_->row[done_]), StoredRow(sums_->row[done_ + 1]));
    done_ += 2;
  }
  Epilogue epilogue_;
  const Sums* sums_ = nullptr;
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

// What the sums of a block start with: the bias of their columns, or what the steps of depth before gave.
struct Start {
  const int32_t* from;
  ptrdiff_t row_tile;  // elements between the starts of row tiles
  ptrdiff_t stride;    // bytes between rows
};
Start start_with(const int32_t* bias) { return {bias, 0, 0}; }
Start start_with(const Sums& sums) { return {sums.row[0], kTileRows * kPanelColumns, sizeof sums.row[0]}; }

// Sum t of the block before goes to its place, and begins anew with a first product.
template <int kSum>
[[gnu::always_inline]] inline void first_product(const Start& start, Sums* before) {
  store_sums<kSum>(before);
  load_tile<kSum>(start.from + kSum / kColumnTiles * start.row_tile + kSum % kColumnTiles * 16, start.stride);
  multiply_tiles<kSum, 4 + kSum / kColumnTiles, 6 + kSum % kColumnTiles>();
}

// What a block fetches into the L2 cache while it is at work: its share of the weights that follow, some lines in each
// step.
struct Ahead {
  [[gnu::always_inline]] void fetch() {
    for (int i = 0; i < lines; ++i, from += kLine) _mm_prefetch(reinterpret_cast<const char*>(from), _MM_HINT_T1);
  }
  static constexpr int kLine = 64;
  const int8_t* from;
  int lines;
};

// `steps` of depth from `first_step` on.
struct Chunk {
  int first_step, steps;
};

// A chunk of a block of kTiles row tiles, times `panel`. What the tiles held before goes to `before`; the output that
// is pending is made.
template <int kTiles, class Epilogue>
void block(const Gemm& gemm, const int8_t* panel, int row, Chunk chunk, Start start, Ahead ahead, Sums* before,
           const Pending<Epilogue>& output) {
  Pending<Epilogue> pending = output;  // a copy of its own, which the compiler keeps in registers
  const ptrdiff_t row_tile = static_cast<ptrdiff_t>(gemm.depth) * kTileRows;
  const uint8_t* a = gemm.a + row / kTileRows * row_tile + chunk.first_step * kTileBytes;
  panel += chunk.first_step * (kColumnTiles * kTileBytes);
  load_operands<kTiles>(a, row_tile, panel);
  first_product<0>(start, before);
  first_product<1>(start, before);
  if constexpr (kTiles == 2) {
    first_product<2>(start, before);
    first_product<3>(start, before);
  } else {
    store_sums<2>(before);
    store_sums<3>(before);
  }
  ahead.fetch();
  for (int step = 1; step < chunk.steps; ++step) {
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

// One product: panel by panel, and in each chunk of depth by chunk, whose weights stay in the L1 cache, all rows that
// stay in the L2 cache together. Sums of a block wait in `sums` from one chunk to the next, and for the epilogue.
template <class Epilogue>
class Product {
 public:
  Product(const Gemm& gemm, const Epilogue& epilogue)
      : gemm_(gemm),
        steps_(gemm.depth / kTileDepth),
        chunks_((steps_ + kMostSteps - 1) / kMostSteps),
        pending_(epilogue, 4 * ((steps_ + chunks_ - 1) / chunks_ - 1)) {}

  void run() {
    const int rows = (gemm_.rows + kTileRows - 1) / kTileRows * kTileRows, together = rows_together();
    for (int first = 0; first < rows; first += together) {
      for (int column = 0; column < gemm_.columns; column += kPanelColumns) {
        multiply_panel(column, first, rows - first < together ? rows : first + together);
      }
    }
    store_sums<0>(before_);
    store_sums<1>(before_);
    store_sums<2>(before_);
    store_sums<3>(before_);
    pending_.finish();
  }

 private:
  static constexpr int kRows = kRowTiles * kTileRows;
  static constexpr int kMostSteps = 16;       // of a chunk: 32 KiB of weights
  static constexpr int kMostBlocks = 16;      // that pass a panel together
  static constexpr int kL2Bytes = 768 << 10;  // of activations

  // At least a block of rows.
  int rows_together() const {
    const int blocks = kL2Bytes / (gemm_.depth * kRows);
    return kRows * (blocks < 1 ? 1 : chunks_ > 1 && blocks > kMostBlocks ? kMostBlocks : blocks);
  }

  void multiply_panel(int column, int first, int end) {
    const int8_t* panel = panel_of(gemm_, column);
    const int blocks = (end - first + kRows - 1) / kRows,
              lines = gemm_.four_bit.codes ? 0 : (kStepLines + blocks - 1) / blocks;
    Ahead ahead = {panel + static_cast<ptrdiff_t>(kPanelColumns) * gemm_.depth, lines};
    for (int i = 0; i < chunks_; ++i) {
      const int first_step = steps_ * i / chunks_;
      const Chunk chunk = {first_step, steps_ * (i + 1) / chunks_ - first_step};
      for (int row = first; row < end; row += kRows) {
        Sums* own = &sums_[chunks_ > 1 ? (row - first) / kRows : 0];
        const Start start = i == 0 ? start_with(gemm_.bias + column) : start_with(*own);
        const bool whole = end - row > kTileRows;
        if (whole)
          block<2>(gemm_, panel, row, chunk, start, ahead, before_, pending_);
        else
          block<1>(gemm_, panel, row, chunk, start, ahead, before_, pending_);
        before_ = own;
        if (i == chunks_ - 1)
          pending_.start(*own, column, row, whole ? kRows : kTileRows);
        else
          pending_.clear();
        ahead.from += static_cast<ptrdiff_t>(lines) * Ahead::kLine * chunk.steps;
      }
    }
  }

  const Gemm& gemm_;
  int steps_, chunks_;
  Pending<Epilogue> pending_;
  Sums* before_ = sums_;  // where those go that the tiles hold
  Sums sums_[kMostBlocks];
};

struct Products {
  template <class Epilogue, class Output>
  static void product(const Gemm& gemm, const Output& output) {
    if (gemm.rows <= kFewRows) {
      vpdpbusd_product<Epilogue>(gemm, output);
      return;
    }
    const Tiles tiles;
    Product<Epilogue>(gemm, Epilogue(gemm, output)).run();
  }
};

}  // namespace

void install_gemm_amx(KernelTable& table);
void install_gemm_amx(KernelTable& table) { write_table<Products>(table); }

}  // namespace octavo::kernels

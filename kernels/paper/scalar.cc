// The paper's setting in plain C++, on every CPU: static 8-bit quantizers of scores, probabilities and embedding sums.
// It exists to be measured, not to be fast, so there is no other instruction set.
#include "kernels/kernels.h"

#include <stddef.h>
#include <stdint.h>

namespace octavo::kernels {
namespace {

int64_t clamp(int64_t value, int64_t low, int64_t high) { return value < low ? low : value > high ? high : value; }

int64_t requantize(int64_t value, int64_t multiplier, int shift) {
  return (value * multiplier + (int64_t{1} << (shift - 1))) >> shift;
}

// round(2^15 * sigmoid(i / 8)), constant from i = 64 on.
constexpr int32_t kSigmoid[66] = {
    16384, 17407, 18421, 19420, 20397, 21344, 22255, 23127, 23955, 24737, 25471,  //
    26155, 26790, 27377, 27917, 28411, 28862, 29272, 29644, 29979, 30282, 30555,  //
    30799, 31018, 31214, 31389, 31545, 31684, 31807, 31917, 32015, 32102, 32179,  //
    32247, 32307, 32361, 32408, 32450, 32487, 32520, 32549, 32574, 32597, 32617,  //
    32635, 32650, 32664, 32676, 32687, 32696, 32705, 32712, 32719, 32725, 32730,  //
    32734, 32738, 32742, 32745, 32747, 32750, 32752, 32754, 32756, 32757, 32757,
};

// (6) Q15, by symmetry and 64 linear cells over [0, 8).
int32_t sigmoid(int32_t x) {
  const int32_t magnitude = x < 0 ? -x : x, a = magnitude < 16384 ? magnitude : 16384, cell = a >> 8;
  const int32_t s = kSigmoid[cell] + (((kSigmoid[cell + 1] - kSigmoid[cell]) * (a & 255) + 128) >> 8);
  return x < 0 ? 32768 - s : s;
}

// u8 codes of one query's scores.
void find_scores(const Attention& attention, const PaperAttention& paper, int query, int keys, uint8_t* score) {
  const AttentionConstants& constants = *attention.constants;
  const uint8_t* q = attention.q + query * attention.stride;
  for (int key = 0; key < keys; ++key) {
    const int8_t* k = attention.k + key * attention.key_stride;
    int64_t sum = 0;
    for (int d = 0; d < constants.head_size; ++d) {
      sum += (q[d] - constants.query_zero_point) * (k[d] - paper.key_zero_point);
    }
    const int64_t code = requantize(sum, paper.score_multiplier, paper.score_shift) + paper.score_zero_point;
    score[key] = static_cast<uint8_t>(clamp(code, 0, 255));
  }
}

// u8 codes of the probabilities, in place of the scores; their sum.
int64_t find_probabilities(const PaperAttention& paper, int keys, uint8_t* code) {
  int largest = 0;
  for (int key = 0; key < keys; ++key) largest = code[key] > largest ? code[key] : largest;
  int64_t total = 0;
  for (int key = 0; key < keys; ++key) total += paper.exponential[largest - code[key]];
  const int64_t factor = (paper.slope << 24) / total;
  int64_t sum = 0;
  for (int key = 0; key < keys; ++key) {
    const int64_t scaled = paper.exponential[largest - code[key]] * factor + paper.offset * (int64_t{1} << 24);
    code[key] = static_cast<uint8_t>(clamp((scaled + (int64_t{1} << 45)) >> 46, 0, paper.most));
    sum += code[key];
  }
  return sum;
}

void store(const ByteMatrix& out, ptrdiff_t row, int column, int64_t value) {
  out.data[row / kTileRows * out.tile_stride + row % kTileRows * out.row_stride +
           column / kTileDepth * out.chunk_stride + column % kTileDepth] = static_cast<uint8_t>(value);
}

void attention_paper(const Attention& attention, const PaperAttention& paper) {
  const AttentionConstants& constants = *attention.constants;
  auto* codes = static_cast<uint8_t*>(attention.scratch);
  for (int query = attention.first_query; query < attention.first_query + attention.queries; ++query) {
    const int keys = constants.causal ? attention.past + query + 1 : attention.length;
    find_scores(attention, paper, query, keys, codes);
    const int64_t mass = find_probabilities(paper, keys, codes);
    int64_t multiplier = constants.multiplier;
    if (attention.gate != nullptr) {
      multiplier = (multiplier * sigmoid(attention.gate[query * attention.gate_stride]) + (1 << 14)) >> 15;
    }
    for (int d = 0; d < constants.head_size; ++d) {
      int64_t sum = -paper.value_zero_point * mass;
      for (int key = 0; key < keys; ++key) sum += codes[key] * attention.v[key * attention.key_stride + d];
      const int64_t code = requantize(sum, multiplier, constants.shift) + constants.zero_point;
      store(attention.context, attention.context_row + query, attention.context_column + d, clamp(code, 0, 255));
    }
  }
}

void embedding_sum_paper(const EmbeddingSum& sum, const PaperEmbeddingSum& paper) {
  for (int row = 0; row < sum.rows; ++row) {
    for (int column = 0; column < sum.columns; ++column) {
      const auto term = [&](int t) {
        const EmbeddingTable& table = sum.table[t];
        const ptrdiff_t index = table.index[row];
        return int32_t{table.rows[index * sum.columns + column]} * table.multiplier[index];
      };
      const int32_t first = term(0) + (sum.tables == 3 ? term(2) : 0);
      const int64_t partial = clamp((first + (1 << 19)) >> 20, paper.partial_low, paper.partial_high);
      const int64_t both = partial * paper.partial_multiplier + term(1);
      sum.out[row * sum.stride + column] = static_cast<int16_t>(clamp((both + (1 << 19)) >> 20, paper.low, paper.high));
    }
  }
}

}  // namespace

void install_paper_scalar(KernelTable& table);
void install_paper_scalar(KernelTable& table) {
  table.attention_paper = attention_paper;
  table.embedding_sum_paper = embedding_sum_paper;
}

}  // namespace octavo::kernels

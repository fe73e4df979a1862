// Attention with 256-bit registers, for CPUs without VNNI: products on vpmaddwd, the softmax on 32 scores at a time.
//
// vpmaddubsw would saturate (255 * 127 * 2), so bytes are widened to 16 bits in registers. Keys are packed in fours of
// bytes, widened to even and odd ones; values in pairs of keys, widened in order. A block of four queries takes whole
// rows through scores, probabilities and context, which communicate through scratch in the L1 cache.
#include "kernels/attention/decode_256.h"

namespace octavo::kernels {
namespace {

// Adds even and odd bytes of 16 keys times a row's four query values.
Row multiply_four(Row sum, const int16_t* query, Row even, Row odd) {
  const __m256i q_even = broadcast_pair(query), q_odd = broadcast_pair(query + 2);
  sum.left = _mm256_add_epi32(sum.left, _mm256_madd_epi16(q_even, even.left));
  sum.right = _mm256_add_epi32(sum.right, _mm256_madd_epi16(q_even, even.right));
  sum.left = _mm256_add_epi32(sum.left, _mm256_madd_epi16(q_odd, odd.left));
  sum.right = _mm256_add_epi32(sum.right, _mm256_madd_epi16(q_odd, odd.right));
  return sum;
}

// Scores of the block's rows with 16 keys; those of a row are kStepKeys apart from the next one's.
void compute_sixteen_scores(const Block& block, int head_size, const int8_t* k, int32_t* scores) {
  const __m256i zero = _mm256_setzero_si256();
  Row sum[kBlockRows] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
  for (int d = 0; d < head_size; d += 4, k += 64) {
    const __m256i left = load(k), right = load(k + 32);
    const Row even = {_mm256_srai_epi16(_mm256_slli_epi16(left, 8), 8),
                      _mm256_srai_epi16(_mm256_slli_epi16(right, 8), 8)};
    const Row odd = {_mm256_srai_epi16(left, 8), _mm256_srai_epi16(right, 8)};
#pragma GCC unroll 4
    for (int i = 0; i < kBlockRows; ++i) sum[i] = multiply_four(sum[i], block.query[i] + d, even, odd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kBlockRows; ++i) {
    put(scores + i * kStepKeys, sum[i].left);
    put(scores + i * kStepKeys + 8, sum[i].right);
  }
}

void compute_scores(const Block& block, int head_size, const Scratch& scratch) {
  int32_t* scores = scratch.scores;
  for (int key = 0; key < block.most_visible; key += kStepKeys, scores += kBlockRows * kStepKeys) {
    const int8_t* k = scratch.keys + static_cast<ptrdiff_t>(key) * head_size;
    compute_sixteen_scores(block, head_size, k, scores);
    compute_sixteen_scores(block, head_size, k + 16 * head_size, scores + 16);
  }
}

// Whether no row has a probability in the steps of 32 keys from `begin` on that hold keys below `end`.
bool is_empty(const int16_t* probabilities, int begin, int end) {
  __m256i all = _mm256_setzero_si256();
  for (int key = begin; key < end; key += kStepKeys) {
    const int16_t* step = probabilities + static_cast<ptrdiff_t>(key) * kBlockRows;
    for (int i = 0; i < kBlockRows * kStepKeys; i += 16) all = _mm256_or_si256(all, load(step + i));
  }
  return _mm256_testz_si256(all, all) != 0;
}

void compute_runs(bool clipped, const Scratch& scratch, Block* block) {
  block->runs[0] = {0, block->most_visible};
  block->run_count = 1;
  if (!clipped) return;
  block->run_count = 0;
  for (int begin = 0; begin < block->most_visible; begin += kRunKeys) {
    const int end = least(begin + kRunKeys, block->most_visible);
    if (is_empty(scratch.probabilities, begin, end)) continue;
    if (block->run_count > 0 && block->runs[block->run_count - 1].end == begin) {
      block->runs[block->run_count - 1].end = end;
    } else {
      block->runs[block->run_count++] = {begin, end};
    }
  }
}

// The products of the block's probabilities with 16 columns of values, over `count` runs of keys.
void compute_products(const Scratch& scratch, const int16_t* probabilities, const Block::Run* runs, int count,
                      int column, Row (&result)[kBlockRows]) {
  const __m256i zero = _mm256_setzero_si256();
  Row sum[kBlockRows] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
  for (int run = 0; run < count; ++run) {
    const auto [begin, end] = runs[run];
    const int8_t* v = scratch.values + column * 2 + static_cast<ptrdiff_t>(begin) * scratch.columns;
    const int16_t* p = probabilities + static_cast<ptrdiff_t>(begin) * kBlockRows;
    for (int step = begin; step < end; step += kStepKeys, p += kBlockRows * kStepKeys) {
      const int keys = least(kStepKeys, end - step);
      for (int key = 0; key < keys; key += 2, v += scratch.columns * 2) {
        const __m256i left = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(v)));
        const __m256i right = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(v + 16)));
#pragma GCC unroll 4
        for (int i = 0; i < kBlockRows; ++i) {
          const __m256i pair = broadcast_pair(p + i * kStepKeys + key);
          sum[i].left = _mm256_add_epi32(sum[i].left, _mm256_madd_epi16(pair, left));
          sum[i].right = _mm256_add_epi32(sum[i].right, _mm256_madd_epi16(pair, right));
        }
      }
    }
  }
  for (int i = 0; i < kBlockRows; ++i) result[i] = sum[i];
}

// 16 columns of the context of the block's rows.
void compute_context(const Attention& attention, const Scratch& scratch, const Block& block, int column) {
  Row sum[kBlockRows];
  if (!attention.constants->u16_probabilities) {
    compute_products(scratch, scratch.probabilities, block.runs, block.run_count, column, sum);
    for (int i = 0; i < block.rows; ++i) store_context(attention, block, i, column, sum[i]);
    return;
  }
  U16Sum total[kBlockRows];
  for (int begin = 0; begin < block.most_visible; begin += kU16Keys) {
    const Block::Run part = {begin, least(begin + kU16Keys, block.most_visible)};
    compute_products(scratch, scratch.exponentials, &part, 1, column, sum);
    for (int i = 0; i < kBlockRows; ++i) total[i].add_part(sum[i]);
  }
  for (int i = 0; i < block.rows; ++i) store_context(attention, block, i, column, total[i].total());
}

void attend(const Attention& attention, const Scratch& scratch, int first, int rows) {
  const AttentionConstants& constants = *attention.constants;
  Block block(attention, first, rows);
  compute_scores(block, constants.head_size, scratch);
  for (int i = 0; i < rows; ++i) add_bias(attention, first + i, 0, block.most_visible, scratch.scores + i * kStepKeys);
  compute_rows(attention, scratch, kBlockRows, &block);
  compute_runs(constants.clipped, scratch, &block);
  for (int column = 0; column < constants.head_size; column += 16) compute_context(attention, scratch, block, column);
}

void attention(const Attention& attention) {
  if (attention.queries <= kDecodeQueries) return attend_as_one_split(attention, attention_split);
  const Scratch scratch(attention);
  const int end = attention.first_query + attention.queries;
  const int visible = attention.constants->causal ? attention.past + end : attention.length;
  pack_keys(attention, visible, scratch);
  pack_values(attention, visible, scratch);
  for (int first = attention.first_query; first < end; first += kBlockRows) {
    attend(attention, scratch, first, least(kBlockRows, end - first));
  }
}

}  // namespace

void install_attention_avx2(KernelTable& table);
void install_attention_avx2(KernelTable& table) {
  table.attention = attention;
  table.attention_split = attention_split;
}

}  // namespace octavo::kernels

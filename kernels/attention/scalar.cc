// Attention in plain C++: what scores, probabilities, gate and context are. Every other instruction set gives these
// bits.
#include "kernels/attention/tables.h"
#include "kernels/gate_tables.h"
#include "kernels/kernels.h"

#include <stddef.h>
#include <stdint.h>

namespace octavo::kernels {
namespace {

// round(2^15 * 2^(-i / 32)), the first one capped to 16 bits.
constexpr int16_t kExp[33] = {
    32767, 32066, 31379, 30706, 30048, 29405, 28774, 28158, 27554, 26964, 26386,  //
    25821, 25268, 24726, 24196, 23678, 23170, 22674, 22188, 21713, 21247, 20792,  //
    20347, 19911, 19484, 19066, 18658, 18258, 17867, 17484, 17109, 16743, 16384,
};

// One query: the keys it sees and what is known of each.
struct Row {
  int keys;
  int32_t* score;
  int16_t* exponential;  // 2^-distance from the largest score, Q15
  uint8_t* probability;  // in units that the row's multiplier carries
  int64_t sum;           // of the exponentials, with that of a sink
  int64_t top;           // what codes are relative to: the largest exponential, or more
};

// real = multiplier * 2^-shift
struct Multiplier {
  int64_t multiplier;
  int shift;
};

int32_t mulhrs(int32_t a, int32_t b) { return (a * b + (1 << 14)) >> 15; }
uint32_t mulhu16(uint32_t a, uint32_t b) { return (a * b) >> 16; }
// (6) Q15, by symmetry and 64 linear cells over [0, 8).
int32_t sigmoid(int32_t x) {
  const int32_t magnitude = x < 0 ? -x : x, a = magnitude < 16384 ? magnitude : 16384, cell = a >> 8;
  const int32_t s = kSigmoid[cell] + (((kSigmoid[cell + 1] - kSigmoid[cell]) * (a & 255) + 128) >> 8);
  return x < 0 ? 32768 - s : s;
}
int bit_length(uint32_t value) {
  int bits = 0;
  for (; value != 0; value >>= 1) ++bits;
  return bits;
}

// Of keys first .. end - 1.
void compute_scores(const Attention& attention, int query, const Row& row, int first, int end) {
  const AttentionConstants& constants = *attention.constants;
  const uint8_t* q = attention.q + query * attention.stride;
  for (int key = first; key < end; ++key) {
    const int8_t* k = attention.k + key * attention.key_stride;
    row.score[key] = 0;
    for (int d = 0; d < constants.head_size; ++d) row.score[key] += (q[d] - constants.query_zero_point) * k[d];
    if (attention.bias != nullptr) row.score[key] += attention.bias[query * attention.bias_stride + key];
  }
}

// The distance of a score from the largest, as a power of two in Q5.11.
uint32_t log2_distance(const AttentionConstants& constants, uint32_t difference) {
  const int shift = constants.score_shift;
  const uint64_t scaled = shift >= 0 ? difference >> shift : uint64_t{difference} << -shift;
  return mulhu16(scaled < 65535 ? static_cast<uint32_t>(scaled) : 65535, constants.score_multiplier);
}

// 2^-distance: 32 cells with linear interpolation, then a shift by the whole part.
int32_t exp2_negative(uint32_t distance) {
  const uint32_t cell = (distance >> 6) & 31, within = distance & 63;
  const int32_t slope = kExp[cell] - kExp[cell + 1];
  return (kExp[cell] - mulhrs(slope, static_cast<int32_t>(within << 9))) >> (distance >> 11);
}

void compute_exponentials(const Attention& attention, Row* row) {
  const AttentionConstants& constants = *attention.constants;
  const int32_t* sink = attention.sink;
  int32_t seen = row->score[0];
  for (int key = 0; key < row->keys; ++key) seen = row->score[key] > seen ? row->score[key] : seen;
  const int32_t largest = sink != nullptr && *sink > seen ? *sink : seen;
  const auto exponential = [&](int32_t score) {
    return exp2_negative(log2_distance(constants, static_cast<uint32_t>(largest - score)));
  };
  row->sum = sink != nullptr ? exponential(*sink) : 0;
  row->top = exponential(seen) > constants.least_top ? exponential(seen) : constants.least_top;
  for (int key = 0; key < row->keys; ++key) {
    row->exponential[key] = static_cast<int16_t>(exponential(row->score[key]));
    row->sum += row->exponential[key];
  }
}

// A part, in Q31, of the row's sum.
int64_t part_of_sum(const Row& row, uint32_t part) { return (row.sum * part + (1 << 30)) >> 31; }

// (5 a) The largest probability is always 255; the row's multiplier divides by their sum.
Multiplier compute_probabilities(const AttentionConstants& constants, const Row& row) {
  uint32_t sum = 0;
  for (int key = 0; key < row.keys; ++key) {
    row.probability[key] = static_cast<uint8_t>(mulhrs(row.exponential[key], 255));
    sum += row.probability[key];
  }
  const int bits = bit_length(sum);
  return {(int64_t{constants.multiplier} << (bits - 1)) / sum, constants.shift + bits - 1};
}

// (5 e) Exponentials are the probabilities; the row's multiplier divides by their sum, in steps of 256. A byte of each
// is left for a look at them: 0 where the probability is.
Multiplier compute_u16_probabilities(const AttentionConstants& constants, const Row& row) {
  for (int key = 0; key < row.keys; ++key)
    row.probability[key] = static_cast<uint8_t>((row.exponential[key] + 255) >> 8);
  const int bits = bit_length(static_cast<uint32_t>(row.sum));
  return {(int64_t{constants.multiplier} << (bits - 1)) / row.sum, constants.shift + bits - 9};
}

// (5 b) clamp((zeta - gamma) * p + gamma, 0, 1) in units of its largest value in this row, `top` / sum * (zeta -
// gamma). (5 c) What is not above `prune` is 0.
Multiplier compute_clipped_probabilities(const AttentionConstants& constants, const Row& row) {
  const int64_t threshold = part_of_sum(row, static_cast<uint32_t>(constants.theta));
  const int64_t cap = part_of_sum(row, constants.cap), prune = part_of_sum(row, constants.prune);
  int64_t top = row.top - threshold < cap ? row.top - threshold : cap;
  if (top < 1) top = 1;
  const int bits = bit_length(static_cast<uint32_t>(top)), normalize = 15 - bits;
  const uint32_t inverse = (255u << 22) / (static_cast<uint32_t>(top) << normalize);
  for (int key = 0; key < row.keys; ++key) {
    const int64_t above = row.exponential[key] > threshold ? row.exponential[key] - threshold : 0;
    const int64_t capped = above < top ? above : top;
    const uint32_t kept = static_cast<uint32_t>(capped > prune ? capped : 0);
    row.probability[key] = static_cast<uint8_t>((mulhu16(kept << normalize, inverse) + 32) >> 6);
  }
  const int sum_bits = bit_length(static_cast<uint32_t>(row.sum));
  const int64_t numerator = (constants.multiplier * (top << normalize)) << (sum_bits - 15);
  return {numerator / (2 * row.sum), constants.shift + sum_bits - bits - 1};
}

// (5 d) The level of each, in units of the row's highest one.
Multiplier compute_levels(const AttentionConstants& constants, const Row& row) {
  const AttentionLevels& levels = *constants.levels;
  const int64_t threshold = part_of_sum(row, static_cast<uint32_t>(constants.theta));
  int64_t edge[kMostLevels];
  int top = 0;
  for (int level = 0; level < levels.count; ++level) {
    edge[level] = part_of_sum(row, levels.edge[level]);
    if (row.top - threshold > edge[level]) top = level;
  }
  for (int key = 0; key < row.keys; ++key) {
    row.probability[key] = 0;
    for (int level = 0; level <= top; ++level) {
      if (row.exponential[key] - threshold > edge[level]) row.probability[key] = levels.code[top - level];
    }
  }
  return {levels.multiplier[top], levels.shift[top]};
}

void apply_gate(const Attention& attention, int query, Multiplier* multiplier) {
  if (attention.gate == nullptr) return;
  const int16_t given = attention.gate[query * attention.gate_stride];
  const int32_t gate = attention.gate_is_logit ? sigmoid(given) : given;
  multiplier->multiplier = (multiplier->multiplier * gate + (1 << 14)) >> 15;
}

void store(const ByteMatrix& out, ptrdiff_t row, int column, int64_t value) {
  out.data[row / kTileRows * out.tile_stride + row % kTileRows * out.row_stride +
           column / kTileDepth * out.chunk_stride + column % kTileDepth] = static_cast<uint8_t>(value);
}

// Of probabilities times values: those of 16-bit ones are 256 high + low.
struct Sum {
  int64_t high = 0, low = 0;
};

// Of column d, over keys first .. end - 1.
Sum compute_sum(const Attention& attention, const Row& row, int d, int first, int end) {
  Sum sum;
  for (int key = first; key < end; ++key) {
    const int32_t value = attention.v[key * attention.key_stride + d], e = row.exponential[key];
    sum.high += (attention.constants->u16_probabilities ? e >> 8 : row.probability[key]) * value;
    sum.low += (attention.constants->u16_probabilities ? e & 255 : 0) * value;
  }
  return sum;
}

int64_t sat16(int64_t value) { return value < -32768 ? -32768 : value > 32767 ? 32767 : value; }

// The code, not yet clamped, of what the row's multiplier has left.
int64_t context_code(const Attention& attention, int query, int d, int64_t r) {
  const int zero_point = attention.constants->zero_point, fraction = attention.constants->gate_fraction;
  if (attention.element_gate == nullptr) return r + zero_point;
  const int64_t gate = attention.element_gate[query * attention.element_gate_stride + d];
  const int64_t gated = (sat16(r) * gate + (1 << 14)) >> 15;
  return sat16(gated + (zero_point << fraction) + ((1 << fraction) >> 1)) >> fraction;
}

void store_context(const Attention& attention, int query, int d, Sum sum, Multiplier by) {
  const int64_t total = sum.high + ((sum.low + 128) >> 8);
  const int64_t r =
      context_code(attention, query, d, (total * by.multiplier + (int64_t{1} << (by.shift - 1))) >> by.shift);
  const int64_t highest = attention.fine.data ? 2047 : 255, code = r < 0 ? 0 : r > highest ? highest : r;
  const ptrdiff_t line = attention.context_row + query;
  const int column = attention.context_column + d;
  store(attention.context, line, column, attention.fine.data ? code >> 3 : code);
  if (attention.fine.data) store(attention.fine, line, column, code & 7);
}

int keys_seen(const Attention& attention, int query) {
  return attention.constants->causal ? attention.past + query + 1 : attention.length;
}

// From scores: exponentials, probabilities, the multiplier of the context.
Multiplier compute_row(const Attention& attention, int query, Row* row) {
  const AttentionConstants& constants = *attention.constants;
  compute_exponentials(attention, row);
  Multiplier multiplier = constants.levels              ? compute_levels(constants, *row)
                          : constants.clipped           ? compute_clipped_probabilities(constants, *row)
                          : constants.u16_probabilities ? compute_u16_probabilities(constants, *row)
                                                        : compute_probabilities(constants, *row);
  apply_gate(attention, query, &multiplier);
  return multiplier;
}

void attention(const Attention& attention) {
  Row row = {};
  row.score = static_cast<int32_t*>(attention.scratch);
  row.exponential = reinterpret_cast<int16_t*>(row.score + attention.length);
  row.probability = reinterpret_cast<uint8_t*>(row.exponential + attention.length);
  for (int query = attention.first_query; query < attention.first_query + attention.queries; ++query) {
    row.keys = keys_seen(attention, query);
    if (attention.probabilities != nullptr)
      row.probability = attention.probabilities + ptrdiff_t{query} * attention.length;
    compute_scores(attention, query, row, 0, row.keys);
    const Multiplier multiplier = compute_row(attention, query, &row);
    for (int d = 0; d < attention.constants->head_size; ++d) {
      store_context(attention, query, d, compute_sum(attention, row, d, 0, row.keys), multiplier);
    }
  }
}

// (5 h) Exponentials are the probabilities, as in (5 e), and of either sign once they are multiplied.
void attention_by_distance(const Attention& attention, const AttentionFactors& factors) {
  Row row = {};
  row.score = static_cast<int32_t*>(attention.scratch);
  row.exponential = reinterpret_cast<int16_t*>(row.score + attention.length);
  row.probability = reinterpret_cast<uint8_t*>(row.exponential + attention.length);
  const int head_size = attention.constants->head_size;
  for (int query = attention.first_query; query < attention.first_query + attention.queries; ++query) {
    row.keys = keys_seen(attention, query);
    if (attention.probabilities != nullptr)
      row.probability = attention.probabilities + ptrdiff_t{query} * attention.length;
    compute_scores(attention, query, row, 0, row.keys);
    compute_exponentials(attention, &row);
    Multiplier multiplier = compute_u16_probabilities(*attention.constants, row);
    apply_gate(attention, query, &multiplier);
    const int16_t* factor = factors.factor - attention.past - query;
    int64_t sums[256] = {};
    for (int key = 0; key < row.keys; ++key) {
      const int32_t weight = mulhrs(row.exponential[key], factor[key]);
      const int8_t* value = attention.v + key * attention.key_stride;
      for (int d = 0; d < head_size; ++d) sums[d] += weight * value[d];
    }
    for (int d = 0; d < head_size; ++d) store_context(attention, query, d, {.high = 0, .low = sums[d]}, multiplier);
  }
}

// What the splits of a call have in common, of each of its queries.
struct Shared {
  explicit Shared(const Attention& attention) : head_size(attention.constants->head_size) {
    const ptrdiff_t keys = (attention.length + 63) / 64 * 64;
    sums = static_cast<Sum*>(attention.scratch);
    multiplier = reinterpret_cast<Multiplier*>(sums + keys / 64 * kDecodeQueries * head_size);
    int32_t* scores = reinterpret_cast<int32_t*>(multiplier + kDecodeQueries);
    for (int i = 0; i < attention.queries; ++i) {
      row[i] = {.keys = keys_seen(attention, attention.first_query + i),
                .score = scores + i * keys,
                .exponential = reinterpret_cast<int16_t*>(scores + kDecodeQueries * keys) + i * keys,
                .probability = reinterpret_cast<uint8_t*>(scores + 2 * kDecodeQueries * keys) + i * keys,
                .sum = 0,
                .top = 0};
    }
  }
  Sum& sum(int split, int i, int d) const { return sums[(ptrdiff_t{split} * kDecodeQueries + i) * head_size + d]; }
  int head_size;
  Row row[kDecodeQueries];
  Multiplier* multiplier;
  Sum* sums;
};

void attention_split(const Attention& attention, const AttentionSplit& split) {
  Shared shared(attention);
  for (int i = 0; i < attention.queries; ++i) {
    const int query = attention.first_query + i;
    Row& row = shared.row[i];
    const int end = split.first_key + split.keys < row.keys ? split.first_key + split.keys : row.keys;
    switch (split.phase) {
      case AttentionSplit::scores:
        compute_scores(attention, query, row, split.first_key, end);
        break;
      case AttentionSplit::probabilities:
        shared.multiplier[i] = compute_row(attention, query, &row);
        break;
      case AttentionSplit::sums:
        for (int d = 0; d < shared.head_size; ++d)
          shared.sum(split.split, i, d) = compute_sum(attention, row, d, split.first_key, end);
        break;
      case AttentionSplit::context:
        for (int d = 0; d < shared.head_size; ++d) {
          Sum total;
          for (int part = 0; part < split.splits; ++part) {
            total.high += shared.sum(part, i, d).high;
            total.low += shared.sum(part, i, d).low;
          }
          store_context(attention, query, d, total, shared.multiplier[i]);
        }
        break;
    }
  }
}

// Static W8A8 (9), the paper's setting: static 8-bit quantizers of scores and probabilities. It exists to be measured,
// not to be fast, so there is no other instruction set.

int64_t clamp(int64_t value, int64_t low, int64_t high) { return value < low ? low : value > high ? high : value; }
int64_t requantize(int64_t value, int64_t multiplier, int shift) {
  return (value * multiplier + (int64_t{1} << (shift - 1))) >> shift;
}

// u8 codes of one query's scores.
void compute_score_codes(const Attention& attention, const StaticW8A8Attention& w8a8, int query, int keys,
                         uint8_t* score) {
  const AttentionConstants& constants = *attention.constants;
  const uint8_t* q = attention.q + query * attention.stride;
  for (int key = 0; key < keys; ++key) {
    const int8_t* k = attention.k + key * attention.key_stride;
    int64_t sum = 0;
    for (int d = 0; d < constants.head_size; ++d) {
      sum += (q[d] - constants.query_zero_point) * (k[d] - w8a8.key_zero_point);
    }
    const int64_t code = requantize(sum, w8a8.score_multiplier, w8a8.score_shift) + w8a8.score_zero_point;
    score[key] = static_cast<uint8_t>(clamp(code, 0, 255));
  }
}

// u8 codes of the probabilities, in place of the scores; their sum.
int64_t compute_probability_codes(const StaticW8A8Attention& w8a8, const int32_t* sink, int keys, uint8_t* code) {
  int largest = sink != nullptr ? *sink : 0;
  for (int key = 0; key < keys; ++key) largest = code[key] > largest ? code[key] : largest;
  int64_t total = sink != nullptr ? w8a8.exponential[largest - *sink] : 0;
  for (int key = 0; key < keys; ++key) total += w8a8.exponential[largest - code[key]];
  const int64_t factor = (w8a8.slope << 24) / total;
  int64_t sum = 0;
  for (int key = 0; key < keys; ++key) {
    const int64_t scaled = w8a8.exponential[largest - code[key]] * factor + w8a8.offset * (int64_t{1} << 24);
    code[key] = static_cast<uint8_t>(clamp((scaled + (int64_t{1} << 45)) >> 46, 0, w8a8.most));
    sum += code[key];
  }
  return sum;
}

void attention_static_w8a8(const Attention& attention, const StaticW8A8Attention& w8a8) {
  const AttentionConstants& constants = *attention.constants;
  auto* codes = static_cast<uint8_t*>(attention.scratch);
  for (int query = attention.first_query; query < attention.first_query + attention.queries; ++query) {
    const int keys = keys_seen(attention, query);
    compute_score_codes(attention, w8a8, query, keys, codes);
    const int64_t mass = compute_probability_codes(w8a8, attention.sink, keys, codes);
    Multiplier by = {constants.multiplier, constants.shift};
    apply_gate(attention, query, &by);
    for (int d = 0; d < constants.head_size; ++d) {
      int64_t sum = -w8a8.value_zero_point * mass;
      for (int key = 0; key < keys; ++key) sum += codes[key] * attention.v[key * attention.key_stride + d];
      const int64_t code = context_code(attention, query, d, requantize(sum, by.multiplier, by.shift));
      store(attention.context, attention.context_row + query, attention.context_column + d, clamp(code, 0, 255));
    }
  }
}

}  // namespace

void install_attention_scalar(KernelTable& table);
void install_attention_scalar(KernelTable& table) {
  table.attention = attention;
  table.attention_split = attention_split;
  table.attention_static_w8a8 = attention_static_w8a8;
  table.attention_by_distance = attention_by_distance;
}

}  // namespace octavo::kernels

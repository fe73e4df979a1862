// Self-test cases of the attention kernel.
#include "system/self_test_cases.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace octavo::self_test_cases {
namespace {

using kernels::KernelTable;

constexpr std::int64_t kMostS32 = 2147483647;

// Shifts that leave 33..62 for every row of at most 130 keys: a plain row adds 7..15, one of wide probabilities 6..14,
// a clipped one -1..21. theta and cap from no clipping at all to rows that lose every key.
kernels::AttentionConstants random_attention(int head_size, Random& random) {
  const bool clipped = random.one_in(2);
  const bool softmax1 = clipped && random.one_in(2), prunes = clipped && random.one_in(2);
  const bool wide = !clipped && random.one_in(3);
  return {.head_size = head_size,
          .causal = random.one_in(2),
          .query_zero_point = random.one_of({0, 255, 128, random.integer(0, 255)}),
          .score_multiplier = static_cast<std::uint16_t>(random.integer(32768, 65535)),
          .score_shift = random.one_in(3) ? random.integer(-8, 23) : random.integer(0, 8),
          .clipped = clipped,
          .theta = random.integer(0, random.one_of({0, 1 << 18, 1 << 26, 2147483647})),
          .cap = static_cast<std::uint32_t>(random.between(random.one_of({0, 1 << 30, 2147483647}), kMostS32 + 1)),
          .multiplier = random.integer(1 << 30, 2147483647),
          .shift = clipped ? random.integer(34, 41) : random.integer(wide ? 27 : 26, 47),
          .zero_point = random.integer(0, 255),
          .softmax1 = softmax1,
          .prune =
              static_cast<std::uint32_t>(prunes ? random.integer(0, random.one_of({1 << 22, 1 << 28, 2147483647})) : 0),
          .levels = nullptr,
          .wide = wide};
}

// Levels as of 1 to 4 bits, with any edges.
kernels::AttentionLevels random_levels(Random& random) {
  kernels::AttentionLevels levels = {};
  levels.count = random.one_of({1, 3, 7, 15});
  for (int i = 0; i < levels.count; ++i) {
    levels.edge[i] = static_cast<std::uint32_t>(random.integer(0, random.one_of({1 << 22, 1 << 28, 2147483647})));
    levels.code[i] = static_cast<std::uint8_t>(random.integer(0, 255));
    levels.multiplier[i] = random.integer(1 << 30, 2147483647);
    levels.shift[i] = random.integer(33, 62);
  }
  std::sort(levels.edge, levels.edge + levels.count);
  return levels;
}

void attend_by_shares(const KernelTable& table, const kernels::Attention& call, int shares) {
  const auto all = [&](kernels::AttentionShare::Phase phase) {
    table.attention_share(call, {.phase = phase, .share = 0, .shares = shares, .first_key = 0, .keys = call.length});
  };
  const auto each = [&](kernels::AttentionShare::Phase phase) {
    for (int share = 0; share < shares; ++share) {
      const int first = kernels::share_begin(call.length, share, shares);
      const int end = kernels::share_begin(call.length, share + 1, shares);
      table.attention_share(
          call, {.phase = phase, .share = share, .shares = shares, .first_key = first, .keys = end - first});
    }
  };
  each(kernels::AttentionShare::scores);
  all(kernels::AttentionShare::probabilities);
  each(kernels::AttentionShare::sums);
  all(kernels::AttentionShare::context);
}

}  // namespace

// One of several heads of one of several sequences: all strides are wider than what the call may touch.
Case attention(Random& random) {
  const int head_size = random.one_of({32, 64, 20, 80, 128}), head = random.integer(0, 5);
  const int length = random.integer(1, 130);
  const int stride = head_size + random.integer(0, 40), gate_stride = random.integer(1, 3), row = random.integer(0, 20);
  const bool gated = random.one_in(2), part = random.one_in(2);
  const int past = random.one_in(3) ? random.integer(0, length - 1) : 0;
  const int first = part ? random.integer(0, length - past - 1) : 0;
  const int rows = length - past - first, most = random.one_in(2) ? std::min(rows, kernels::kFewQueries) : rows;
  const int queries = part ? random.integer(1, most) : length - past;
  const int shares = queries <= kernels::kFewQueries && random.one_in(2) ? random.integer(1, (length + 63) / 64) : 0;
  kernels::AttentionConstants constants = random_attention(head_size, random);
  const bool refined = random.one_in(3);
  if (refined) constants.zero_point = random.integer(0, 2040);
  const bool has_levels = constants.clipped && random.one_in(3);
  const kernels::AttentionLevels levels = random_levels(random);
  const int zero = constants.query_zero_point, reach = random.one_of({3, 255, 255});  // a few codes: flat rows
  const auto size = static_cast<std::size_t>((length - 1) * stride + head_size);
  const auto q = random.values<std::uint8_t>(size, std::max(zero - reach, 0), std::min(zero + reach, 255));
  const auto k = random.values<std::int8_t>(size, -127, 127), v = random.values<std::int8_t>(size, -127, 127);
  const auto gate_size = static_cast<std::size_t>((length - 1) * gate_stride + 1);
  const auto gate = random.values<std::int16_t>(gate_size, -32768, 32767);
  const ByteOutput output(row + length, (head + 1) * head_size, random),
      fine_output(row + length, (head + 1) * head_size, random);
  return [=](const KernelTable& table) {
    ByteOutput out = output, fine = fine_output;
    Values<std::uint8_t> scratch(kernels::attention_scratch_bytes(length, head_size), 0xff);
    kernels::AttentionConstants layer = constants;
    if (has_levels) layer.levels = &levels;
    const kernels::Attention call{.constants = &layer,
                                  .length = length,
                                  .first_query = first,
                                  .queries = queries,
                                  .q = q.data(),
                                  .k = k.data(),
                                  .v = v.data(),
                                  .stride = stride,
                                  .key_stride = stride,
                                  .gate = gated ? gate.data() : nullptr,
                                  .gate_stride = gate_stride,
                                  .context = out.matrix(),
                                  .context_row = row,
                                  .context_column = head * head_size,
                                  .scratch = scratch.data(),
                                  .past = past,
                                  .fine = refined ? fine.matrix() : kernels::ByteMatrix{}};
    if (shares == 0)
      table.attention(call);
    else
      attend_by_shares(table, call, shares);
    Bytes bytes = out.all();
    const Bytes more = fine.all();
    bytes.insert(bytes.end(), more.begin(), more.end());
    return bytes;
  };
}

}  // namespace octavo::self_test_cases

// Attention in integers: the product of queries, keys, values and gates, and what is made from it.
#include "integer/integer_run.h"

namespace octavo {

using namespace kernels;

namespace {

AttentionLevels attention_levels(const QuantizedLevels& levels) {
  AttentionLevels result = {};
  result.count = static_cast<int>(levels.edges.size());
  for (std::size_t i = 0; i < levels.edges.size(); ++i) {
    result.edge[i] = static_cast<std::uint32_t>(levels.edges[i]);
    result.code[i] = static_cast<std::uint8_t>(levels.codes[i]);
    result.multiplier[i] = levels.multipliers[i];
    result.shift[i] = levels.shifts[i];
  }
  return result;
}

}  // namespace

NodeCodes IntegerExecutor::Impl::operator()(IntegerRun& run, const Node& node, const QkvProduct& op,
                                            const QuantizedQkv& constants) const {
  const Product product(data->tensors, name(node), constants.depth);
  const std::uint8_t* a = input(run, node);
  struct Output {
    const QuantizedBlock& block;
    std::uint8_t* out;
    int low, high;
  };
  const int low = constants.asymmetric ? -128 : -127;
  const Output outputs[] = {
      {constants.query, run.query, 0, 255}, {constants.key, run.key, low, 127}, {constants.value, run.value, low, 127}};
  for_parts(
      run.pool, run.rows, constants.query.columns, constants.depth,
      [&](const Part& part) {
        const Output& to = outputs[part.product];
        table.gemm_to_u8(product.part(to.block, a, part),
                         {.zero_point = to.block.encoding.zero_point,
                          .low = to.low,
                          .high = to.high,
                          .out = at(row_major(to.out, qkv_stride), part.row, part.column)});
      },
      3);
  if (!constants.gate_output.empty()) {
    const QuantizedGateOutput& output = constants.gate_output[0];
    hidden_units(run, product, constants.gate[0], a);
    const Product second(data->tensors, name(node) + ".gate_output", output.depth);
    gate_logits(run, second, output.block, run.gate_hidden, op.gate_mean);
  } else if (!constants.gate.empty()) {
    gate_logits(run, product, constants.gate[0], a, op.gate_mean);
  }
  return {.query = run.query,
          .key = reinterpret_cast<const std::int8_t*>(run.key),
          .value = reinterpret_cast<const std::int8_t*>(run.value),
          .qkv_stride = qkv_stride,
          .gate = run.gate,
          .gate_stride = gate_stride};
}

void IntegerExecutor::Impl::hidden_units(IntegerRun& run, const Product& product, const QuantizedBlock& block,
                                         const std::uint8_t* a) const {
  const ByteMatrix out = tile_order(run.gate_hidden, block.columns);
  for_parts(run.pool, run.rows, block.columns, product.depth, [&](const Part& part) {
    table.gemm_to_u8(product.part(block, a, part),
                     {.zero_point = 0, .low = 0, .high = 255, .out = at(out, part.row, part.column)});
  });
}

void IntegerExecutor::Impl::gate_logits(IntegerRun& run, const Product& product, const QuantizedBlock& block,
                                        const std::uint8_t* a, bool mean) const {
  for_parts(run.pool, run.rows, block.columns, product.depth, [&](const Part& part) {
    const std::ptrdiff_t first = part.row * gate_stride + part.column;
    const Gemm gemm = product.part(block, a, part);
    if (mean)
      table.gemm_to_s32(gemm, {.out = run.gate_accumulator + first, .stride = gate_stride});
    else
      table.gemm_to_s16(gemm, {.zero_point = 0, .out = run.gate + first, .stride = gate_stride});
  });
  if (!mean) return;
  for (int sequence = 0; sequence < run.batch.sequences(); ++sequence) {
    const std::ptrdiff_t first = run.batch.start[static_cast<std::size_t>(sequence)];
    table.mean_gate_logits({.rows = run.batch.length(sequence),
                            .heads = block.columns,
                            .in = run.gate_accumulator + first * gate_stride,
                            .stride = gate_stride,
                            .multiplier = product.multiplier + block.first_column,
                            .shift = block.shift,
                            .out = run.gate + sequence * gate_stride});
  }
}

IntegerExecutor::Impl::GateRows IntegerExecutor::Impl::gate_rows(const IntegerRun& run, const Node& node,
                                                                 const AttentionOp& op, int sequence, int head) const {
  if (!op.gate) return {};
  switch (op.gate->type) {
    case GateType::unconditional_per_head:
      return {.first = get<std::int16_t>(node, ".gate") + head};
    case GateType::conditional_per_head:
      return {.first = run.gate + sequence * gate_stride + head};
    default:
      break;
  }
  return {.first = run.gate + run.batch.start[static_cast<std::size_t>(sequence)] * gate_stride + head,
          .stride = gate_stride};
}

IntegerExecutor::Impl::KeyRows IntegerExecutor::Impl::key_rows(const IntegerRun& run, const Node& node,
                                                               const AttentionOp& op, int sequence, int head) const {
  if (run.batch.caches.empty()) {
    const std::ptrdiff_t offset =
        run.batch.start[static_cast<std::size_t>(sequence)] * qkv_stride + head * op.head_size;
    return {.keys = reinterpret_cast<const std::int8_t*>(run.key) + offset,
            .values = reinterpret_cast<const std::int8_t*>(run.value) + offset,
            .stride = qkv_stride};
  }
  const KvCache::Data& cache = *run.batch.caches[static_cast<std::size_t>(sequence)];
  const KvCache::Data::Layer& layer = cache.layers[layer_of[index(node)]];
  const std::size_t first = static_cast<std::size_t>(head) * cache.plane(layer);
  return {.keys = layer.keys.get() + first, .values = layer.values.get() + first, .stride = layer.head_size};
}

StaticW8A8Attention IntegerExecutor::Impl::paper_constants(const Node& node, const QuantizedPaperAttention& constants,
                                                           const QuantizedQkv& qkv) const {
  return {.key_zero_point = qkv.key.encoding.zero_point,
          .value_zero_point = qkv.value.encoding.zero_point,
          .score_multiplier = constants.score_multiplier,
          .score_shift = constants.score_shift,
          .score_zero_point = constants.score.zero_point,
          .exponential = get<std::int32_t>(node, ".exponential"),
          .slope = constants.slope,
          .offset = constants.offset,
          .most = constants.most};
}

namespace {

/// Where the codes of probabilities are left for an observer: see NodeCodes::probabilities.
struct ObservedProbabilities {
  ObservedProbabilities() = default;
  ObservedProbabilities(const IntegerRun& run, int heads) {
    for (int i = 0; i < run.batch.sequences(); ++i) {
      first.push_back(size);
      lengths.push_back(static_cast<std::size_t>(run.batch.length(i)));
      size += static_cast<std::size_t>(heads) * lengths.back() * lengths.back();
    }
    data = run.workspace.get<std::uint8_t>("probabilities", size);
    std::fill_n(data, size, std::uint8_t{0});
  }
  std::uint8_t* of(int sequence, int head) const {
    if (!data) return nullptr;
    const auto i = static_cast<std::size_t>(sequence);
    return data + first[i] + static_cast<std::size_t>(head) * lengths[i] * lengths[i];
  }
  std::uint8_t* data = nullptr;
  std::size_t size = 0;
  std::vector<std::size_t> first = {}, lengths = {};  // by sequence
};

/// Into how many shares the keys of each head are cut.
int key_shares(const RaggedBatch& batch, int heads, int threads) {
  int keys = 0;
  for (int i = 0; i < batch.sequences(); ++i) {
    if (batch.length(i) > kDecodeQueries) return 1;
    keys = std::max(keys, batch.past(i) + batch.length(i));
  }
  return octavo::key_shares(batch.sequences() * heads, threads, keys);
}

/// All calls, phase by phase. There are fewer calls than threads, so that each has a thread's scratch.
template <class CallOf>
void attend_by_shares(const KernelTable& table, IntegerRun& run, int heads, int most, const CallOf& call_of) {
  const int calls = run.batch.sequences() * heads;
  const auto do_phase = [&](AttentionSplit::Phase phase, bool shared) {
    const int tasks = shared ? most : 1;
    run.pool.run(calls * tasks, [&](int index, int) {
      const Attention call = call_of(index / tasks / heads, index / tasks % heads);
      const int shares = std::min(most, (call.length + 63) / 64), share = index % tasks;
      if (share >= shares) return;
      const int first = shared ? split_begin(call.length, share, shares) : 0;
      const int end = shared ? split_begin(call.length, share + 1, shares) : call.length;
      table.attention_split(
          call, {.phase = phase, .split = share, .splits = shares, .first_key = first, .keys = end - first});
    });
  };
  do_phase(AttentionSplit::scores, true);
  do_phase(AttentionSplit::probabilities, false);
  do_phase(AttentionSplit::sums, true);
  do_phase(AttentionSplit::context, false);
}

}  // namespace

NodeCodes IntegerExecutor::Impl::operator()(IntegerRun& run, const Node& node, const AttentionOp& op,
                                            const QuantizedAttention& constants) const {
  const auto& qkv = std::get<QuantizedQkv>(data->integer->ops[static_cast<std::size_t>(node.inputs[0])]);
  const AttentionLevels levels = attention_levels(constants.levels);
  const AttentionConstants shared{.head_size = op.head_size,
                                  .causal = op.mask == AttentionMask::causal,
                                  .query_zero_point = qkv.query.encoding.zero_point,
                                  .score_multiplier = static_cast<std::uint16_t>(constants.score_multiplier),
                                  .score_shift = constants.score_shift,
                                  .clipped = constants.clipped,
                                  .theta = static_cast<std::int32_t>(constants.theta),
                                  .cap = static_cast<std::uint32_t>(constants.cap),
                                  .multiplier = constants.multiplier,
                                  .shift = constants.shift,
                                  .zero_point = constants.context.zero_point << constants.refined.fine_bits,
                                  .softmax1 = constants.softmax1,
                                  .prune = static_cast<std::uint32_t>(constants.prune),
                                  .levels = constants.levels.edges.empty() ? nullptr : &levels,
                                  .u16_probabilities = constants.wide};
  const int columns = op.heads * op.head_size;
  const ByteMatrix context = tile_order(run.context, columns, constants.refined);
  const ByteMatrix fine = constants.refined.fine_bits > 0 ? fine_codes(context, columns) : ByteMatrix{};
  const StaticW8A8Attention paper =
      constants.paper ? paper_constants(node, *constants.paper, qkv) : StaticW8A8Attention{};
  for (int i = 0; i < static_cast<int>(run.batch.caches.size()); ++i) {
    const std::ptrdiff_t first = run.batch.start[static_cast<std::size_t>(i)] * qkv_stride;
    run.batch.caches[static_cast<std::size_t>(i)]->append(
        layer_of[index(node)], reinterpret_cast<const std::int8_t*>(run.key) + first,
        reinterpret_cast<const std::int8_t*>(run.value) + first, qkv_stride, run.batch.length(i));
  }
  const bool observed = run.observed && !constants.paper && run.batch.caches.empty();
  const ObservedProbabilities codes = observed ? ObservedProbabilities(run, op.heads) : ObservedProbabilities();
  const auto call_of = [&](int sequence, int head, int query, int queries, int scratch) {
    const std::ptrdiff_t first = run.batch.start[static_cast<std::size_t>(sequence)];
    const std::ptrdiff_t offset = first * qkv_stride + head * op.head_size;
    const KeyRows keys = key_rows(run, node, op, sequence, head);
    const GateRows gate = gate_rows(run, node, op, sequence, head);
    return Attention{.constants = &shared,
                     .length = run.batch.past(sequence) + run.batch.length(sequence),
                     .first_query = query,
                     .queries = queries,
                     .q = run.query + offset,
                     .k = keys.keys,
                     .v = keys.values,
                     .stride = qkv_stride,
                     .key_stride = keys.stride,
                     .gate = gate.first,
                     .gate_stride = gate.stride,
                     .context = context,
                     .context_row = first,
                     .context_column = head * op.head_size,
                     .scratch = run.scratch + static_cast<std::size_t>(scratch) * run.scratch_bytes,
                     .past = run.batch.past(sequence),
                     .probabilities = codes.of(sequence, head),
                     .fine = fine};
  };
  const int shares = constants.paper || observed ? 1 : key_shares(run.batch, op.heads, run.pool.threads());
  if (shares > 1) {
    const auto call = [&](int sequence, int head) {
      return call_of(sequence, head, 0, run.batch.length(sequence), sequence * op.heads + head);
    };
    attend_by_shares(table, run, op.heads, shares, call);
  } else {
    for_heads(run.pool, run.batch, op.heads, [&](int sequence, int head, int query, int queries, int thread) {
      const Attention call = call_of(sequence, head, query, queries, thread);
      if (constants.paper)
        table.attention_static_w8a8(call, paper);
      else if (call.probabilities)
        scalar.attention(call);
      else
        table.attention(call);
    });
  }
  write_coarse(run, context, columns, constants.refined);
  return {.bytes = context, .fine = fine, .probabilities = {codes.data, codes.size}};
}

}  // namespace octavo

// Attention in integers, over the keys of the batch or of caches.
#include "integer/integer_pass.h"

namespace octavo {

using namespace kernels;

namespace {

/// Where the codes of probabilities are left for an observer: see NodeCodes::probabilities.
struct ObservedProbabilities {
  ObservedProbabilities() = default;
  ObservedProbabilities(const RaggedBatch& batch, Workspace::Data& workspace, int heads) {
    for (int i = 0; i < batch.sequences(); ++i) {
      first.push_back(size);
      lengths.push_back(static_cast<std::size_t>(batch.length(i)));
      size += static_cast<std::size_t>(heads) * lengths.back() * lengths.back();
    }
    data = workspace.get<std::uint8_t>("probabilities", size);
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
void attend_by_shares(const KernelTable& table, const RaggedBatch& batch, ThreadPool& pool, int heads, int most,
                      const CallOf& call_of) {
  const int calls = batch.sequences() * heads;
  const auto do_phase = [&](AttentionSplit::Phase phase, bool shared) {
    const int tasks = shared ? most : 1;
    pool.run(calls * tasks, [&](int index, int) {
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

/// The whole call of one head of one sequence: its keys and values lie in its cache where it has one, else in the
/// batch.
Attention IntegerPass::attention_call(const BoundAttention& op, const AttentionConstants& constants, int sequence,
                                      int head) const {
  const std::ptrdiff_t first = batch_.start[static_cast<std::size_t>(sequence)];
  const std::ptrdiff_t offset = first * op.stride + head * op.op.head_size;
  const NodeCodes out = codes_of(op.out);
  Attention call{.constants = &constants,
                 .length = batch_.past(sequence) + batch_.length(sequence),
                 .first_query = 0,
                 .queries = batch_.length(sequence),
                 .q = at_slot<std::uint8_t>(op.query) + offset,
                 .k = at_slot<std::int8_t>(op.key) + offset,
                 .v = at_slot<std::int8_t>(op.value) + offset,
                 .stride = op.stride,
                 .key_stride = op.stride,
                 .gate = nullptr,
                 .gate_stride = 0,
                 .context = out.bytes,
                 .context_row = first,
                 .context_column = head * op.op.head_size,
                 .scratch = nullptr,
                 .past = batch_.past(sequence),
                 .fine = out.fine};
  if (!batch_.caches.empty()) {
    const KvCache::Data& cache = *batch_.caches[static_cast<std::size_t>(sequence)];
    const KvCache::Data::Layer& layer = cache.layers[op.layer];
    const std::size_t plane = static_cast<std::size_t>(head) * cache.plane(layer);
    call.k = layer.keys.get() + plane;
    call.v = layer.values.get() + plane;
    call.key_stride = layer.head_size;
  }
  if (op.unconditional) {
    call.gate = op.unconditional + head;
  } else if (op.op.gate && op.op.gate->type == GateType::conditional_per_head) {
    call.gate = at_slot<std::int16_t>(op.gate) + sequence * op.gate_stride + head;
  } else if (op.op.gate) {
    call.gate = at_slot<std::int16_t>(op.gate) + first * op.gate_stride + head;
    call.gate_stride = op.gate_stride;
  }
  return call;
}

NodeCodes IntegerPass::execute(const BoundAttention& op, RowKind) {
  const int heads = op.op.heads;
  AttentionConstants constants = op.constants;
  if (op.levels) constants.levels = &*op.levels;
  for (int i = 0; i < static_cast<int>(batch_.caches.size()); ++i) {
    const std::ptrdiff_t first = batch_.start[static_cast<std::size_t>(i)] * op.stride;
    batch_.caches[static_cast<std::size_t>(i)]->append(op.layer, at_slot<std::int8_t>(op.key) + first,
                                                       at_slot<std::int8_t>(op.value) + first, op.stride,
                                                       batch_.length(i));
  }
  const bool observed = observed_ && !op.paper && batch_.caches.empty();
  const ObservedProbabilities seen =
      observed ? ObservedProbabilities(batch_, workspace_, heads) : ObservedProbabilities();
  const auto scratch = [&](int thread) {
    return attention_scratch_ + static_cast<std::size_t>(thread) * attention_scratch_bytes_;
  };
  const int shares = op.paper || observed ? 1 : key_shares(batch_, heads, workspace_.pool.threads());
  if (shares > 1) {
    attend_by_shares(table_, batch_, workspace_.pool, heads, shares, [&](int sequence, int head) {
      Attention call = attention_call(op, constants, sequence, head);
      call.scratch = scratch(sequence * heads + head);
      return call;
    });
  } else {
    const auto scalar = observed ? table_for(Isa::scalar).attention : nullptr;
    for_heads(workspace_.pool, batch_, heads, [&](int sequence, int head, int query, int queries, int thread) {
      Attention call = attention_call(op, constants, sequence, head);
      call.first_query = query;
      call.queries = queries;
      call.scratch = scratch(thread);
      call.probabilities = seen.of(sequence, head);
      if (op.paper)
        table_.attention_static_w8a8(call, *op.paper);
      else
        (call.probabilities ? scalar : table_.attention)(call);
    });
  }
  write_coarse(op.out, block_of(RowKind::token));
  NodeCodes codes = codes_of(op.out);
  codes.probabilities = {seen.data, seen.size};
  return codes;
}

}  // namespace octavo

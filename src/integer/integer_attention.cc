// Attention in integers, over the keys of the batch or of caches.
#include "graph/names.h"
#include "integer/hard_attention.h"
#include "integer/integer_pass.h"

#include <cstdlib>
#include <optional>

namespace octavo {

using namespace kernels;

namespace {

/// Queries of a call of attention with a window.
constexpr int kWindowQueries = 128;

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

class BoundAttention : public BoundOp {
 public:
  BoundAttention(const AttentionOp& op, const QuantizedAttention& constants, Binder& binder);
  NodeCodes run(IntegerPass& pass, RowKind kind) const override;

 private:
  void spread_bias(const ScoreBias* bias, const std::int32_t* table, int longest);
  void spread_factors(const DistanceFactors& factors, const std::int16_t* table, int longest);
  void attend_in_window(const IntegerPass& pass, const Attention& whole, int query, int queries) const;
  void set_grid_bias(Attention& call, int head, std::int32_t* rows) const;
  void activate_gates(IntegerPass& pass) const;
  const std::int32_t* size_bias(const IntegerPass& pass) const;
  void set_gate(const IntegerPass& pass, int sequence, int head, Attention& call) const;
  Attention call_of(const IntegerPass& pass, const AttentionConstants& constants, int sequence, int head) const;
  std::ptrdiff_t size_stride(const RaggedBatch& batch) const { return round_up(batch.length(0), 32); }

  QkvRows in_;
  Rows8 out_;
  AttentionFacts facts_;
  AttentionConstants constants_;  // without levels
  std::optional<AttentionLevels> levels_ = {};
  std::optional<StaticW8A8Attention> static_w8a8_ = {};
  int window_;                                       // of keys on either side of a query; 0: all
  int most_keys_;                                    // that a query sees; 0: all
  std::vector<std::int32_t> bias_ = {};              // [heads][of all distances, in order]
  std::ptrdiff_t bias_width_ = 0, bias_centre_ = 0;  // of a head, 0 where heads share one; its distance 0
  std::optional<ScoreBias> grid_ = {};               // of a bias by place in a picture, and
  const std::int32_t* grid_bias_ = nullptr;          // its table
  std::size_t grid_rows_size_ = 0;                   // of the rows of all queries of a head
  const std::int32_t* log_size_ = nullptr;           // of keys of 1, 2, ... tokens, where some are merged
  std::vector<std::int16_t> factors_ = {};           // [heads][of all distances, in order]
  std::ptrdiff_t factors_centre_ = 0;                // distance 0 of a head
  const std::int32_t* sink_ = nullptr;               // of each head
  std::vector<std::int32_t> zeros_ = {};             // sinks of softmax-1 in files of before
  const std::int16_t* unconditional_ = nullptr;      // logits of a gate per head
  std::size_t layer_;                                // its place among the attentions of the graph
};

BoundAttention::BoundAttention(const AttentionOp& op, const QuantizedAttention& constants, Binder& binder)
    : in_(binder.input(0).qkv),
      out_(binder.need_rows8(binder.columns(), constants.refined)),
      facts_(binder.attention()),
      constants_{.head_size = op.head_size,
                 .causal = op.mask == AttentionMask::causal,
                 .query_zero_point = in_.query_encoding.zero_point,
                 .score_multiplier = static_cast<std::uint16_t>(constants.score_multiplier),
                 .score_shift = constants.score_shift,
                 .clipped = constants.clipped,
                 .theta = static_cast<std::int32_t>(constants.theta),
                 .cap = static_cast<std::uint32_t>(constants.cap),
                 .multiplier = constants.multiplier,
                 .shift = constants.shift,
                 .zero_point = constants.context.zero_point << constants.refined.fine_bits,
                 .gate_fraction = constants.gate_fraction,
                 .least_top = constants.softmax1 ? 32767 : 0,
                 .prune = static_cast<std::uint32_t>(constants.prune),
                 .levels = nullptr,
                 .u16_probabilities = constants.u16_probabilities},
      window_(op.window),
      most_keys_(op.most_keys),
      layer_(binder.add_attention(op.head_size)) {
  binder.made().u8 = out_;
  if (!constants.levels.edges.empty()) levels_ = attention_levels(constants.levels);
  if (constants.static_w8a8) {
    const QuantizedStaticW8A8Attention& static_w8a8 = *constants.static_w8a8;
    static_w8a8_ = StaticW8A8Attention{.key_zero_point = in_.key_encoding.zero_point,
                                       .value_zero_point = in_.value_encoding.zero_point,
                                       .score_multiplier = static_w8a8.score_multiplier,
                                       .score_shift = static_w8a8.score_shift,
                                       .score_zero_point = static_w8a8.score.zero_point,
                                       .exponential = binder.get<std::int32_t>(part::kExponential),
                                       .slope = static_w8a8.slope,
                                       .offset = static_w8a8.offset,
                                       .most = static_w8a8.most};
  }
  if (binder.input_value(0).merged) log_size_ = binder.get<std::int32_t>(part::kLogSize);
  if (constants.softmax1) zeros_.resize(static_cast<std::size_t>(facts_.heads));
  if (constants.softmax1) sink_ = zeros_.data();
  if (constants.sink) sink_ = binder.get<std::int32_t>(part::kSink);
  if (op.bias) {
    const auto* table = binder.get<std::int32_t>(part::kScoreBias);
    if (op.bias->on_grid()) {
      grid_ = op.bias;
      grid_bias_ = table;
      const auto tokens = static_cast<std::size_t>(binder.max_positions());
      grid_rows_size_ = tokens * static_cast<std::size_t>(round_up(static_cast<int>(tokens), 32));
    } else {
      spread_bias(&*op.bias, table, binder.max_positions());
    }
  } else if (window_ > 0) {
    spread_bias(nullptr, nullptr, binder.max_positions());
  }
  if (op.factors) spread_factors(*op.factors, binder.get<std::int16_t>(part::kFactors), binder.max_positions());
  if (op.gate && op.gate->type == GateType::unconditional_per_head)
    unconditional_ = binder.get<std::int16_t>(part::kGate);
}

/// Every distance that a call has, so that a query's bias lies in the order of the keys; beyond the window it hides
/// them.
void BoundAttention::spread_bias(const ScoreBias* bias, const std::int32_t* table, int longest) {
  if (window_ > 0) longest = std::min(longest, 2 * window_ + kWindowQueries);
  const int last = round_up(longest, 32) - 1;
  bias_centre_ = longest - 1;
  const auto width = static_cast<std::size_t>(bias_centre_ + last + 1);
  bias_width_ = bias ? static_cast<std::ptrdiff_t>(width) : 0;
  for (int head = 0; head < (bias ? facts_.heads : 1); ++head) {
    for (int distance = 1 - longest; distance <= last; ++distance) {
      const bool hidden = window_ > 0 && std::abs(distance) > window_;
      bias_.push_back(
          hidden ? -kLargestScoreBias
          : bias ? table[head * (2 * bias->reach + 1) + std::clamp(distance, -bias->reach, bias->reach) + bias->reach]
                 : 0);
    }
  }
}

/// Every distance that a call has.
void BoundAttention::spread_factors(const DistanceFactors& factors, const std::int16_t* table, int longest) {
  const int reach = factors.reach;
  factors_centre_ = longest - 1;
  for (int head = 0; head < facts_.heads; ++head) {
    for (int distance = 1 - longest; distance < longest; ++distance)
      factors_.push_back(table[head * (2 * reach + 1) + std::clamp(distance, -reach, reach) + reach]);
  }
}

/// Blocks of queries, each with the keys that one of them sees.
void BoundAttention::attend_in_window(const IntegerPass& pass, const Attention& whole, int query, int queries) const {
  for (int first = query; first < query + queries; first += kWindowQueries) {
    const int count = std::min(kWindowQueries, query + queries - first);
    const int first_key = std::max(first - window_, 0), end = std::min(first + count + window_, whole.length);
    Attention call = whole;
    call.length = end - first_key;
    call.first_query = 0;
    call.queries = count;
    call.q += first * call.stride;
    call.k += first_key * call.key_stride;
    call.v += first_key * call.key_stride;
    if (call.gate) call.gate += first * call.gate_stride;
    if (call.element_gate) call.element_gate += first * call.element_gate_stride;
    call.context_row += first;
    call.bias += first_key - first;
    pass.table().attention(call);
  }
}

/// Makes the rows of a call's queries of the head's table, which is in the cache where all pairs of all heads would not
/// be.
void BoundAttention::set_grid_bias(Attention& call, int head, std::int32_t* rows) const {
  const ScoreBias& grid = *grid_;
  const int width = grid.grid_width;
  const std::ptrdiff_t stride = round_up(call.length, 32);
  const std::int32_t* table = grid_bias_ + std::ptrdiff_t{head} * grid.entries();
  for (int query = call.first_query; query < call.first_query + call.queries; ++query) {
    std::int32_t* row = rows + query * stride;
    row[0] = table[grid.entry(query, 0)];
    if (query == 0) std::fill_n(row + 1, call.length - 1, table[grid.entry(0, 1)]);
    for (int key = 1; query > 0 && key < call.length; key += width)
      std::copy_n(table + grid.entry(query, key), width, row + key);
    std::fill(row + call.length, row + stride, 0);
  }
  call.bias = rows;
  call.bias_stride = stride;
}

/// What is added to the scores of each key of each sequence, whatever the query and the head: bias_stride is 0.
/// Sequences of a picture are equally long.
const std::int32_t* BoundAttention::size_bias(const IntegerPass& pass) const {
  const RaggedBatch& batch = pass.batch();
  const std::ptrdiff_t stride = size_stride(batch);
  auto* rows = pass.workspace().get<std::int32_t>(
      "size_bias", static_cast<std::size_t>(batch.sequences()) * static_cast<std::size_t>(stride));
  for (int i = 0; i < batch.sequences(); ++i) {
    const std::int32_t* sizes = batch.sizes.data() + batch.start[static_cast<std::size_t>(i)];
    std::int32_t* row = rows + i * stride;
    for (int key = 0; key < batch.length(i); ++key) row[key] = log_size_[sizes[key] - 1];
    std::fill(row + batch.length(i), row + stride, 0);
  }
  return rows;
}

/// The whole call of one head of one sequence: its keys and values lie in its cache where it has one, else in the
/// batch.
Attention BoundAttention::call_of(const IntegerPass& pass, const AttentionConstants& constants, int sequence,
                                  int head) const {
  const RaggedBatch& batch = pass.batch();
  const std::ptrdiff_t first = batch.start[static_cast<std::size_t>(sequence)];
  const std::ptrdiff_t keys = first * in_.key_stride + facts_.key_value_head(head) * facts_.head_size;
  const NodeCodes out = pass.codes_of(out_);
  Attention call{.constants = &constants,
                 .length = batch.past(sequence) + batch.length(sequence),
                 .first_query = 0,
                 .queries = batch.length(sequence),
                 .q = pass.at<std::uint8_t>(in_.query) + first * in_.stride + head * facts_.head_size,
                 .k = pass.at<std::int8_t>(in_.key) + keys,
                 .v = pass.at<std::int8_t>(in_.value) + keys,
                 .stride = in_.stride,
                 .key_stride = in_.key_stride,
                 .gate = nullptr,
                 .gate_stride = 0,
                 .context = out.bytes,
                 .context_row = first,
                 .context_column = head * facts_.head_size,
                 .scratch = nullptr,
                 .past = batch.past(sequence),
                 .fine = out.fine};
  if (!batch.caches.empty()) {
    const KvCache::Data& cache = *batch.caches[static_cast<std::size_t>(sequence)];
    const KvCache::Data::Layer& layer = cache.layers[layer_];
    const std::size_t plane = static_cast<std::size_t>(facts_.key_value_head(head)) * cache.plane(layer);
    call.k = layer.keys.get() + plane;
    call.v = layer.values.get() + plane;
    call.key_stride = layer.head_size;
  }
  if (!bias_.empty()) {
    call.bias = bias_.data() + head * bias_width_ + bias_centre_ - call.past;
    call.bias_stride = -1;
  }
  if (sink_) call.sink = sink_ + head;
  if (facts_.gate) set_gate(pass, sequence, head, call);
  return call;
}

void BoundAttention::set_gate(const IntegerPass& pass, int sequence, int head, Attention& call) const {
  const std::ptrdiff_t first = pass.batch().start[static_cast<std::size_t>(sequence)];
  const auto* made = pass.at<std::int16_t>(in_.gate);
  call.gate_is_logit = facts_.gate->activation == GateActivation::sigmoid;
  switch (facts_.gate->type) {
    case GateType::unconditional_per_head:
      call.gate = unconditional_ + head;
      break;
    case GateType::conditional_per_head:
      call.gate = made + sequence * in_.gate_stride + head;
      break;
    case GateType::conditional_per_token:
      call.gate = made + first * in_.gate_stride + head;
      call.gate_stride = in_.gate_stride;
      break;
    case GateType::conditional_per_element:
      call.element_gate = made + first * in_.gate_stride + head * facts_.head_size;
      call.element_gate_stride = in_.gate_stride;
      break;
  }
}

/// Logits become gates in place, but for those of heads with sigmoid: the kernel takes these as they are.
void BoundAttention::activate_gates(IntegerPass& pass) const {
  const bool softplus = facts_.gate->activation == GateActivation::softplus,
             elements = facts_.gate->type == GateType::conditional_per_element;
  if (facts_.gate->type == GateType::unconditional_per_head || (!softplus && !elements)) return;
  const bool mean = facts_.gate->type == GateType::conditional_per_head;
  const int columns = elements ? facts_.heads * facts_.head_size : facts_.heads;
  auto* gates = pass.at<std::int16_t>(in_.gate);
  pass.for_rows({.first = 0, .count = mean ? pass.batch().sequences() : pass.batch().rows()}, columns,
                [&](int row, int rows) {
                  pass.table().activate_gates({.rows = rows,
                                               .columns = columns,
                                               .function = softplus ? GateFunction::softplus : GateFunction::sigmoid,
                                               .in = gates + row * in_.gate_stride,
                                               .out = gates + row * in_.gate_stride,
                                               .stride = in_.gate_stride});
                });
}

NodeCodes BoundAttention::run(IntegerPass& pass, RowKind) const {
  const RaggedBatch& batch = pass.batch();
  ThreadPool& pool = pass.workspace().pool;
  AttentionConstants constants = constants_;
  if (levels_) constants.levels = &*levels_;
  if (facts_.gate) activate_gates(pass);
  for (int i = 0; i < static_cast<int>(batch.caches.size()); ++i) {
    const std::ptrdiff_t first = batch.start[static_cast<std::size_t>(i)] * in_.key_stride;
    batch.caches[static_cast<std::size_t>(i)]->append(layer_, pass.at<std::int8_t>(in_.key) + first,
                                                      pass.at<std::int8_t>(in_.value) + first, in_.key_stride,
                                                      batch.length(i));
  }
  const bool observed = pass.observed() && !static_w8a8_ && batch.caches.empty() && window_ == 0;
  const ObservedProbabilities seen =
      observed ? ObservedProbabilities(batch, pass.workspace(), facts_.heads) : ObservedProbabilities();
  const std::int32_t* sizes = log_size_ ? size_bias(pass) : nullptr;
  auto* grid_rows =
      pass.workspace().get<std::int32_t>("score_bias", static_cast<std::size_t>(pool.threads()) * grid_rows_size_);
  const std::size_t hard_rows_size = most_keys_ > 0 ? hard_attention_elements(batch) : 0;
  auto* hard_rows =
      pass.workspace().get<std::int32_t>("hard_rows", static_cast<std::size_t>(pool.threads()) * hard_rows_size);
  const int shares = static_w8a8_ || observed || grid_ || window_ > 0 || most_keys_ > 0 || !factors_.empty()
                         ? 1
                         : key_shares(batch, facts_.heads, pool.threads());
  if (shares > 1) {
    attend_by_shares(pass.table(), batch, pool, facts_.heads, shares, [&](int sequence, int head) {
      Attention call = call_of(pass, constants, sequence, head);
      if (sizes) call.bias = sizes + sequence * size_stride(batch);
      call.scratch = pass.attention_scratch(sequence * facts_.heads + head);
      return call;
    });
  } else {
    const auto scalar = observed ? table_for(Isa::scalar).attention : nullptr;
    for_heads(pool, batch, facts_.heads, [&](int sequence, int head, int query, int queries, int thread) {
      Attention call = call_of(pass, constants, sequence, head);
      if (sizes) call.bias = sizes + sequence * size_stride(batch);
      call.first_query = query;
      call.queries = queries;
      call.scratch = pass.attention_scratch(thread);
      if (grid_) set_grid_bias(call, head, grid_rows + static_cast<std::size_t>(thread) * grid_rows_size_);
      if (most_keys_ > 0)
        hide_small_scores(call, most_keys_, hard_rows + static_cast<std::size_t>(thread) * hard_rows_size);
      call.probabilities = seen.of(sequence, head);
      if (window_ > 0)
        attend_in_window(pass, call, query, queries);
      else if (!factors_.empty())
        pass.table().attention_by_distance(
            call, {.factor = factors_.data() + head * (2 * factors_centre_ + 1) + factors_centre_});
      else if (static_w8a8_)
        pass.table().attention_static_w8a8(call, *static_w8a8_);
      else
        (call.probabilities ? scalar : pass.table().attention)(call);
    });
  }
  pass.write_coarse(out_, pass.block_of(RowKind::token));
  NodeCodes codes = pass.codes_of(out_);
  codes.probabilities = {seen.data, seen.size};
  return codes;
}

}  // namespace

template <>
std::unique_ptr<const BoundOp> bind_op(const AttentionOp& op, const QuantizedAttention& constants, Binder& binder) {
  return std::make_unique<const BoundAttention>(op, constants, binder);
}

}  // namespace octavo

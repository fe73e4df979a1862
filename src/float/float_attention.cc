// Attention in float32, and the product that it reads: scores, clipped softmax, context, gate, and what observers see
// of them.
#include "float/float_run.h"
#include "graph/op_facts.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>

namespace octavo {
namespace {

/// The centre of the geometric step that p > prune lies in.
float log_level(float p, const ClippedSoftmax& softmax) {
  const int levels = (1 << softmax.log_bits) - 1;
  const double first = std::log2(softmax.prune), step = -first / levels;
  const double above =
      std::ceil((std::log2(static_cast<double>(p)) - first) / step) - 1.0;  // edges belong to the step below
  return static_cast<float>(std::exp2(first + (std::clamp(above, 0.0, levels - 1.0) + 0.5) * step));
}

/// (zeta - gamma) softmax + gamma, clipped to [0, 1] and pruned, in place over a row of scaled scores. Gives what the
/// sink takes.
float clipped_softmax(Row row, const ClippedSoftmax& softmax, std::optional<float> sink) {
  const float seen = row.maxCoeff(), largest = sink ? std::max(seen, *sink) : seen;
  row = (row - largest).exp();
  const float gamma = static_cast<float>(softmax.gamma), width = static_cast<float>(softmax.zeta - softmax.gamma);
  const float more = sink ? std::exp(*sink - largest) : 0.0f, inverse = 1.0f / (row.sum() + more);
  row *= inverse;
  if (softmax.gamma != 0.0 || softmax.zeta != 1.0) row = (row * width + gamma).max(0.0f).min(1.0f);
  if (softmax.prune == 0.0) return more * inverse;
  for (float& p : row) {
    if (!(p > static_cast<float>(softmax.prune))) p = 0.0f;
    if (p > 0.0f && softmax.log_bits > 0) p = log_level(p, softmax);
  }
  return more * inverse;
}

float activated(float x, GateActivation activation) {
  if (activation == GateActivation::softplus) return std::max(x, 0.0f) + std::log1p(std::exp(-std::abs(x)));
  return 1.0f / (1.0f + std::exp(-x));
}

/// Turns the pairs of every head of Q and K by the angles of the tokens' positions.
void rotate(FloatExecutor::Run& pass, const QkvProduct& op, const Node& node) {
  const ConstRow table = pass.model.bound(op.rotary->table);
  const Eigen::Index size = op.head_size, half = size / 2, stride = pass.model.columns(node.output);
  for (Eigen::Index row = 0; row < pass.batch().rows(); ++row) {
    const Eigen::Index position = pass.batch().positions[static_cast<std::size_t>(row)];
    const auto cosine = table.segment(position * size, half), sine = table.segment(position * size + half, half);
    for (int head = 0; head < op.heads + op.key_value_heads(); ++head) {  // of Q, then of K
      Row x(pass.at(node.output) + row * stride + head * size, half), y(x.data() + half, half);
      const Eigen::ArrayXf turned = x * cosine - y * sine;
      y = y * cosine + x * sine;
      x = turned;
    }
  }
}

/// Calls `visit(block, copy)` with each of these blocks of a value's columns, from the first column on.
template <typename Visit>
void for_blocks(Rows rows, const std::vector<const LinearBlock*>& blocks, const Visit& visit) {
  Eigen::Index first = 0;
  for (const LinearBlock* block : blocks) {
    auto columns = rows.middleCols(first, block->columns);
    FloatMatrix copy = columns;
    if (visit(*block, copy)) columns = copy;
    first += block->columns;
  }
}

/// Leaves the so many largest scores, and those equal to the last of them.
void hide_small(std::span<float> scores, int most) {
  std::vector<float> sorted(scores.begin(), scores.end());
  std::nth_element(sorted.begin(), sorted.begin() + most - 1, sorted.end(), std::greater<>());
  const float least = sorted[static_cast<std::size_t>(most) - 1];
  for (float& score : scores) {
    if (score < least) score = -std::numeric_limits<float>::infinity();
  }
}

/// One attention over one batch.
struct AttentionRun {
  FloatExecutor::Run& pass;
  const AttentionOp& op;
  const Node& node;
  const AttentionFacts facts = attention_facts(pass.model.data->graph, node).value();
  std::vector<float> gates = {};        // [rows][heads], or of each element of the context
  std::vector<float> sinks = {};        // [heads]; empty: none
  std::vector<float> sink_shares = {};  // [rows][heads], of probabilities before clipping

  void run();
  void prepare_heads();
  const HeadProducts& products(int length) const;
  const float* query(int sequence, int head) const;
  const float* key(int sequence, int head) const;
  const float* value(int sequence, int head) const;
  void set_sinks();
  void compute_scores(int sequence, int head, float* scores) const;
  void add_log_sizes(int sequence, float* scores) const;
  void compute_probabilities(int sequence, int head, float* scores);
  void change_scores(std::vector<float>& scores);
  void multiply_by_factors(int head, Eigen::Index length, float* probabilities) const;
  void compute_context(int sequence, int head, const float* probabilities) const;
  void compute_gates();
  int gate_columns_of_head() const { return op.gate->type == GateType::conditional_per_element ? op.head_size : 1; }
  float logit(Eigen::Index row, int column) const;
  void average_over_tokens();
  void observe(const std::vector<float>& probabilities, const std::vector<std::size_t>& first) const;
};

void AttentionRun::run() {
  const int heads_count = op.heads;
  compute_gates();
  set_sinks();
  prepare_heads();
  std::vector<std::size_t> first_probability{0};
  for (int i = 0; i < pass.batch().sequences(); ++i) {
    const auto length = static_cast<std::size_t>(pass.batch().length(i));
    first_probability.push_back(first_probability.back() + static_cast<std::size_t>(heads_count) * length * length);
  }
  const bool watched = pass.observer && pass.stages == ObserveStages::all, keep = watched || pass.transform;
  std::vector<float> probabilities(keep ? first_probability.back() : 0);
  const auto for_heads = [&](auto&& work) {
    pass.workspace.pool.run(pass.batch().sequences() * heads_count, [&](int index, int) {
      const int sequence = index / heads_count, head = index % heads_count;
      const auto length = static_cast<std::size_t>(pass.batch().length(sequence));
      std::vector<float> own(keep ? 0 : length * length);
      float* scores = keep ? probabilities.data() + first_probability[static_cast<std::size_t>(sequence)] +
                                 static_cast<std::size_t>(head) * length * length
                           : own.data();
      work(sequence, head, scores);
    });
  };
  if (pass.transform) {  // each stage of the whole batch before the next
    const std::string& name = pass.model.name(node.output);
    for_heads([&](int sequence, int head, float* scores) { compute_scores(sequence, head, scores); });
    change_scores(probabilities);
    for_heads([&](int sequence, int head, float* scores) { compute_probabilities(sequence, head, scores); });
    pass.change(stage_name(name, Stage::probs), probabilities.data(), probabilities.size());
    for_heads([&](int sequence, int head, float* scores) { compute_context(sequence, head, scores); });
    pass.change(node);
  } else {
    for_heads([&](int sequence, int head, float* scores) {
      compute_scores(sequence, head, scores);
      compute_probabilities(sequence, head, scores);
      compute_context(sequence, head, scores);
    });
  }
  if (watched) observe(probabilities, first_probability);
}

/// Layers may differ in their heads.
const HeadProducts& AttentionRun::products(int length) const {
  return pass.heads.at({length, op.head_size, op.heads, pass.model.columns(node.inputs[0])});
}

void AttentionRun::prepare_heads() {
  const int width = op.heads * op.head_size, stride = pass.model.columns(node.inputs[0]);
  for (int i = 0; i < pass.batch().sequences(); ++i) {
    const int length = pass.batch().length(i);
    const std::array key = {length, op.head_size, op.heads, stride};
    if (pass.heads.contains(key)) continue;
    pass.heads.emplace(key, HeadProducts{FloatMatmul({.rows = length,
                                                      .columns = length,
                                                      .depth = op.head_size,
                                                      .a_row_stride = stride,
                                                      .a_column_stride = 1,
                                                      .b_row_stride = 1,
                                                      .b_column_stride = stride,
                                                      .c_stride = length}),
                                         FloatMatmul({.rows = length,
                                                      .columns = op.head_size,
                                                      .depth = length,
                                                      .a_row_stride = length,
                                                      .a_column_stride = 1,
                                                      .b_row_stride = stride,
                                                      .b_column_stride = 1,
                                                      .c_stride = width})});
  }
}

/// The query of one head of one sequence; keys of all heads follow, then values.
const float* AttentionRun::query(int sequence, int head) const {
  const Eigen::Index first = pass.batch().start[static_cast<std::size_t>(sequence)];
  return pass.at(node.inputs[0]) + first * pass.model.columns(node.inputs[0]) + head * op.head_size;
}

const float* AttentionRun::key(int sequence, int head) const {
  return query(sequence, op.heads + facts.key_value_head(head));
}

const float* AttentionRun::value(int sequence, int head) const {
  return query(sequence, op.heads + facts.key_value_heads + facts.key_value_head(head));
}

/// Scaled scores [length, length] of one head of one sequence, hidden keys included.
void AttentionRun::compute_scores(int sequence, int head, float* scores) const {
  const int length = pass.batch().length(sequence);
  products(length).scores.run(query(sequence, head), key(sequence, head), scores);
  Row(scores, Eigen::Index{length} * length) *= 1.0f / std::sqrt(static_cast<float>(op.head_size));
  if (!pass.batch().sizes.empty()) add_log_sizes(sequence, scores);
  if (!op.bias) return;
  const float* bias = pass.model.bound(op.bias->table).data() + std::ptrdiff_t{head} * op.bias->entries();
  for (int i = 0; i < length; ++i) {
    for (int j = 0; j < length; ++j) *scores++ += bias[op.bias->entry(i, j)];
  }
}

/// A key of n tokens counts as n of them: log n more.
void AttentionRun::add_log_sizes(int sequence, float* scores) const {
  const int length = pass.batch().length(sequence);
  const auto first = pass.batch().sizes.begin() + pass.batch().start[static_cast<std::size_t>(sequence)];
  for (int i = 0; i < length; ++i) {
    for (int j = 0; j < length; ++j) *scores++ += std::log(static_cast<float>(first[j]));
  }
}

/// Those of softmax-1 are 0.
void AttentionRun::set_sinks() {
  const auto heads = static_cast<std::size_t>(op.heads);
  if (op.softmax.softmax1) sinks.assign(heads, 0.0f);
  if (op.softmax.sink) {
    const ConstRow learned = pass.model.bound(op.sink);
    sinks.assign(learned.begin(), learned.end());
  }
  if (!sinks.empty()) sink_shares.resize(static_cast<std::size_t>(pass.batch().rows()) * heads);
}

/// Learned sinks are scores, too, and stand behind all others.
void AttentionRun::change_scores(std::vector<float>& scores) {
  const std::size_t size = scores.size(), more = op.softmax.sink ? sinks.size() : 0;
  scores.insert(scores.end(), sinks.begin(), sinks.begin() + static_cast<std::ptrdiff_t>(more));
  pass.change(stage_name(pass.model.name(node.output), Stage::scores), scores.data(), scores.size());
  std::copy_n(scores.begin() + static_cast<std::ptrdiff_t>(size), more, sinks.begin());
  scores.resize(size);
}

void AttentionRun::compute_probabilities(int sequence, int head, float* scores) {
  const Eigen::Index first = pass.batch().start[static_cast<std::size_t>(sequence)],
                     length = pass.batch().length(sequence);
  const std::optional<float> sink = sinks.empty() ? std::nullopt : std::optional(sinks[static_cast<std::size_t>(head)]);
  for (Eigen::Index i = 0; i < length; ++i) {
    const Eigen::Index begin = op.window > 0 ? std::max<Eigen::Index>(i - op.window, 0) : 0;
    const Eigen::Index end = op.mask == AttentionMask::causal ? i + 1
                             : op.window > 0                  ? std::min<Eigen::Index>(i + op.window + 1, length)
                                                              : length;
    float* row = scores + i * length;
    if (op.most_keys > 0 && op.most_keys < end - begin) hide_small({row + begin, row + end}, op.most_keys);
    const float share = clipped_softmax(Row(row + begin, end - begin), op.softmax, sink);
    if (sink) sink_shares[static_cast<std::size_t>((first + i) * op.heads + head)] = share;
    Row(row, begin).setZero();
    Row(row + end, length - end).setZero();
  }
}

/// Of probabilities [length, length] of one head.
void AttentionRun::multiply_by_factors(int head, Eigen::Index length, float* probabilities) const {
  const Eigen::Index reach = op.factors->reach;
  const ConstRow factors(pass.model.bound(op.factors->table).data() + head * (2 * reach + 1), 2 * reach + 1);
  for (Eigen::Index i = 0; i < length; ++i) {
    for (Eigen::Index j = 0; j < length; ++j) *probabilities++ *= factors[std::clamp(j - i, -reach, reach) + reach];
  }
}

void AttentionRun::compute_context(int sequence, int head, const float* probabilities) const {
  const int width = op.heads * op.head_size;
  const Eigen::Index first = pass.batch().start[static_cast<std::size_t>(sequence)],
                     length = pass.batch().length(sequence);
  float* context = pass.at(node.output) + first * width + head * op.head_size;
  std::vector<float> multiplied;
  if (op.factors) {
    multiplied.assign(probabilities, probabilities + length * length);
    multiply_by_factors(head, length, multiplied.data());
    probabilities = multiplied.data();
  }
  products(static_cast<int>(length)).context.run(probabilities, value(sequence, head), context);
  if (!op.gate) return;
  const auto scale = static_cast<float>(op.gate->scale);
  const int columns = gate_columns_of_head();
  for (Eigen::Index i = 0; i < length; ++i) {
    const float* gate = gates.data() + ((first + i) * op.heads + head) * columns;
    Row row(context + i * width, op.head_size);
    if (columns == 1)
      row *= scale * *gate;
    else
      row *= scale * ConstRow(gate, columns);
  }
}

/// Of every token and head, or element, without scale.
void AttentionRun::compute_gates() {
  if (!op.gate) return;
  const int columns = op.heads * gate_columns_of_head();
  gates.resize(static_cast<std::size_t>(pass.batch().rows()) * static_cast<std::size_t>(columns));
  for (Eigen::Index i = 0; i < pass.batch().rows(); ++i) {
    for (int j = 0; j < columns; ++j) gates[static_cast<std::size_t>(i * columns + j)] = logit(i, j);
  }
  if (op.gate->type == GateType::conditional_per_head) average_over_tokens();
  for (float& gate : gates) gate = activated(gate, op.gate->activation);
}

/// Of a head, or of an element of the context.
float AttentionRun::logit(Eigen::Index row, int column) const {
  if (op.gate->type == GateType::unconditional_per_head) return pass.model.bound(op.gate->logits)[column];
  const Node& producer = pass.model.data->graph.producer(node.inputs[0]);
  const auto& product = std::get<QkvProduct>(producer.op);
  const int stride = pass.model.columns(producer.output);
  const float* columns = pass.at(producer.output) + row * stride + stride - gate_columns(product);
  if (op.gate->kind != GateKind::mlp) return columns[column];
  const LinearBlock& output = product.gate_output[static_cast<std::size_t>(column)];
  const ConstRow weight = pass.model.bound(output.weight);
  const ConstRow hidden(columns + column * weight.size(), weight.size());
  return (hidden.max(0.0f) * weight).sum() + pass.model.bound(output.bias)[0];
}

/// Each token's logits become the mean of its sequence's.
void AttentionRun::average_over_tokens() {
  Rows all(gates.data(), pass.batch().rows(), op.heads);
  for (int i = 0; i < pass.batch().sequences(); ++i) {
    auto own = all.middleRows(pass.batch().start[static_cast<std::size_t>(i)], pass.batch().length(i));
    const Eigen::Array<float, 1, Eigen::Dynamic> mean = own.colwise().mean();
    own.rowwise() = mean;
  }
}

void AttentionRun::observe(const std::vector<float>& probabilities, const std::vector<std::size_t>& first) const {
  const std::string& name = pass.model.name(node.output);
  for (int i = 0; i < pass.batch().sequences(); ++i) {
    pass.observe(stage_name(name, Stage::probs), probabilities.data() + first[static_cast<std::size_t>(i)],
                 Eigen::Index{op.heads} * pass.batch().length(i), pass.batch().length(i));
  }
  if (op.gate)
    pass.observe(stage_name(name, Stage::gate), gates.data(), pass.batch().rows(), op.heads * gate_columns_of_head());
  if (!sinks.empty()) pass.observe(stage_name(name, Stage::sink), sink_shares.data(), pass.batch().rows(), op.heads);
}

}  // namespace

template <>
void FloatExecutor::Run::execute(const QkvProduct& op, const Node& node) {
  multiply(node);
  if (op.rotary) rotate(*this, op, node);
  std::vector<const LinearBlock*> blocks = {&op.query, &op.key, &op.value};
  const auto values = [](FloatMatrix& copy) {
    return std::span<float>(copy.data(), static_cast<std::size_t>(copy.size()));
  };
  if (editor) {
    for_blocks(rows(node.output), blocks, [&](const LinearBlock& block, FloatMatrix& copy) {
      editor(block.name, values(copy), block.columns);
      return true;
    });
  }
  if (transform) {
    for_blocks(rows(node.output), blocks, [&](const LinearBlock& block, FloatMatrix& copy) {
      transform(block.name, values(copy));
      return true;
    });
  }
  if (!observer) return;
  for (const LinearBlock& block : op.gate) blocks.push_back(&block);
  for_blocks(rows(node.output), blocks, [&](const LinearBlock& block, FloatMatrix& copy) {
    observe(block.name, copy.data(), copy.rows(), block.columns);
    return false;
  });
}

template <>
void FloatExecutor::Run::execute(const AttentionOp& op, const Node& node) {
  AttentionRun{*this, op, node}.run();
}

}  // namespace octavo

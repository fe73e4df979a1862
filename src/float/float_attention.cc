// Attention in float32: scores, clipped softmax, context, gate, and what observers see of them.
#include "float/float_run.h"

#include <algorithm>
#include <cmath>

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

/// (zeta - gamma) softmax + gamma, clipped to [0, 1] and pruned, in place over a row of scaled scores.
void clipped_softmax(Row row, const ClippedSoftmax& softmax) {
  const float largest = softmax.softmax1 ? std::max(row.maxCoeff(), 0.0f) : row.maxCoeff();
  row = (row - largest).exp();
  const float gamma = static_cast<float>(softmax.gamma), width = static_cast<float>(softmax.zeta - softmax.gamma);
  row *= 1.0f / (row.sum() + (softmax.softmax1 ? std::exp(-largest) : 0.0f));
  if (softmax.gamma != 0.0 || softmax.zeta != 1.0) row = (row * width + gamma).max(0.0f).min(1.0f);
  if (softmax.prune == 0.0) return;
  for (float& p : row) {
    if (!(p > static_cast<float>(softmax.prune))) p = 0.0f;
    if (p > 0.0f && softmax.log_bits > 0) p = log_level(p, softmax);
  }
}

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

void compute_probabilities(const AttentionOp& op, Eigen::Index length, float* scores) {
  for (Eigen::Index i = 0; i < length; ++i) {
    const Eigen::Index visible = op.mask == AttentionMask::causal ? i + 1 : length;
    clipped_softmax(Row(scores + i * length, visible), op.softmax);
    Row(scores + i * length + visible, length - visible).setZero();
  }
}

}  // namespace

void FloatExecutor::Run::execute(const AttentionOp& op, const Node& node) {
  const int heads_count = op.heads;
  compute_gates(op, node);
  prepare_heads(op, model.columns(node.inputs[0]));
  std::vector<std::size_t> first_probability{0};
  for (int i = 0; i < batch.sequences(); ++i) {
    const auto length = static_cast<std::size_t>(batch.length(i));
    first_probability.push_back(first_probability.back() + static_cast<std::size_t>(heads_count) * length * length);
  }
  const bool watched = observer && stages == ObserveStages::all, keep = watched || transform;
  std::vector<float> probabilities(keep ? first_probability.back() : 0);
  const auto for_heads = [&](auto&& work) {
    workspace.pool.run(batch.sequences() * heads_count, [&](int index, int) {
      const int sequence = index / heads_count, head = index % heads_count;
      const auto length = static_cast<std::size_t>(batch.length(sequence));
      std::vector<float> own(keep ? 0 : length * length);
      float* scores = keep ? probabilities.data() + first_probability[static_cast<std::size_t>(sequence)] +
                                 static_cast<std::size_t>(head) * length * length
                           : own.data();
      work(sequence, head, scores);
    });
  };
  if (transform) {  // each stage of the whole batch before the next
    const std::string& name = model.name(node.output);
    for_heads([&](int sequence, int head, float* scores) { compute_scores(op, node, sequence, head, scores); });
    change(stage_name(name, Stage::scores), probabilities.data(), probabilities.size());
    for_heads([&](int sequence, int, float* scores) { compute_probabilities(op, batch.length(sequence), scores); });
    change(stage_name(name, Stage::probs), probabilities.data(), probabilities.size());
    for_heads([&](int sequence, int head, float* scores) { compute_context(op, node, sequence, head, scores); });
    change(node);
  } else {
    for_heads([&](int sequence, int head, float* scores) {
      compute_scores(op, node, sequence, head, scores);
      compute_probabilities(op, batch.length(sequence), scores);
      compute_context(op, node, sequence, head, scores);
    });
  }
  if (watched) observe_attention(op, node, probabilities, first_probability);
}

void FloatExecutor::Run::prepare_heads(const AttentionOp& op, int stride) {
  const int width = op.heads * op.head_size;
  for (int i = 0; i < batch.sequences(); ++i) {
    const int length = batch.length(i);
    if (heads.contains(length)) continue;
    heads.emplace(length, HeadProducts{FloatMatmul({.rows = length,
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

/// The query of one head of one sequence; key and value follow at the width of all heads.
const float* FloatExecutor::Run::query(const AttentionOp& op, const Node& node, int sequence, int head) const {
  const Eigen::Index first = batch.start[static_cast<std::size_t>(sequence)];
  return at(node.inputs[0]) + first * model.columns(node.inputs[0]) + head * op.head_size;
}

/// Scaled scores [length, length] of one head of one sequence, hidden keys included.
void FloatExecutor::Run::compute_scores(const AttentionOp& op, const Node& node, int sequence, int head,
                                        float* scores) const {
  const int length = batch.length(sequence);
  const float* q = query(op, node, sequence, head);
  heads.at(length).scores.run(q, q + op.heads * op.head_size, scores);
  Row(scores, Eigen::Index{length} * length) *= 1.0f / std::sqrt(static_cast<float>(op.head_size));
}

void FloatExecutor::Run::compute_context(const AttentionOp& op, const Node& node, int sequence, int head,
                                         const float* probabilities) const {
  const int width = op.heads * op.head_size;
  const Eigen::Index first = batch.start[static_cast<std::size_t>(sequence)], length = batch.length(sequence);
  float* context = at(node.output) + first * width + head * op.head_size;
  heads.at(static_cast<int>(length)).context.run(probabilities, query(op, node, sequence, head) + 2 * width, context);
  if (!op.gate) return;
  for (Eigen::Index i = 0; i < length; ++i) {
    const auto index = static_cast<std::size_t>((first + i) * op.heads + head);
    Row(context + i * width, op.head_size) *= static_cast<float>(op.gate->scale) * gates[index];
  }
}

/// Sigmoids of every token and head, without scale.
void FloatExecutor::Run::compute_gates(const AttentionOp& op, const Node& node) {
  if (!op.gate) return;
  gates.resize(static_cast<std::size_t>(batch.rows()) * static_cast<std::size_t>(op.heads));
  const auto& producer = model.data->graph.producer(node.inputs[0]);
  for (Eigen::Index i = 0; i < batch.rows(); ++i) {
    for (int h = 0; h < op.heads; ++h) gates[static_cast<std::size_t>(i * op.heads + h)] = logit(op, producer, i, h);
  }
  if (op.gate->type == GateType::conditional_per_head) average_over_tokens(op.heads);
  for (float& gate : gates) gate = sigmoid(gate);
}

float FloatExecutor::Run::logit(const AttentionOp& op, const Node& producer, Eigen::Index row, int head) const {
  if (op.gate->type == GateType::unconditional_per_head) return model.bound(op.gate->logits)[head];
  const auto& product = std::get<QkvProduct>(producer.op);
  const int stride = model.columns(producer.output);
  const float* columns = at(producer.output) + row * stride + stride - gate_columns(product);
  if (op.gate->kind != GateKind::mlp) return columns[head];
  const LinearBlock& output = product.gate_output[static_cast<std::size_t>(head)];
  const ConstRow weight = model.bound(output.weight);
  const ConstRow hidden(columns + head * weight.size(), weight.size());
  return (hidden.max(0.0f) * weight).sum() + model.bound(output.bias)[0];
}

/// Each token's logits become the mean of its sequence's.
void FloatExecutor::Run::average_over_tokens(int heads_count) {
  Rows all(gates.data(), batch.rows(), heads_count);
  for (int i = 0; i < batch.sequences(); ++i) {
    auto own = all.middleRows(batch.start[static_cast<std::size_t>(i)], batch.length(i));
    const Eigen::Array<float, 1, Eigen::Dynamic> mean = own.colwise().mean();
    own.rowwise() = mean;
  }
}

void FloatExecutor::Run::observe_attention(const AttentionOp& op, const Node& node,
                                           const std::vector<float>& probabilities,
                                           const std::vector<std::size_t>& first) const {
  const std::string& name = model.name(node.output);
  for (int i = 0; i < batch.sequences(); ++i) {
    observe(stage_name(name, Stage::probs), probabilities.data() + first[static_cast<std::size_t>(i)],
            Eigen::Index{op.heads} * batch.length(i), batch.length(i));
  }
  if (op.gate) observe(stage_name(name, Stage::gate), gates.data(), batch.rows(), op.heads);
}

}  // namespace octavo

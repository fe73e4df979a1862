#include "float_executor.h"

#include "float_matmul.h"
#include "safetensors.h"
#include "workspace.h"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

namespace octavo {
namespace {

using Rows = Eigen::Map<Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
using ConstRows = Eigen::Map<const Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
using Row = Eigen::Map<Eigen::ArrayXf>;
using ConstRow = Eigen::Map<const Eigen::ArrayXf>;

constexpr int kRowUnit = 16;  // what FloatLinear may read and write beyond the rows of a batch

std::size_t padded_rows(int rows) { return static_cast<std::size_t>((rows + kRowUnit - 1) / kRowUnit * kRowUnit); }

Tensor floats(const TensorMap& tensors, const std::string& name) { return to_f32(tensor(tensors, name), name); }

/// Rows of one weight matrix, put together from the blocks of a product.
struct Stacked {
  std::vector<float> weight, bias;

  void add(const TensorMap& tensors, const LinearBlock& block) {
    append(weight, floats(tensors, block.weight));
    if (block.bias.empty()) bias.resize(bias.size() + static_cast<std::size_t>(block.columns));
    else append(bias, floats(tensors, block.bias));
  }

  /// Rows that are zero but for a slice from column `first` on.
  void add_slice(const TensorMap& tensors, const LinearBlock& block, int inputs, int first) {
    const Tensor slice = floats(tensors, block.weight);
    const auto width = static_cast<std::size_t>(slice.columns());
    for (auto row = slice.as<float>().begin(); row != slice.as<float>().end(); row += static_cast<std::ptrdiff_t>(width)) {
      weight.resize(weight.size() + static_cast<std::size_t>(inputs));
      std::copy_n(row, width, weight.end() - inputs + first);
    }
    append(bias, floats(tensors, block.bias));
  }

 private:
  static void append(std::vector<float>& to, const Tensor& values) {
    to.insert(to.end(), values.as<float>().begin(), values.as<float>().end());
  }
};

/// The two products of one head over a sequence of this length.
struct HeadProducts {
  FloatMatmul scores, context;
};

/// The centre of the geometric step that p > prune lies in.
float log_level(float p, const ClippedSoftmax& softmax) {
  const int levels = (1 << softmax.log_bits) - 1;
  const double first = std::log2(softmax.prune), step = -first / levels;
  const double above = std::ceil((std::log2(static_cast<double>(p)) - first) / step) - 1.0;  // edges belong to the step below
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

}  // namespace

struct FloatExecutor::Impl {
  explicit Impl(std::shared_ptr<const Model::Data> model) : data(std::move(model)) {
    for (const Node& node : data->graph.nodes) std::visit([&](const auto& op) { bind(op, node); }, node.op);
    assign_slots();
  }

  // What each kind of op needs of its weights.
  void bind(const EmbedTokens& op, const Node&) {
    for (const std::string* name : {&op.word, &op.position, &op.type}) bind_tensor(*name);
  }
  void bind(const LayerNormOp& op, const Node&) {
    bind_tensor(op.gain);
    bind_tensor(op.bias);
  }
  void bind(const AttentionOp& op, const Node&) {
    if (op.gate) bind_tensor(op.gate->logits);
  }
  void bind(const Linear& op, const Node& node) { bind_product(node, {&op.weights}, op.activation); }
  void bind(const LinearAdd& op, const Node& node) { bind_product(node, {&op.weights}, Activation::none); }
  void bind(const QkvProduct& op, const Node& node) {
    Stacked rows;
    for (const LinearBlock* block : {&op.query, &op.key, &op.value}) rows.add(data->tensors, *block);
    const int inputs = columns(node.inputs[0]);
    for (int h = 0; h < static_cast<int>(op.gate.size()); ++h) {
      const LinearBlock& block = op.gate[static_cast<std::size_t>(h)];
      if (op.gate_kind == GateKind::all_heads) rows.add(data->tensors, block);
      else rows.add_slice(data->tensors, block, inputs, h * (inputs / op.heads));
    }
    for (const LinearBlock& block : op.gate_output) {
      bind_tensor(block.weight);
      bind_tensor(block.bias);
    }
    put_product(node, rows, Activation::none);
  }
  void bind(const EmbedPatches& op, const Node& node) {
    bind_tensor(op.position);
    for (const PrefixRows& rows : op.prefix) bind_tensor(rows.token);
    if (op.norm) bind(*op.norm, node);
    Stacked rows;
    rows.add(data->tensors, op.projection);
    const int inputs = 3 * op.patch_size * op.patch_size;
    products.try_emplace(node.output, inputs, op.projection.columns, rows.weight, rows.bias, Activation::none);
  }
  void bind(const Head& op, const Node& node) {
    bind(op.norm, node);
    Stacked rows;
    rows.add(data->tensors, op.weights);
    products.try_emplace(node.output, head_inputs(op, node), op.weights.columns, rows.weight, rows.bias, Activation::none);
  }
  int head_inputs(const Head& op, const Node& node) const {
    return columns(node.inputs[0]) * (op.pooling == HeadRows::first ? op.rows : 1);
  }
  void bind_tensor(const std::string& name) {
    if (!name.empty()) tensors.try_emplace(name, floats(data->tensors, name));
  }
  void bind_product(const Node& node, std::initializer_list<const LinearBlock*> blocks, Activation activation) {
    Stacked rows;
    for (const LinearBlock* block : blocks) rows.add(data->tensors, *block);
    put_product(node, rows, activation);
  }
  void put_product(const Node& node, const Stacked& rows, Activation activation) {
    products.try_emplace(node.output, columns(node.inputs[0]), columns(node.output), rows.weight, rows.bias, activation);
  }

  /// Values share buffers: one is free again after the last node that reads its value.
  void assign_slots() {
    const auto& nodes = data->graph.nodes;
    std::vector<std::size_t> last_use(data->graph.values.size(), 0), free;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      for (const ValueId input : nodes[i].inputs) last_use[static_cast<std::size_t>(input)] = i;
    }
    slot_of.resize(data->graph.values.size());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (free.empty()) {
        free.push_back(slot_columns.size());
        slot_columns.push_back(0);
      }
      const std::size_t slot = free.back();
      free.pop_back();
      slot_of[static_cast<std::size_t>(nodes[i].output)] = slot;
      slot_columns[slot] = std::max(slot_columns[slot], columns(nodes[i].output));
      for (const ValueId input : nodes[i].inputs) {
        const std::size_t freed = slot_of[static_cast<std::size_t>(input)];
        const bool last = last_use[static_cast<std::size_t>(input)] == i;
        if (last && std::find(free.begin(), free.end(), freed) == free.end()) free.push_back(freed);
      }
    }
  }

  int columns(ValueId value) const { return data->graph.columns(value); }
  const std::string& name(ValueId value) const { return data->graph.name(value); }
  ConstRow bound(const std::string& name) const {
    const std::span<const float> values = tensors.at(name).as<float>();
    return {values.data(), static_cast<Eigen::Index>(values.size())};
  }

  std::shared_ptr<const Model::Data> data;
  std::map<std::string, Tensor> tensors;       // f32, of everything that is not a product
  std::map<ValueId, FloatLinear> products;     // by output
  std::vector<std::size_t> slot_of;            // by value
  std::vector<int> slot_columns;
};

/// One pass over one batch.
struct FloatExecutor::Run {
  const Impl& model;
  const RaggedBatch& batch;
  Workspace::Data& workspace;
  const Observer& observer;
  ObserveStages stages;
  const Transform& transform;
  const Editor& editor;
  std::vector<float*> slots = {};
  std::map<int, HeadProducts> heads = {};  // by length of the sequence
  std::vector<float> gates = {};           // of the current attention: [rows][heads]

  float* at(ValueId value) const { return slots[model.slot_of[static_cast<std::size_t>(value)]]; }
  Rows rows(ValueId value) const { return {at(value), batch.rows(), model.columns(value)}; }

  void change(const std::string& name, float* values, std::size_t count) const {
    if (transform) transform(name, {values, count});
  }
  void change(const Node& node, const char* part = "") const {
    change(model.name(node.output) + part, at(node.output),
           static_cast<std::size_t>(batch.rows()) * static_cast<std::size_t>(model.columns(node.output)));
  }

  void observe(std::string_view name, const float* values, Eigen::Index rows, int columns) const {
    if (observer) observer(name, {values, static_cast<std::size_t>(rows * columns)}, columns);
  }

  /// The value of the node that `last` is, which is run last.
  Tensor run(const Node& last) {
    for (std::size_t i = 0; i < model.slot_columns.size(); ++i) {
      slots.push_back(workspace.get<float>("float." + std::to_string(i),
                                           padded_rows(batch.rows()) * static_cast<std::size_t>(model.slot_columns[i])));
    }
    for (const Node& node : model.data->graph.nodes) {
      const bool head = std::holds_alternative<Head>(node.op);
      if (head && &node != &last && !observer) continue;  // nothing reads its value
      std::visit([&](const auto& op) { execute(op, node); }, node.op);
      observe(model.name(node.output), at(node.output), head ? batch.sequences() : batch.rows(), model.columns(node.output));
      if (&node == &last && !observer) break;  // an observer sees everything
    }
    const bool per_sequence = std::holds_alternative<Head>(last.op);
    Tensor result(DType::f32, {per_sequence ? batch.sequences() : batch.rows(), model.columns(last.output)});
    std::copy_n(at(last.output), result.elements(), result.writable<float>().data());
    return result;
  }

  void execute(const EmbedPatches& op, const Node& node) {
    const int columns = op.projection.columns, inputs = 3 * op.patch_size * op.patch_size, count = batch.sequences() * op.patches();
    auto* pixels = workspace.get<float>("float.pixels", padded_rows(count) * static_cast<std::size_t>(inputs));
    auto* patches = workspace.get<float>("float.patches", padded_rows(count) * static_cast<std::size_t>(columns));
    for (int i = 0; i < batch.sequences(); ++i) normalised_patches(op, batch.pixels[static_cast<std::size_t>(i)], pixels + std::ptrdiff_t{i} * op.patches() * inputs);
    model.products.at(node.output).run(workspace.pool, count, pixels, patches);
    if (op.norm) {
      observe(model.name(node.output) + ".product", patches, count, columns);
      normalise(*op.norm, patches, patches, count, columns);
    }
    const ConstRow positions = model.bound(op.position);
    for (int i = 0; i < batch.sequences(); ++i) {
      float* out = at(node.output) + std::ptrdiff_t{batch.start[static_cast<std::size_t>(i)]} * columns;
      for (const PrefixRows& rows : op.prefix) {
        Row all(out, std::ptrdiff_t{rows.rows} * columns);
        all = model.bound(rows.token);
        if (rows.position >= 0) all += positions.segment(std::ptrdiff_t{rows.position} * columns, all.size());
        out += all.size();
      }
      const Eigen::Index size = std::ptrdiff_t{op.patches()} * columns;
      Row(out, size) = ConstRow(patches + i * size, size) + positions.segment(std::ptrdiff_t{op.first_position} * columns, size);
    }
  }

  /// The patches of one image, each in the order [3, patch_size, patch_size].
  static void normalised_patches(const EmbedPatches& op, const std::uint8_t* image, float* out) {
    const int size = op.patch_size, stride = 3 * size * op.grid_width;
    for (int patch = 0; patch < op.patches(); ++patch) {
      const std::uint8_t* first = image + std::ptrdiff_t{patch / op.grid_width * size} * stride + patch % op.grid_width * size * 3;
      for (std::size_t channel = 0; channel < 3; ++channel) {
        const auto mean = static_cast<float>(op.mean[channel]), deviation = static_cast<float>(op.deviation[channel]);
        for (int y = 0; y < size; ++y) {
          for (int x = 0; x < size; ++x) {
            const float value = static_cast<float>(first[std::ptrdiff_t{y} * stride + 3 * x + static_cast<int>(channel)]);
            *out++ = (value / 255.0f - mean) / deviation;
          }
        }
      }
    }
  }

  void execute(const Head& op, const Node& node) {
    const int columns = model.columns(node.inputs[0]), inputs = model.head_inputs(op, node);
    auto* in = workspace.get<float>("float.head", padded_rows(batch.sequences()) * static_cast<std::size_t>(inputs));
    for (int i = 0; i < batch.sequences(); ++i) {
      const ConstRows rows(at(node.inputs[0]) + std::ptrdiff_t{batch.start[static_cast<std::size_t>(i)]} * columns, batch.length(i), columns);
      Row own(in + std::ptrdiff_t{i} * inputs, inputs);
      if (op.pooling == HeadRows::first) own = ConstRow(rows.data(), inputs);
      else own = rows.bottomRows(rows.rows() - op.rows).colwise().mean().transpose();
    }
    const int normalised = batch.sequences() * (inputs / columns);
    normalise(op.norm, in, in, normalised, columns);
    observe(model.name(node.output) + ".input", in, normalised, columns);
    // A slot has room for batch.rows() rows, of which a head uses one per sequence.
    model.products.at(node.output).run(workspace.pool, batch.sequences(), in, at(node.output));
  }

  void execute(const EmbedTokens& op, const Node& node) {
    const Rows out = rows(node.output);
    const auto add = [&](Row row, const std::string& table, std::int32_t index) {
      row += model.bound(table).segment(index * out.cols(), out.cols());
    };
    const auto row_of = [&](std::size_t token) {
      return Row(at(node.output) + static_cast<Eigen::Index>(token) * out.cols(), out.cols());
    };
    const auto rows_count = static_cast<std::size_t>(out.rows());
    for (std::size_t token = 0; token < rows_count; ++token) {
      row_of(token).setZero();
      add(row_of(token), op.word, batch.ids[token]);
      if (!op.type.empty()) add(row_of(token), op.type, batch.types[token]);
    }
    change(node, ".partial");
    for (std::size_t token = 0; token < rows_count; ++token) add(row_of(token), op.position, batch.positions[token]);
    change(node);
  }

  void execute(const LayerNormOp& op, const Node& node) {
    normalise(op, at(node.inputs[0]), at(node.output), batch.rows(), model.columns(node.output));
    change(node);
  }

  /// `to` may be `from`.
  void normalise(const LayerNormOp& op, const float* from, float* to, Eigen::Index rows, Eigen::Index columns) const {
    const ConstRow gain = model.bound(op.gain), bias = model.bound(op.bias);
    for (Eigen::Index i = 0; i < rows; ++i) {
      const ConstRow in(from + i * columns, columns);
      Row out(to + i * columns, columns);
      out = in - in.mean();
      const double variance = static_cast<double>(out.square().mean());
      out = out * static_cast<float>(1.0 / std::sqrt(variance + op.epsilon)) * gain + bias;
    }
  }

  void execute(const Linear&, const Node& node) {
    multiply(node);
    change(node);
  }

  void execute(const LinearAdd&, const Node& node) {
    multiply(node);
    change(node, ".product");
    observe(model.name(node.output) + ".product", at(node.output), batch.rows(), model.columns(node.output));
    Rows out = rows(node.output);
    out += rows(node.inputs[1]);
    change(node);
  }

  void execute(const QkvProduct& op, const Node& node) {
    multiply(node);
    if (editor) edit_blocks(op, node.output);
    int first = 0;
    if (transform) {
      for (const LinearBlock* block : {&op.query, &op.key, &op.value}) change_block(*block, node.output, first);
    }
    if (!observer) return;
    first = 0;
    for (const LinearBlock* block : {&op.query, &op.key, &op.value}) observe_block(*block, node.output, first);
    for (const LinearBlock& block : op.gate) observe_block(block, node.output, first);
  }

  void change_block(const LinearBlock& block, ValueId value, int& first) const {
    Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> copy = rows(value).middleCols(first, block.columns);
    change(block.name, copy.data(), static_cast<std::size_t>(copy.size()));
    rows(value).middleCols(first, block.columns) = copy;
    first += block.columns;
  }

  void observe_block(const LinearBlock& block, ValueId value, int& first) const {
    const Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> copy =
        rows(value).middleCols(first, block.columns);
    observe(block.name, copy.data(), batch.rows(), block.columns);
    first += block.columns;
  }

  void multiply(const Node& node) {
    const float* x = editor ? edited(node.inputs[0]) : at(node.inputs[0]);
    model.products.at(node.output).run(workspace.pool, batch.rows(), x, at(node.output));
  }

  const float* edited(ValueId value) const {
    const auto columns = static_cast<std::size_t>(model.columns(value)), count = columns * static_cast<std::size_t>(batch.rows());
    float* copy = workspace.get<float>("float.edited", padded_rows(batch.rows()) * columns);
    std::copy_n(at(value), count, copy);
    editor(model.name(value), {copy, count}, model.columns(value));
    return copy;
  }

  void edit_blocks(const QkvProduct& op, ValueId value) const {
    int first = 0;
    for (const LinearBlock* block : {&op.query, &op.key, &op.value}) {
      auto columns = rows(value).middleCols(first, block->columns);
      Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> copy = columns;
      editor(block->name, {copy.data(), static_cast<std::size_t>(copy.size())}, block->columns);
      columns = copy;
      first += block->columns;
    }
  }

  void execute(const AttentionOp& op, const Node& node) {
    const int heads_count = op.heads;
    find_gates(op, node);
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
      for_heads([&](int sequence, int head, float* scores) { find_scores(op, node, sequence, head, scores); });
      change(name + ".scores", probabilities.data(), probabilities.size());
      for_heads([&](int sequence, int, float* scores) { find_probabilities(op, batch.length(sequence), scores); });
      change(name + ".probs", probabilities.data(), probabilities.size());
      for_heads([&](int sequence, int head, float* scores) { find_context(op, node, sequence, head, scores); });
      change(node);
    } else {
      for_heads([&](int sequence, int head, float* scores) {
        find_scores(op, node, sequence, head, scores);
        find_probabilities(op, batch.length(sequence), scores);
        find_context(op, node, sequence, head, scores);
      });
    }
    if (watched) observe_attention(op, node, probabilities, first_probability);
  }

  void prepare_heads(const AttentionOp& op, int stride) {
    const int width = op.heads * op.head_size;
    for (int i = 0; i < batch.sequences(); ++i) {
      const int length = batch.length(i);
      if (heads.contains(length)) continue;
      heads.emplace(length, HeadProducts{FloatMatmul({.rows = length, .columns = length, .depth = op.head_size,
                                                      .a_stride = stride, .b_row_stride = 1, .b_column_stride = stride,
                                                      .c_stride = length}),
                                         FloatMatmul({.rows = length, .columns = op.head_size, .depth = length,
                                                      .a_stride = length, .b_row_stride = stride, .b_column_stride = 1,
                                                      .c_stride = width})});
    }
  }

  /// The query of one head of one sequence; key and value follow at the width of all heads.
  const float* query(const AttentionOp& op, const Node& node, int sequence, int head) const {
    const Eigen::Index first = batch.start[static_cast<std::size_t>(sequence)];
    return at(node.inputs[0]) + first * model.columns(node.inputs[0]) + head * op.head_size;
  }

  /// Scaled scores [length, length] of one head of one sequence, hidden keys included.
  void find_scores(const AttentionOp& op, const Node& node, int sequence, int head, float* scores) const {
    const int length = batch.length(sequence);
    const float* q = query(op, node, sequence, head);
    heads.at(length).scores.run(q, q + op.heads * op.head_size, scores);
    Row(scores, Eigen::Index{length} * length) *= 1.0f / std::sqrt(static_cast<float>(op.head_size));
  }

  static void find_probabilities(const AttentionOp& op, Eigen::Index length, float* scores) {
    for (Eigen::Index i = 0; i < length; ++i) {
      const Eigen::Index visible = op.mask == AttentionMask::causal ? i + 1 : length;
      clipped_softmax(Row(scores + i * length, visible), op.softmax);
      Row(scores + i * length + visible, length - visible).setZero();
    }
  }

  void find_context(const AttentionOp& op, const Node& node, int sequence, int head, const float* probabilities) const {
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
  void find_gates(const AttentionOp& op, const Node& node) {
    if (!op.gate) return;
    gates.resize(static_cast<std::size_t>(batch.rows()) * static_cast<std::size_t>(op.heads));
    const auto& producer = model.data->graph.nodes[static_cast<std::size_t>(node.inputs[0])];
    for (Eigen::Index i = 0; i < batch.rows(); ++i) {
      for (int h = 0; h < op.heads; ++h) gates[static_cast<std::size_t>(i * op.heads + h)] = logit(op, producer, i, h);
    }
    if (op.gate->type == GateType::conditional_per_head) average_over_tokens(op.heads);
    for (float& gate : gates) gate = sigmoid(gate);
  }

  float logit(const AttentionOp& op, const Node& producer, Eigen::Index row, int head) const {
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
  void average_over_tokens(int heads_count) {
    Rows all(gates.data(), batch.rows(), heads_count);
    for (int i = 0; i < batch.sequences(); ++i) {
      auto own = all.middleRows(batch.start[static_cast<std::size_t>(i)], batch.length(i));
      const Eigen::Array<float, 1, Eigen::Dynamic> mean = own.colwise().mean();
      own.rowwise() = mean;
    }
  }

  void observe_attention(const AttentionOp& op, const Node& node, const std::vector<float>& probabilities,
                         const std::vector<std::size_t>& first) const {
    const std::string& name = model.name(node.output);
    for (int i = 0; i < batch.sequences(); ++i) {
      observe(name + ".probs", probabilities.data() + first[static_cast<std::size_t>(i)],
              Eigen::Index{op.heads} * batch.length(i), batch.length(i));
    }
    if (op.gate) observe(name + ".gate", gates.data(), batch.rows(), op.heads);
  }
};

FloatExecutor::FloatExecutor(std::shared_ptr<const Model::Data> data) : impl_(std::make_unique<Impl>(std::move(data))) {}
FloatExecutor::~FloatExecutor() = default;
FloatExecutor::FloatExecutor(FloatExecutor&&) noexcept = default;
FloatExecutor& FloatExecutor::operator=(FloatExecutor&&) noexcept = default;

Tensor FloatExecutor::run(const RaggedBatch& batch, Workspace::Data& workspace, const Observer& observer,
                          ObserveStages stages, const Transform& transform, const Editor& editor) const {
  const Graph& graph = impl_->data->graph;
  const auto last = std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) { return node.output == graph.hidden(); });
  return Run{.model = *impl_,
             .batch = batch,
             .workspace = workspace,
             .observer = observer,
             .stages = stages,
             .transform = transform,
             .editor = editor}
      .run(*last);
}

Tensor FloatExecutor::logits(const RaggedBatch& batch, Workspace::Data& workspace) const {
  const Observer nobody;
  const Transform unchanged;
  const Editor unedited;
  return Run{.model = *impl_,
             .batch = batch,
             .workspace = workspace,
             .observer = nobody,
             .stages = ObserveStages::values,
             .transform = unchanged,
             .editor = unedited}
      .run(*impl_->data->graph.head());
}

}  // namespace octavo

#include "model_file/check_quantized.h"

#include "graph/op_facts.h"
#include "graph/refined_rows.h"
#include "kernels/kernels.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

constexpr int kWidestRow = 8192;  // whose 16-bit values times 127 add up to less than 2^30 steps of 32

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

std::string shape_text(const Tensor& tensor) {
  std::string text = std::string(name_of(tensor.dtype())) + " [";
  for (std::size_t i = 0; i < tensor.shape().size(); ++i) text += (i ? ", " : "") + std::to_string(tensor.shape()[i]);
  return text + "]";
}

/// Checks the nodes in order, tracking which forms of each value exist: one overload per op.
class Checker {
 public:
  explicit Checker(const Model::Data& data)
      : data_(data), bytes_(data.graph.values.size()), has16_(data.graph.values.size(), false) {}

  void run() {
    for (std::size_t i = 0; i < data_.graph.nodes.size(); ++i) {
      node_ = &data_.graph.nodes[i];
      visit_with_constants(node_->op, data_.integer->ops.at(i),
                           [&](const auto& op, const auto& constants) { check(op, constants); });
    }
    for (const GraphOutput& output : data_.graph.outputs) check_output(output);
    node_ = &data_.graph.producer(data_.graph.hidden());
    if (data_.graph.columns(node_->output) != data_.info.hidden_size) fail("does not have hidden_size columns");
    if (data_.info.image.has_value() != facts(data_.graph, data_.graph.nodes.front()).reads_pixels)
      fail("belongs to a graph whose first op does not read what the model takes");
    check_logits();
  }

 private:
  const std::string& name() const { return data_.graph.name(node_->output); }

  [[noreturn]] void fail(const std::string& what) const { throw Error(name() + " " + what); }

  template <typename T>
  std::span<const T> get(const std::string& part, const Tensor::Shape& shape) const {
    const std::string full = name() + "." + part;
    const Tensor& found = tensor(data_.tensors, full);
    if (found.dtype() != dtype_of<T>() || found.shape() != shape) {
      std::string wanted = std::string(name_of(dtype_of<T>())) + " [";
      for (std::size_t i = 0; i < shape.size(); ++i) wanted += (i ? ", " : "") + std::to_string(shape[i]);
      throw Error("tensor " + full + " is " + shape_text(found) + ", expected " + wanted + "]");
    }
    return found.as<T>();
  }

  template <typename T>
  void require_range(std::span<const T> values, const std::string& part, std::int64_t low, std::int64_t high) const {
    for (const T value : values) {
      if (value < low || value > high) {
        throw Error("tensor " + name() + "." + part + " holds " + std::to_string(value) + ", expected values from " +
                    std::to_string(low) + " to " + std::to_string(high));
      }
    }
  }

  /// An output is made in 16 bits, or of logits.
  void check_output(const GraphOutput& output) {
    node_ = &data_.graph.producer(output.value);
    const bool logits = facts(data_.graph, *node_).makes == std::vector{Form::s32};
    if (!has16_[static_cast<std::size_t>(output.value)] && !logits)
      fail("is the output " + output.name + ", which its constants do not make");
  }

  /// Logits are of classes, or of tokens of the vocabulary where the model predicts the next one.
  void check_logits() {
    const GraphOutput* output = data_.graph.find_output(kLogits);
    const bool chosen = output && data_.graph.value(output->value).rows == RowKind::chosen_token;
    if (data_.info.decoder && !chosen) fail("belongs to a model that predicts the next token without logits of tokens");
    if (chosen && data_.graph.columns(output->value) != data_.info.vocab_size)
      fail("belongs to a model whose logits are not over its vocabulary");
    if ((output && !chosen ? data_.graph.columns(output->value) : 0) != data_.info.classes)
      fail("belongs to a model whose logits do not have as many columns as there are classes");
  }

  /// Form of an input: its depth as the GEMM sees it (saturating copies add columns, refined values have more codes).
  int require_bytes(std::size_t input) const {
    const auto id = static_cast<std::size_t>(node_->inputs[input]);
    if (!bytes_[id]) fail("reads " + data_.graph.values[id].name + ", which is not made in 8 bits");
    return bytes_[id];
  }

  /// Columns of an input of 16 bits.
  int require_rows16(std::size_t input) const {
    const ValueId id = node_->inputs[input];
    if (!has16_[static_cast<std::size_t>(id)]) fail("reads " + data_.graph.name(id) + ", which is not made in 16 bits");
    return data_.graph.columns(id);
  }

  void set_bytes(int columns, const Refined& refined = {}) {
    bytes_[static_cast<std::size_t>(node_->output)] = refined_depth(columns, refined);
  }
  void set_rows16() { has16_[static_cast<std::size_t>(node_->output)] = true; }

  void check_product(int depth, const std::vector<const QuantizedBlock*>& blocks) const {
    check_product(depth, blocks, require_bytes(0));
  }

  void check_product(int depth, const std::vector<const QuantizedBlock*>& blocks, int inputs,
                     const std::string& prefix = "") const {
    if (depth != round_up(inputs, kernels::kTileDepth)) {
      fail("has depth " + std::to_string(depth) + ", expected " +
           std::to_string(round_up(inputs, kernels::kTileDepth)));
    }
    int columns = 0;
    for (const QuantizedBlock* block : blocks) {
      if (block->first_column != columns)
        fail("has block " + block->name + " at column " + std::to_string(block->first_column) + ", expected " +
             std::to_string(columns));
      columns += round_up(block->columns, kernels::kPanelColumns);
    }
    get<std::int8_t>(prefix + "weight", {columns, depth});
    require_range(get<std::int32_t>(prefix + "bias", {columns}), prefix + "bias", -(1 << 30), 1 << 30);
    require_range(get<std::int32_t>(prefix + "multiplier", {columns}), prefix + "multiplier", 0, 2147483647);
  }

  void check(const EmbedTokens& op, const QuantizedEmbedTokens& constants) {
    const int columns = data_.graph.columns(node_->output);
    const std::pair<const char*, int> tables[] = {{"word", data_.info.vocab_size},
                                                  {"position", data_.info.max_positions},
                                                  {"type", op.type.empty() ? 0 : data_.info.type_vocab_size}};
    for (const auto& [part, rows] : tables) {
      if (rows == 0) continue;
      get<std::int8_t>(part, {rows, columns});
      const std::string multiplier = std::string(part) + "_multiplier";
      require_range(get<std::int32_t>(multiplier, {rows}), multiplier, 0, (1 << 22) - (constants.partial ? 0 : 1));
    }
    if (op.type.empty() != (data_.info.type_vocab_size == 0)) fail("and type_vocab_size disagree about token types");
    if (constants.fine_words) {
      if (constants.partial) fail("has fine words, which the paper's setting is without");
      get<std::int8_t>("word_fine", {data_.info.vocab_size, columns});
      require_range(get<std::int32_t>("word_fine_multiplier", {data_.info.vocab_size}), "word_fine_multiplier", 0,
                    (1 << 21) - 1);
    }
    if (constants.bytes) set_bytes(columns);
    set_rows16();
  }

  void check(const QkvProduct& op, const QuantizedQkv& constants) {
    std::vector<const QuantizedBlock*> blocks = {&constants.query, &constants.key, &constants.value};
    for (const QuantizedBlock& gate : constants.gate) blocks.push_back(&gate);
    if (constants.gate.empty() != op.gate.empty()) fail("and its gate disagree");
    check_product(constants.depth, blocks);
    for (const QuantizedBlock* block : {&constants.key, &constants.value}) {
      if (!constants.asymmetric && block->encoding.zero_point != 0) fail("has a zero point of K or V, expected none");
    }
    for (const QuantizedGateOutput& output : constants.gate_output) check_gate_output(op, constants, output);
  }

  void check_gate_output(const QkvProduct& op, const QuantizedQkv& constants, const QuantizedGateOutput& output) const {
    const int depth = round_up(gate_columns(op), kernels::kTileDepth),
              columns = round_up(op.heads, kernels::kPanelColumns);
    if (output.depth != depth || output.block.columns != op.heads || output.block.first_column != 0) {
      fail("and the product of its gate's hidden units disagree");
    }
    if (constants.gate[0].encoding.zero_point != 0) fail("has hidden units of a gate with a zero point, expected none");
    get<std::int8_t>("gate_output.weight", {columns, depth});
    require_range(get<std::int32_t>("gate_output.bias", {columns}), "gate_output.bias", -(1 << 30), 1 << 30);
    require_range(get<std::int32_t>("gate_output.multiplier", {columns}), "gate_output.multiplier", 0, 2147483647);
  }

  void check(const AttentionOp& op, const QuantizedAttention& constants) {
    const auto* qkv = std::get_if<QkvProduct>(&data_.graph.producer(node_->inputs[0]).op);
    if (!qkv || qkv->heads != op.heads || qkv->head_size != op.head_size) {
      fail("does not fit the product it reads");
    }
    const auto& product = std::get<QuantizedQkv>(data_.integer->ops[static_cast<std::size_t>(node_->inputs[0])]);
    if (product.asymmetric != constants.paper.has_value())
      fail("and the product it reads disagree about zero points of K and V");
    if (constants.paper) {
      const auto exponential = get<std::int32_t>("exponential", {256});
      require_range(exponential, "exponential", 0, 1 << 24);
      if (exponential[0] != 1 << 24) fail("has no probability for its largest score");
    }
    if (op.gate && op.gate->type == GateType::unconditional_per_head) get<std::int16_t>("gate", {op.heads});
    if (data_.tensors.contains(name() + ".column_scale")) {
      for (const float scale : get<float>("column_scale", {op.heads * op.head_size})) {
        if (!(scale > 0.0f && std::isfinite(scale))) fail("has a column_scale that is not positive");
      }
    }
    set_bytes(op.heads * op.head_size, constants.refined);
  }

  void check(const Linear& op, const QuantizedLinear& constants) {
    const int inputs = op.reads == Form::s16 ? require_rows16(0) : require_bytes(0);
    check_product(constants.depth, {&constants.block}, inputs);
    if (op.makes != Form::u8) {
      check_head(op, constants, inputs);
      return;
    }
    if (constants.pieces) {
      get<std::int16_t>("gelu_base", {32});
      get<std::int16_t>("gelu_slope", {32});
      require_range(get<std::int16_t>("gelu_offset", {round_up(constants.block.columns, kernels::kPanelColumns)}),
                    "gelu_offset", -32768, 0);
    }
    if (constants.refined.fine_bits > 0 && !constants.pieces)
      fail("has fine codes, which need the pieces of its activation");
    set_bytes(constants.block.columns, constants.refined);
  }

  /// Logits and 16-bit rows have no copies and no refined codes.
  void check_head(const Linear& op, const QuantizedLinear& constants, int inputs) {
    if (op.reads == Form::s16 && inputs > kWidestRow)
      fail("reads " + std::to_string(inputs) + " columns, expected at most " + std::to_string(kWidestRow));
    if (constants.block.columns != data_.graph.columns(node_->output)) fail("and its block disagree about columns");
    if (constants.refined.times() > 1) fail("has refined codes, expected none of what a head makes");
    if (constants.table) get<std::int16_t>("activation", {kActivationEntries});
    if (op.makes == Form::s16) set_rows16();
  }

  void check(const LinearAdd&, const QuantizedLinearAdd& constants) {
    require_rows16(1);
    if (constants.eight_bit && constants.stream_shift != 0)
      fail("has 8-bit sums and a stream_shift, expected one of them");
    if (constants.block.columns != data_.graph.columns(node_->output)) fail("and its block disagree about columns");
    check_product(constants.depth, {&constants.block});
    set_rows16();
  }

  void check(const LayerNormOp& op, const QuantizedLayerNorm& constants) {
    const int columns = require_rows16(0) / op.groups;
    const std::pair<const char*, const QuantizedLane*> lanes[] = {{"bytes", &constants.bytes},
                                                                  {"stream", &constants.stream}};
    for (const auto& [part, lane] : lanes) {
      if (!lane->exists) continue;
      get<std::int32_t>(std::string(part) + ".gain", {columns});
      const std::string offset = std::string(part) + ".offset";
      require_range(get<std::int32_t>(offset, {columns}), offset, -(1 << 30), 1 << 30);
    }
    if (op.groups > 1 && constants.refined.times() > 1) fail("has refined codes of groups, expected none");
    if (constants.bytes.exists) set_bytes(columns * op.groups, constants.refined);
    if (constants.stream.exists) set_rows16();
  }

  void check_lane(const std::string& part, int columns) const {
    get<std::int32_t>(part + ".gain", {columns});
    const std::string offset = part + ".offset";
    require_range(get<std::int32_t>(offset, {columns}), offset, -(1 << 30), 1 << 30);
  }

  void check(const EmbedPatches& op, const QuantizedEmbedPatches& constants) {
    const int columns = data_.graph.columns(node_->output), tokens = op.prefix_rows() + op.patches();
    if (node_ != &data_.graph.nodes.front()) fail("is not the first op");
    const auto& image = data_.info.image;
    if (!image || image->width != op.grid_width * op.patch_size || image->height != op.grid_height * op.patch_size) {
      fail("does not fit the images that the model takes");
    }
    if (tokens != data_.info.max_positions || op.prefix_rows() != data_.info.prefix_tokens) {
      fail("makes " + std::to_string(tokens) +
           " tokens of an image, expected max_positions, with prefix_tokens before the patches");
    }
    check_product(constants.depth, {&constants.block}, 3 * op.patch_size * op.patch_size);
    get<std::int16_t>("rows", {tokens, columns});
    if (op.norm) check_lane("stream", columns);
    set_rows16();
  }

  void check(const SelectRows& op, const QuantizedSelectRows&) {
    require_rows16(0);
    const int rows = data_.info.image ? data_.info.max_positions : 1;  // a text may have one token
    const bool fits =
        op.selection == Selection::chosen || (op.selection == Selection::first ? op.count <= rows : op.count < rows);
    if (!fits) fail("selects more rows than a sequence has");
    set_rows16();
  }

  const Model::Data& data_;
  const Node* node_ = nullptr;
  std::vector<int> bytes_;   // depth of each value's u8 form, 0 when it does not exist
  std::vector<bool> has16_;  // which values are made in 16 bits
};

}  // namespace

void check_quantized(const Model::Data& data) { Checker(data).run(); }

}  // namespace octavo

#include "model_file/check_quantized.h"

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

/// Checks the nodes in order, tracking which forms of each value exist.
class Checker {
 public:
  explicit Checker(const Model::Data& data) : data_(data), bytes_(data.graph.values.size()) {}

  void run() {
    for (std::size_t i = 0; i < data_.graph.nodes.size(); ++i) {
      node_ = &data_.graph.nodes[i];
      std::visit([&](const auto& op, const auto& constants) { check(op, constants); }, node_->op,
                 data_.integer->ops.at(i));
    }
    const ValueId hidden = data_.graph.hidden();
    node_ = &data_.graph.nodes[static_cast<std::size_t>(hidden)];
    const bool may_end = std::holds_alternative<LayerNormOp>(node_->op) || std::holds_alternative<LinearAdd>(node_->op);
    if (on_stream_ != hidden || !may_end) fail("is the last value, expected a LayerNorm with a stream lane, or a sum");
    if (data_.graph.columns(hidden) != data_.info.hidden_size) fail("does not have hidden_size columns");
    const Node* head = data_.graph.head();
    if ((head ? data_.graph.columns(head->output) : 0) != data_.info.classes)
      fail("and its head does not have as many columns as there are classes");
    if ((data_.graph.language_head() != nullptr) != data_.info.decoder.has_value())
      fail("and its language head disagree with the facts about the model");
    if (data_.info.image.has_value() != std::holds_alternative<EmbedPatches>(data_.graph.nodes.front().op))
      fail("belongs to a graph whose first op does not read what the model takes");
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

  /// The u8 values that ops of one kind make share a buffer, and embeddings that of the LayerNorms: only the latest can
  /// be read.
  void require_latest(ValueId input) const {
    const Graph& graph = data_.graph;
    const auto kind = [&](ValueId value) {
      const Op& op = graph.nodes[static_cast<std::size_t>(value)].op;
      return std::holds_alternative<EmbedTokens>(op) ? Op(LayerNormOp{}).index() : op.index();
    };
    for (ValueId later = input + 1; later < node_->output; ++later) {
      if (kind(later) == kind(input)) {
        fail("reads " + graph.name(input) + ", which " + graph.name(later) + " has replaced");
      }
    }
  }

  /// Form of an input: its depth as the GEMM sees it (saturating copies add columns, refined values have more codes).
  int require_bytes(std::size_t input) const {
    const auto id = static_cast<std::size_t>(node_->inputs[input]);
    require_latest(node_->inputs[input]);
    if (!bytes_[id]) fail("reads " + data_.graph.values[id].name + ", which is not made in 8 bits");
    return bytes_[id];
  }

  /// The residual stream is one buffer: a value can be read from it until the next one is written.
  int require_stream(std::size_t input) const {
    const ValueId id = node_->inputs[input];
    if (id != on_stream_) fail("reads " + data_.graph.name(id) + ", which is not on the residual stream");
    return data_.graph.columns(id);
  }

  void set_bytes(int columns, const Refined& refined = {}) {
    bytes_[static_cast<std::size_t>(node_->output)] = refined_depth(columns, refined);
  }
  void set_stream() { on_stream_ = node_->output; }

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
    set_stream();
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
    const auto produces = [&](const Node& node) { return node.output == node_->inputs[0]; };
    const auto producer = std::find_if(data_.graph.nodes.begin(), data_.graph.nodes.end(), produces);
    const auto* qkv = std::get_if<QkvProduct>(&producer->op);
    if (!qkv || qkv->heads != op.heads || qkv->head_size != op.head_size || &*producer + 1 != node_) {
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

  void check(const Linear&, const QuantizedLinear& constants) {
    check_product(constants.depth, {&constants.block});
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

  void check(const LinearAdd&, const QuantizedLinearAdd& constants) {
    require_stream(1);
    if (constants.eight_bit && constants.stream_shift != 0)
      fail("has 8-bit sums and a stream_shift, expected one of them");
    if (constants.block.columns != data_.graph.columns(node_->output)) fail("and its block disagree about columns");
    check_product(constants.depth, {&constants.block});
    set_stream();
  }

  void check(const LayerNormOp&, const QuantizedLayerNorm& constants) {
    const int columns = require_stream(0);
    const std::pair<const char*, const QuantizedLane*> lanes[] = {{"bytes", &constants.bytes},
                                                                  {"stream", &constants.stream}};
    for (const auto& [part, lane] : lanes) {
      if (!lane->exists) continue;
      get<std::int32_t>(std::string(part) + ".gain", {columns});
      const std::string offset = std::string(part) + ".offset";
      require_range(get<std::int32_t>(offset, {columns}), offset, -(1 << 30), 1 << 30);
    }
    if (constants.bytes.exists) set_bytes(columns, constants.refined);
    if (constants.stream.exists) set_stream();
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
    set_stream();
  }

  void check(const Head& op, const QuantizedHead& constants) {
    const int columns = require_stream(0);
    if (!data_.info.image) fail("stands in a model that does not take images");
    const int rows = data_.info.max_positions;
    if (op.pooling == HeadRows::first ? op.rows > rows : op.rows >= rows) fail("reads more rows than an image has");
    if (constants.block.columns != data_.graph.columns(node_->output)) fail("and its block disagree about columns");
    check_lane("bytes", columns);
    check_product(constants.depth, {&constants.block}, columns * op.rows_side_by_side());
  }

  void check(const LanguageHead& op, const QuantizedLanguageHead& constants) {
    int inputs = require_stream(0);
    if (node_->inputs[0] != data_.graph.hidden()) fail("does not read the last hidden state");
    if (op.projection.has_value() != constants.projection.has_value()) fail("and its projection disagree");
    if (constants.projection) {
      check_product(constants.projection->depth, {&constants.projection->block}, inputs, "projection.");
      inputs = constants.projection->block.columns;
    }
    if (inputs > kWidestRow)
      fail("reads " + std::to_string(inputs) + " columns, expected at most " + std::to_string(kWidestRow));
    if (constants.head.block.columns != data_.info.vocab_size)
      fail("does not have a column per token of the vocabulary");
    check_product(constants.head.depth, {&constants.head.block}, inputs);
  }

  template <typename Op, typename Constants>
  void check(const Op&, const Constants&) {
    fail("has the integer constants of another op");
  }

  const Model::Data& data_;
  const Node* node_ = nullptr;
  std::vector<int> bytes_;  // depth of each value's u8 form, 0 when it does not exist
  ValueId on_stream_ = -1;  // whose codes the residual stream holds
};

}  // namespace

void check_quantized(const Model::Data& data) { Checker(data).run(); }

}  // namespace octavo

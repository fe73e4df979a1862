// Graph and integer constants of a model from JSON; every number is checked against its kernel's contract.
#include "graph/names.h"
#include "graph/op_facts.h"
#include "model_file/attention_json.h"
#include "model_file/graph_json.h"
#include "model_file/graph_json_names.h"

#include "octavo/error.h"

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <utility>

namespace octavo {
namespace {

int read_int(const JsonObject& object, std::string_view key, std::int64_t smallest, std::int64_t largest) {
  return static_cast<int>(object.integer(key, smallest, largest));
}

Encoding read_encoding(const JsonObject& object, std::string_view key, int smallest_zero = 0, int largest_zero = 255) {
  const JsonObject encoding = object.section(key);
  return {.scale = static_cast<float>(encoding.number("scale", 1e-30, 1e30)),
          .zero_point = read_int(encoding, "zero_point", smallest_zero, largest_zero)};
}

QuantizedBlock read_block(const JsonObject& block, int smallest_zero = 0) {
  return {.name = block.text("name"),
          .first_column = read_int(block, "first_column", 0, 1 << 24),
          .columns = read_int(block, "columns", 1, 1 << 24),
          .shift = read_int(block, "shift", 18, 62),
          .encoding = read_encoding(block, "encoding", smallest_zero)};
}

/// Of every op that is a product of one block.
template <class Constants>
Constants read_product(const JsonObject& product) {
  Constants constants;
  constants.depth = read_int(product, "depth", 64, kMaxColumns);
  constants.block = read_block(product.section("block"));
  return constants;
}

QuantizedBytes read_bytes(const JsonObject& bytes) {
  return {.encoding = read_encoding(bytes, "encoding"),
          .multiplier = read_int(bytes, "multiplier", 0, kInt32Max),
          .shift = read_int(bytes, "shift", 1, 62)};
}

/// Paper's static quantizers of an attention.
QuantizedPaperAttention read_paper_attention(const JsonObject& paper) {
  QuantizedPaperAttention result{.score_multiplier = read_int(paper, "score_multiplier", 0, kInt32Max),
                                 .score_shift = read_int(paper, "score_shift", 18, 62),
                                 .score = read_encoding(paper, "score"),
                                 .slope = paper.integer("slope", 1, std::int64_t{1} << 38),
                                 .most = read_int(paper, "most", 0, 255)};
  result.offset = paper.integer("offset", -result.slope, 0);
  return result;
}

QuantizedLane read_lane(const JsonObject& object, std::string_view key, int low, int high) {
  if (!object.has(key)) return {};
  const JsonObject lane = object.section(key);
  QuantizedLane result{.exists = true,
                       .shift = read_int(lane, "shift", 1, 30),
                       .low = read_int(lane, "low", low, high),
                       .high = read_int(lane, "high", low, high),
                       .encoding = read_encoding(lane, "encoding")};
  if (result.low > result.high) lane.fail("low", "at most high");
  return result;
}

Refined read_refined(const JsonObject& integer) {
  if (!integer.has("refined")) return {};
  const JsonObject refined = integer.section("refined");
  return {.fine_bits = read_int(refined, "fine_bits", 0, kFineBits), .coarse = refined.flag("coarse")};
}

QuantizedAttention read_attention(const JsonObject& integer) {
  const bool clipped = integer.flag("clipped"), paper = integer.has("paper");
  const Refined refined = read_refined(integer);
  if (refined.fine_bits != 0 && (paper || refined.fine_bits != kFineBits))
    integer.fail("refined", "no fine bits or 3, and none in the paper's setting");
  const auto [smallest_shift, largest_shift] = paper     ? std::pair(18, 62)
                                               : clipped ? std::pair(34, 46)
                                                         : std::pair(26, 38);
  QuantizedAttention attention{.score_multiplier = read_int(integer, "score_multiplier", 1 << 15, (1 << 16) - 1),
                               .score_shift = read_int(integer, "score_shift", -8, 23),
                               .clipped = clipped,
                               .theta = integer.integer("theta", 0, kInt32Max),
                               .cap = integer.integer("cap", 1, std::int64_t{1} << 31),
                               .multiplier = read_int(integer, "multiplier", 1 << 30, kInt32Max),
                               .shift = read_int(integer, "shift", smallest_shift, largest_shift),
                               .context = read_encoding(integer, "context"),
                               .refined = refined};
  attention.softmax1 = integer.flag_or("softmax1", false);
  attention.wide = integer.flag_or("wide", false);
  if (attention.wide && (clipped || paper || attention.shift < kSmallestWideShift)) {
    integer.fail("wide", "false with clipped, in the paper's setting, and with a shift below 27");
  }
  if (integer.has("prune")) attention.prune = integer.integer("prune", 0, kInt32Max);
  if (integer.has("levels")) attention.levels = read_levels(integer.section("levels"));
  if (!clipped && (attention.softmax1 || attention.prune > 0 || integer.has("levels"))) {
    integer.fail("clipped", "true with softmax1, prune or levels");
  }
  if (paper) attention.paper = read_paper_attention(integer.section("paper"));
  return attention;
}

/// Reads nodes back through the GraphBuilder, which checks shapes, and collects the constants.
class Reader {
 public:
  explicit Reader(GraphFromJson& result) : result_(result), integer_(result.integer) {}

  void read(const JsonObject& node) {
    const std::string op = node.text("op");
    if (op == "Head") {
      read_old_head(node);
    } else if (op == "LanguageHead") {
      read_old_language_head(node);
    } else {
      const std::optional<Op> found = op_of_name(op);
      if (!found) node.fail("op", "an op of this version");
      std::visit([&](const auto& own) { read_as(node, std::type_identity<std::decay_t<decltype(own)>>()); }, *found);
      last_body_ = integer_.ops.size() - 1;
    }
    values_.push_back(static_cast<ValueId>(integer_.ops.size()) - 1);
  }

  /// Files of before had a last hidden state, that of the last node which is no head, and one head at most.
  void finish(const JsonObject& json) {
    if (json.has("outputs")) {
      const JsonObject outputs = json.section("outputs");
      for (const std::string& name : outputs.keys())
        builder_.output(name, outputs.integer(name, 0, static_cast<int>(values_.size()) - 1));
    } else {
      builder_.output(kHiddenState, static_cast<ValueId>(last_body_));
      if (old_head_ >= 0) builder_.output(kLogits, old_head_);
    }
    result_.graph = builder_.finish();
  }

 private:
  std::vector<ValueId> inputs(const JsonObject& node, std::size_t count) const {
    std::vector<ValueId> ids = node.integers("inputs", 0, static_cast<int>(values_.size()) - 1);
    if (ids.size() != count) node.fail("inputs", std::to_string(count) + " earlier nodes");
    for (ValueId& id : ids) id = values_[static_cast<std::size_t>(id)];
    return ids;
  }

  static int columns(const JsonObject& node) { return read_int(node, "columns", 1, 1 << 24); }

  void read_as(const JsonObject& node, std::type_identity<EmbedTokens>) {
    inputs(node, 0);
    const std::string name = node.text("name");
    const JsonObject integer = node.section("integer");
    QuantizedEmbedTokens constants{.sum = read_encoding(integer, "sum")};
    if (integer.has("paper")) {
      constants.partial = read_encoding(integer.section("paper"), "partial");
      constants.partial_multiplier = read_int(integer.section("paper"), "partial_multiplier", 0, 1 << 22);
    }
    constants.fine_words = integer.flag_or("fine_words", false);
    if (integer.has("bytes")) constants.bytes = read_bytes(integer.section("bytes"));
    integer_.ops.push_back(constants);
    builder_.embed_tokens(name, read_int(node, "columns", 1, 8192),
                          {.word = name + ".word",
                           .position = name + ".position",
                           .type = node.flag("types") ? name + ".type" : "",
                           .projection = ""});
  }

  static LinearBlock plain(const QuantizedBlock& block) {
    return {.name = block.name, .weight = "", .bias = "", .columns = block.columns};
  }

  void read_as(const JsonObject& node, std::type_identity<QkvProduct>) {
    const ValueId x = inputs(node, 1)[0];
    const JsonObject integer = node.section("integer");
    QuantizedQkv constants{.depth = read_int(integer, "depth", 64, kMaxColumns),
                           .query = read_block(integer.section("query")),
                           .key = read_block(integer.section("key"), -128),
                           .value = read_block(integer.section("value"), -128),
                           .asymmetric = integer.has("asymmetric") && integer.flag("asymmetric"),
                           .gate = {},
                           .gate_output = {}};
    QkvProduct op{.query = plain(constants.query),
                  .key = plain(constants.key),
                  .value = plain(constants.value),
                  .heads = read_int(node, "heads", 1, 1024),
                  .head_size = read_int(node, "head_size", 4, 256),
                  .gate = {},
                  .gate_output = {}};
    if (integer.has("gate")) gate(node, integer, op, constants);
    integer_.ops.push_back(std::move(constants));
    builder_.qkv(node.text("name"), x, std::move(op));
  }

  /// The first files had linear gates per token only, and did not say so here.
  static void gate(const JsonObject& node, const JsonObject& integer, QkvProduct& op, QuantizedQkv& constants) {
    if (node.has("gate")) {
      op.gate_kind = read_name(node.section("gate"), "kind", kGateKinds);
      op.gate_mean = node.section("gate").flag("mean");
    }
    const QuantizedBlock block = read_block(integer.section("gate"));
    constants.gate.push_back(block);
    const int blocks = op.gate_kind == GateKind::all_heads ? 1 : op.heads;
    if (block.columns % op.heads != 0 || (op.gate_kind != GateKind::mlp && block.columns != op.heads)) {
      node.fail("heads", "as many as gate columns, or one of their divisors for an mlp gate");
    }
    op.gate.assign(static_cast<std::size_t>(blocks),
                   {.name = "", .weight = "", .bias = "", .columns = block.columns / blocks});
    if (op.gate_kind != GateKind::mlp) return;
    constants.gate_output.push_back(read_product<QuantizedGateOutput>(integer.section("gate_output")));
    op.gate_output.resize(static_cast<std::size_t>(op.heads));
  }

  void read_as(const JsonObject& node, std::type_identity<Linear>) {
    const ValueId x = inputs(node, 1)[0];
    const JsonObject integer = node.section("integer");
    auto constants = read_product<QuantizedLinear>(integer);
    Linear op{.weights = plain(constants.block), .activation = read_name(node, "activation", kActivations)};
    if (node.has("reads")) op.reads = read_name(node, "reads", kForms);
    if (node.has("makes")) op.makes = read_name(node, "makes", kForms);
    if (integer.has("bytes")) constants.bytes = read_bytes(integer.section("bytes"));
    constants.table = integer.has("activated");
    if (constants.table) constants.activated = read_encoding(integer, "activated", 0, 0);
    if (constants.bytes && (op.reads != Form::s16 || op.makes != Form::s32))
      integer.fail("bytes", "absent but for logits of 16-bit rows");
    if (constants.table != (op.makes == Form::s16 && op.activation != Activation::none))
      integer.fail("activated", "there for 16-bit results with an activation, and for no other");
    op.weights.columns = columns(node);  // without the copies that the block has
    if (op.weights.columns > constants.block.columns) node.fail("columns", "at most those of its block");
    constants.pieces = op.makes == Form::u8 && (op.activation == Activation::gelu ||
                                                (op.activation == Activation::relu && integer.has("gelu")));
    if (constants.pieces) {
      const JsonObject gelu = integer.section("gelu");
      constants.gelu_fraction_bits = read_int(gelu, "fraction_bits", 0, 6);
      constants.gelu_normalize = read_int(gelu, "normalize", 0, 15);
      constants.gelu_limit = read_int(gelu, "limit", 1, 65535 >> constants.gelu_normalize);
      constants.gelu_inverse = read_int(gelu, "inverse", 0, 65535);
    }
    constants.refined = read_refined(integer);
    if (constants.refined.fine_bits > constants.gelu_fraction_bits)
      integer.fail("refined", "at most as many fine bits as gelu has fraction_bits");
    integer_.ops.push_back(constants);
    builder_.linear(node.text("name"), x, op);
  }

  void read_as(const JsonObject& node, std::type_identity<LinearAdd>) {
    const auto ids = inputs(node, 2);
    const JsonObject integer = node.section("integer");
    auto constants = read_product<QuantizedLinearAdd>(integer);
    constants.stream_shift = integer.integer_or("stream_shift", 0, 15, 0);
    constants.eight_bit = integer.has("eight_bit");
    if (constants.eight_bit) {
      const JsonObject eight_bit = integer.section("eight_bit");
      constants.product = read_encoding(eight_bit, "product");
      constants.product_multiplier = read_int(eight_bit, "product_multiplier", 0, 1 << 22);
      constants.stream_multiplier = read_int(eight_bit, "stream_multiplier", 0, 1 << 22);
    }
    const LinearAdd op{.weights = plain(constants.block)};
    integer_.ops.push_back(constants);
    builder_.linear_add(node.text("name"), ids[0], ids[1], op);
  }

  void read_as(const JsonObject& node, std::type_identity<LayerNormOp>) {
    const ValueId x = inputs(node, 1)[0];
    const JsonObject integer = node.section("integer");
    const Refined refined = read_refined(integer);
    if (refined.fine_bits != 0 && refined.fine_bits != kFineBits) integer.fail("refined", "no fine bits or 3");
    integer_.ops.push_back(QuantizedLayerNorm{.epsilon = integer.integer("epsilon", 0, std::int64_t{1} << 58),
                                              .bytes = read_lane(integer, "bytes", 0, (256 << refined.fine_bits) - 1),
                                              .stream = read_lane(integer, "stream", -32768, 32767),
                                              .refined = refined});
    builder_.layer_norm(node.text("name"), x,
                        {.gain = "", .bias = "", .epsilon = node.number("layer_norm_eps", 0.0, 1.0)},
                        node.integer_or("groups", 1, 1024, 1));
  }

  void read_as(const JsonObject& node, std::type_identity<AttentionOp>) {
    const ValueId x = inputs(node, 1)[0];
    AttentionOp op{.heads = read_int(node, "heads", 1, 1024),
                   .head_size = read_int(node, "head_size", 4, 256),
                   .mask = read_name(node, "mask", kMasks),
                   .softmax = read_softmax(node.section("softmax")),
                   .gate = {}};
    if (op.head_size % 4 != 0) node.fail("head_size", "a multiple of 4");
    if (node.has("gate")) {
      const JsonObject gate = node.section("gate");
      op.gate = GateSettings{.type = read_name(gate, "type", kGateTypes),
                             .kind = read_name(gate, "kind", kGateKinds),
                             .scale = gate.number("scale", 1e-3, 1e3),
                             .logits = ""};
    }
    integer_.ops.push_back(read_attention(node.section("integer")));
    builder_.attention(node.text("name"), x, std::move(op));
  }

  void read_as(const JsonObject& node, std::type_identity<EmbedPatches>) {
    inputs(node, 0);
    const JsonObject integer = node.section("integer");
    QuantizedEmbedPatches constants{.depth = read_int(integer, "depth", 64, kMaxColumns),
                                    .block = read_block(integer.section("block")),
                                    .stream = read_encoding(integer, "stream"),
                                    .low = read_int(integer, "low", -32768, 0),
                                    .high = read_int(integer, "high", 0, 32767),
                                    .norm = {}};
    const std::vector<int> grid = node.integers("grid", 1, 4096);
    if (grid.size() != 2) node.fail("grid", "two numbers of patches");
    EmbedPatches op{.projection = plain(constants.block),
                    .patch_size = read_int(node, "patch_size", 1, 64),
                    .grid_width = grid[0],
                    .grid_height = grid[1],
                    .prefix = {},
                    .position = "",
                    .norm = {}};
    op.prefix.push_back({.token = "", .rows = read_int(node, "prefix_rows", 0, 1024), .position = -1});
    if (integer.has("norm")) {
      const JsonObject norm = integer.section("norm");
      constants.epsilon = norm.integer("epsilon", 0, std::int64_t{1} << 58);
      constants.norm = read_lane(norm, "stream", -32768, 32767);
      if (!constants.norm.exists) norm.fail("stream", "an object");
      op.norm = NormWeights{.gain = "", .bias = "", .epsilon = node.number("layer_norm_eps", 0.0, 1.0)};
    }
    integer_.ops.push_back(std::move(constants));
    builder_.embed_patches(node.text("name"), read_int(node, "columns", 1, 8192), std::move(op));
  }

  void read_as(const JsonObject& node, std::type_identity<SelectRows>) {
    const ValueId x = inputs(node, 1)[0];
    integer_.ops.push_back(QuantizedSelectRows{.encoding = read_encoding(node.section("integer"), "encoding", 0, 0)});
    builder_.select_rows(
        node.text("name"), x,
        {.selection = read_name(node, "selection", kSelections), .count = read_int(node, "count", 0, 1024)});
  }

  ValueId select(const std::string& name, ValueId x, const SelectRows& op) {
    integer_.ops.push_back(
        QuantizedSelectRows{.encoding = {.scale = output_encoding(integer_.ops[static_cast<std::size_t>(x)]).scale}});
    return builder_.select_rows(name, x, op);
  }

  /// One op of before: rows of the stream, their LayerNorm in 8 bits, and logits.
  void read_old_head(const JsonObject& node) {
    const std::string name = node.text("name");
    const JsonObject integer = node.section("integer");
    const bool mean = read_name(node, "pooling", kSelections) == Selection::mean;
    const int rows = read_int(node, "rows", mean ? 0 : 1, 1024);
    const ValueId x = select(name + ".rows", inputs(node, 1)[0],
                             {.selection = mean ? Selection::mean : Selection::first, .count = rows});
    const QuantizedLane bytes = read_lane(integer, "bytes", 0, 255);
    if (!bytes.exists) integer.fail("bytes", "an object");
    integer_.ops.push_back(QuantizedLayerNorm{
        .epsilon = integer.integer("epsilon", 0, std::int64_t{1} << 58), .bytes = bytes, .stream = {}});
    const ValueId normalised = builder_.layer_norm(
        name + ".input", x, {.gain = "", .bias = "", .epsilon = node.number("layer_norm_eps", 0.0, 1.0)},
        mean ? 1 : rows);
    result_.renamed.push_back({name + part::kBytesLane, name + ".input" + part::kBytesLane});
    auto constants = read_product<QuantizedLinear>(integer);
    integer_.ops.push_back(constants);
    old_head_ = builder_.linear(name, normalised, {.weights = plain(constants.block), .makes = Form::s32});
  }

  /// One op of before: rows that are asked for, a projection, and logits over the vocabulary.
  void read_old_language_head(const JsonObject& node) {
    const std::string name = node.text("name");
    const JsonObject integer = node.section("integer");
    ValueId x = select(name + ".rows", inputs(node, 1)[0], {.selection = Selection::chosen});
    if (integer.has("projection")) {
      const auto projection = read_product<QuantizedLinear>(integer.section("projection"));
      integer_.ops.push_back(projection);
      x = builder_.linear(projection.block.name, x,
                          {.weights = plain(projection.block), .reads = Form::s16, .makes = Form::s16});
      result_.renamed.push_back({name + ".projection.", projection.block.name + "."});
    }
    auto head = read_product<QuantizedLinear>(integer.section("head"));
    if (integer.has("bytes")) head.bytes = read_bytes(integer.section("bytes"));
    integer_.ops.push_back(head);
    old_head_ = builder_.linear(name, x, {.weights = plain(head.block), .reads = Form::s16, .makes = Form::s32});
  }

  GraphFromJson& result_;
  QuantizedGraph& integer_;
  GraphBuilder builder_;
  std::vector<ValueId> values_;  // by node of the file
  std::size_t last_body_ = 0;    // node that is no head
  ValueId old_head_ = -1;
};

}  // namespace

GraphFromJson read_graph(const JsonObject& json) {
  GraphFromJson result;
  Reader reader(result);
  for (const JsonObject& node : json.list("nodes")) reader.read(node);
  if (result.integer.ops.empty()) json.fail("nodes", "at least one node");
  reader.finish(json);
  return result;
}

}  // namespace octavo

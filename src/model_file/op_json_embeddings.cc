// Where networks begin, in a model file: embeddings of tokens, and of patches of pictures.
#include "graph/names.h"
#include "model_file/op_json.h"

namespace octavo {

constexpr int kWidestStream = 8192;

template <>
void describe(Fields& node, EmbedTokens& op, QuantizedEmbedTokens& constants) {
  bool types = !op.type.empty(), no_positions = op.position.empty() && !node.reads();
  node.flag("types", types);
  node.flag_or_false("no_positions", no_positions);
  if (node.reads() && !no_positions) op.position = part::kPosition;
  if (node.reads() && types) op.type = part::kType;  // of the node's own name, once it has one
  node.section("integer", [&](Fields& integer) {
    describe(integer, "sum", constants.sum);
    Encoding partial = constants.partial.value_or(Encoding{});
    const bool static_w8a8 = integer.section_if("paper", constants.partial.has_value(), [&](Fields& fields) {
      describe(fields, "partial", partial);
      fields.integer("partial_multiplier", constants.partial_multiplier, 0, 1 << 22);
    });
    if (static_w8a8) constants.partial = partial;
    integer.flag_or_false("fine_words", constants.fine_words);
    describe(integer, "bytes", constants.bytes);
  });
}

template <>
ValueId append(GraphBuilder& g, const ReadNode& node, EmbedTokens op, const QuantizedEmbedTokens&) {
  node.inputs(0);
  const std::string name = node.name();
  op.word = name + part::kWord;
  if (!op.position.empty()) op.position = name + part::kPosition;
  if (!op.type.empty()) op.type = name + part::kType;
  return g.embed_tokens(name, node.columns(kWidestStream), std::move(op));
}

template <>
void check(NodeCheck& node, const EmbedTokens& op, const QuantizedEmbedTokens& constants) {
  const ModelInfo& info = node.info();
  const int columns = node.columns(), positions = info.max_positions + (info.padding_token >= 0 ? 1 : 0);
  const std::pair<const char*, int> tables[] = {{"word", info.vocab_size},
                                                {"position", op.position.empty() ? 0 : positions},
                                                {"type", op.type.empty() ? 0 : info.type_vocab_size}};
  for (const auto& [part, rows] : tables) {
    if (rows == 0) continue;
    node.get<std::int8_t>(part, {rows, columns});
    node.get_within<std::int32_t>(std::string(part) + "_multiplier", {rows}, 0,
                                  (1 << 22) - (constants.partial ? 0 : 1));
  }
  if (op.type.empty() != (info.type_vocab_size == 0)) node.fail("and type_vocab_size disagree about token types");
  if (op.position.empty() && constants.partial) node.fail("adds no positions, which the paper's setting does");
  if (constants.fine_words) {
    if (constants.partial) node.fail("has fine words, which the paper's setting is without");
    node.get<std::int8_t>("word_fine", {info.vocab_size, columns});
    node.get_within<std::int32_t>("word_fine_multiplier", {info.vocab_size}, 0, (1 << 21) - 1);
  }
  if (constants.bytes) node.set_bytes(columns);
  node.set_rows16();
}

template <>
void describe(Fields& node, EmbedPatches& op, QuantizedEmbedPatches& constants) {
  int prefix_rows = op.prefix_rows();
  std::vector<int> grid = {op.grid_width, op.grid_height};
  node.integer("patch_size", op.patch_size, 1, 64);
  node.integers("grid", grid, 1, 4096);
  node.require(grid.size() == 2, "grid", "two numbers of patches");
  node.integer("prefix_rows", prefix_rows, 0, 1024);
  NormWeights norm = op.norm.value_or(NormWeights{});
  node.section("integer", [&](Fields& integer) {
    describe_product(integer, constants);
    describe(integer, "stream", constants.stream);
    integer.integer("low", constants.low, -32768, 0);
    integer.integer("high", constants.high, 0, 32767);
    const bool normalises = integer.section_if("norm", op.norm.has_value(), [&](Fields& fields) {
      fields.integer("epsilon", constants.epsilon, 0, kLargestEpsilon);
      describe(fields, "stream", constants.norm, -32768, 32767);
      fields.require(constants.norm.exists, "stream", "an object");
    });
    if (normalises) op.norm = norm;
  });
  if (op.norm) node.number("layer_norm_eps", op.norm->epsilon, 0.0, 1.0);
  if (!node.reads()) return;
  op.grid_width = grid[0];
  op.grid_height = grid[1];
  op.prefix = {{.token = "", .rows = prefix_rows, .position = -1}};
}

template <>
ValueId append(GraphBuilder& g, const ReadNode& node, EmbedPatches op, const QuantizedEmbedPatches& constants) {
  node.inputs(0);
  op.projection = plain(constants.block);
  return g.embed_patches(node.name(), node.columns(kWidestStream), std::move(op));
}

template <>
void check(NodeCheck& node, const EmbedPatches& op, const QuantizedEmbedPatches& constants) {
  const ModelInfo& info = node.info();
  const int columns = node.columns(), tokens = op.prefix_rows() + op.patches();
  if (!node.is_first()) node.fail("is not the first op");
  const auto& image = info.image;
  if (!image || image->width / op.patch_size != op.grid_width || image->height / op.patch_size != op.grid_height) {
    node.fail("does not fit the images that the model takes");
  }
  if (tokens != info.max_positions || op.prefix_rows() != info.prefix_tokens) {
    node.fail("makes " + std::to_string(tokens) +
              " tokens of an image, expected max_positions, with prefix_tokens before the patches");
  }
  node.check_product(constants.depth, {&constants.block}, op.inputs());
  node.get<std::int16_t>("rows", {tokens, columns});
  if (op.norm) node.check_norm_output("stream", columns);
  node.set_rows16();
}

}  // namespace octavo

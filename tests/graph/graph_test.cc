// GraphBuilder: shapes that do not fit, names that are taken and heads in the wrong place are errors that name the
// value.
#include "graph/graph.h"

#include "tests/support/support.h"

#include "octavo/error.h"

namespace octavo::test {
namespace {

LinearBlock block(const std::string& name, int columns) {
  return {.name = name, .weight = name + ".weight", .bias = name + ".bias", .columns = columns};
}

/// Of two heads of four columns each, without a gate.
QkvProduct product(int heads = 2, int columns = 8) {
  return {.query = block("q", columns),
          .key = block("k", columns),
          .value = block("v", columns),
          .heads = heads,
          .head_size = 4,
          .gate = {},
          .gate_output = {}};
}

QkvProduct gated_product(GateKind kind, const std::vector<int>& gates, const std::vector<int>& outputs = {}) {
  QkvProduct op = product();
  op.gate_kind = kind;
  for (const int columns : gates) op.gate.push_back(block("gate", columns));
  for (const int columns : outputs) op.gate_output.push_back(block("gate_output", columns));
  return op;
}

AttentionOp attention(std::optional<GateSettings> gate = {}) {
  return {.heads = 2, .head_size = 4, .mask = AttentionMask::none, .softmax = {}, .gate = std::move(gate)};
}

/// A builder that has embedded tokens into eight columns.
struct Started {
  GraphBuilder builder;
  ValueId tokens = builder.embed_tokens("tokens", 8, {.word = "w", .position = "p", .type = ""});
  ValueId bytes = builder.layer_norm("bytes", tokens, {.gain = "g", .bias = "b"});
};

}  // namespace

TEST_CASE("a graph keeps its nodes in order, knows its outputs by name, and what each is made from") {
  Started s;
  const ValueId qkv = s.builder.qkv("qkv", s.bytes, product());
  const ValueId context = s.builder.attention("context", qkv, attention());
  const ValueId sum = s.builder.linear_add("sum", context, s.tokens, {.weights = block("sum", 8)});
  s.builder.output(kHiddenState, sum);
  const ValueId rows = s.builder.select_rows("rows", sum, {.selection = Selection::first, .count = 2});
  const ValueId classes =
      s.builder.linear("classes", rows, {.weights = block("classes", 3), .reads = Form::s16, .makes = Form::s32});
  s.builder.output(kLogits, classes);
  const Graph graph = s.builder.finish();
  REQUIRE(graph.nodes.size() == 7);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) CHECK(graph.nodes[i].output == static_cast<ValueId>(i));
  CHECK(graph.columns(qkv) == 24);
  CHECK(graph.columns(context) == 8);
  CHECK(graph.columns(rows) == 16);
  CHECK(graph.value(classes).rows == RowKind::sequence);
  CHECK(graph.hidden() == sum);
  REQUIRE(graph.find_output(kLogits) != nullptr);
  CHECK(graph.find_output(kLogits)->value == classes);
  CHECK(graph.find_output("other") == nullptr);
  CHECK(graph.needed_for(sum) == std::vector<bool>{true, true, true, true, true, false, false});
  CHECK_THROWS_WITH(Graph{}.hidden(), Catch::Contains("no last_hidden_state"));
}

TEST_CASE("columns that do not fit are errors that name the value and both numbers") {
  Started s;
  CHECK_THROWS_WITH(s.builder.embed_tokens("none", 0, {.word = "", .position = "", .type = ""}),
                    Catch::Contains("none has 0 columns, expected at least 1"));
  CHECK_THROWS_WITH(s.builder.qkv("qkv", s.bytes, product(2, 7)),
                    Catch::Contains("q has 7 columns, expected heads x head size = 8"));
  const ValueId qkv = s.builder.qkv("qkv", s.bytes, product());
  AttentionOp wide = attention();
  wide.head_size = 8;
  CHECK_THROWS_WITH(s.builder.attention("context", qkv, wide),
                    Catch::Contains("context has 2 heads of 8 columns, its input qkv 2 heads of 4 columns"));
  CHECK_THROWS_WITH(s.builder.linear_add("sum", s.tokens, s.tokens, {.weights = block("sum", 9)}),
                    Catch::Contains("sum: its input tokens has 8 columns, expected 9"));
}

TEST_CASE("K and V have as many heads as Q, or a divisor of them") {
  Started s;
  const auto with_columns = [](int key, int value) {
    QkvProduct op = product();
    op.key.columns = key;
    op.value.columns = value;
    return op;
  };
  for (const int columns : {0, 3, 6, 12, 16})
    CHECK_THROWS_WITH(s.builder.qkv("qkv", s.bytes, with_columns(columns, columns)),
                      Catch::Contains("expected heads x head size = 8, or those of a divisor of the heads"));
  CHECK_THROWS_WITH(s.builder.qkv("qkv", s.bytes, with_columns(4, 8)),
                    Catch::Contains("v has 8 columns, expected as many as k = 4"));
  const ValueId one = s.builder.qkv("one", s.bytes, with_columns(4, 4));
  CHECK(s.builder.graph().columns(one) == 16);
  CHECK(s.builder.graph().columns(s.builder.attention("context", one, attention())) == 8);
}

TEST_CASE("a name belongs to one value") {
  Started s;
  CHECK_THROWS_WITH(s.builder.layer_norm("tokens", s.tokens, {}),
                    Catch::Contains("two values of the graph are named tokens"));
}

TEST_CASE("a gate has the columns that its kind and the heads say") {
  Started s;
  const auto refuse = [&](const QkvProduct& op, const std::string& message) {
    CHECK_THROWS_WITH(s.builder.qkv("qkv", s.bytes, op), Catch::Contains(message));
  };
  refuse(gated_product(GateKind::linear, {1}), "qkv has 1 gates for 2 heads");
  refuse(gated_product(GateKind::linear, {1, 1}, {1, 1}), "qkv has 2 gates for 2 heads");
  refuse(gated_product(GateKind::linear, {1, 2}), "its gates differ in size");
  refuse(gated_product(GateKind::mlp, {3, 3}, {1}), "qkv has 2 gates for 2 heads");
  refuse(gated_product(GateKind::mlp, {3, 4}, {1, 1}), "its gates differ in size");
  refuse(gated_product(GateKind::mlp, {16385, 16385}, {1, 1}), "more than 32768 hidden units");
  refuse(gated_product(GateKind::all_heads, {3}), "its gates differ in size");
  const ValueId odd = s.builder.linear("odd", s.tokens, {.weights = block("odd", 9)});
  CHECK_THROWS_WITH(s.builder.qkv("qkv", odd, gated_product(GateKind::linear, {1, 1})),
                    Catch::Contains("9 input columns do not divide into 2 gates"));
  CHECK_NOTHROW(s.builder.qkv("linear", s.tokens, gated_product(GateKind::linear, {1, 1})));
  CHECK_NOTHROW(s.builder.qkv("mlp", s.tokens, gated_product(GateKind::mlp, {3, 3}, {1, 1})));
  CHECK_NOTHROW(s.builder.qkv("all_heads", odd, gated_product(GateKind::all_heads, {2})));
}

TEST_CASE("attention reads a product that has the gate it asks for") {
  Started s;
  const ValueId plain = s.builder.qkv("plain", s.tokens, product());
  const ValueId gated = s.builder.qkv("gated", s.tokens, gated_product(GateKind::linear, {1, 1}));
  const auto refuse = [&](ValueId input, std::optional<GateSettings> gate) {
    CHECK_THROWS_WITH(s.builder.attention("context", input, attention(std::move(gate))),
                      Catch::Contains("context: its gate does not fit the product"));
  };
  refuse(s.tokens, {});  // is no product
  refuse(gated, {});
  refuse(plain, GateSettings{.type = GateType::conditional_per_token, .logits = ""});
  refuse(gated, GateSettings{.type = GateType::conditional_per_token, .kind = GateKind::mlp, .logits = ""});
  refuse(gated, GateSettings{.type = GateType::conditional_per_head, .logits = ""});  // the product makes no means
  refuse(gated, GateSettings{.type = GateType::unconditional_per_head, .logits = "alpha"});
  const auto accept = [&](const std::string& name, ValueId input, const GateSettings& gate) {
    CHECK_NOTHROW(s.builder.attention(name, input, attention(gate)));
  };
  accept("first", plain, {.type = GateType::unconditional_per_head, .logits = "alpha"});
  accept("second", gated, {.type = GateType::conditional_per_token, .logits = ""});
}

TEST_CASE("patches have the columns of their projection, and there are some") {
  GraphBuilder builder;
  const auto patches = [](int size, int width) {
    return EmbedPatches{.projection = block("projection", 8),
                        .patch_size = size,
                        .grid_width = width,
                        .grid_height = 2,
                        .prefix = {},
                        .position = "",
                        .norm = {}};
  };
  CHECK_THROWS_WITH(builder.embed_patches("patches", 9, patches(4, 2)),
                    Catch::Contains("its projection has 8 columns, expected 9"));
  CHECK_THROWS_WITH(builder.embed_patches("patches", 8, patches(0, 2)), Catch::Contains("patches has no patches"));
  CHECK_THROWS_WITH(builder.embed_patches("patches", 8, patches(4, 0)), Catch::Contains("patches has no patches"));
  CHECK_NOTHROW(builder.embed_patches("patches", 8, patches(4, 2)));
}

TEST_CASE("a value is read in a form in which it is made, and an output is no value of bytes") {
  Started s;
  CHECK_THROWS_WITH(s.builder.linear("logits", s.tokens, {.weights = block("logits", 5), .reads = Form::s32}),
                    Catch::Contains("logits reads tokens in 32 bits, in which it is not made"));
  const ValueId hidden = s.builder.linear("hidden", s.bytes, {.weights = block("hidden", 8)});
  CHECK_THROWS_WITH(s.builder.select_rows("rows", hidden, {}),
                    Catch::Contains("rows reads hidden in 16 bits, in which it is not made"));
  CHECK_THROWS_WITH(s.builder.linear("tanh", s.bytes, {.weights = block("tanh", 8), .activation = Activation::tanh}),
                    Catch::Contains("tanh has an activation that is not there"));
  CHECK_THROWS_WITH(s.builder.linear("rows", s.bytes, {.weights = block("rows", 8), .makes = Form::s16}),
                    Catch::Contains("rows makes 16 bits from 8"));
  CHECK_THROWS_WITH(s.builder.output("hidden", hidden), Catch::Contains("hidden is the output hidden"));
  s.builder.output(kHiddenState, s.bytes);
  CHECK_THROWS_WITH(s.builder.output(kHiddenState, s.tokens), Catch::Contains("two outputs of the graph are named"));
}

TEST_CASE("attention and sums are of rows that belong together") {
  Started s;
  const ValueId rows = s.builder.select_rows("rows", s.tokens, {});
  const ValueId bytes = s.builder.layer_norm("row bytes", rows, {.gain = "g", .bias = "b"});
  CHECK_THROWS_WITH(s.builder.qkv("qkv", bytes, product()), Catch::Contains("qkv attends to rows of row bytes"));
  CHECK_THROWS_WITH(s.builder.linear_add("sum", bytes, s.tokens, {.weights = block("sum", 8)}),
                    Catch::Contains("sum adds row bytes to tokens, whose rows are other ones"));
}

TEST_CASE("pairs of tokens have a bias by their distance, or by their places in a picture behind its class token") {
  const ScoreBias near{.table = "t", .reach = 2}, grid{.table = "t", .grid_width = 3, .grid_height = 2};
  CHECK(near.entries() == 5);
  CHECK(near.entry(7, 7) == 2);
  CHECK(near.entry(7, 0) == 0);
  CHECK(near.entry(7, 8) == 3);
  CHECK(grid.entries() == 3 * 5 + 3);
  CHECK(grid.entry(2, 2) == grid.entry(6, 6));
  CHECK(grid.entry(1, 6) == 14);  // the last place below and to the right
  CHECK(grid.entry(6, 1) == 0);
  CHECK(grid.entry(4, 2) == 1 * 5 + 2 - 5 + 1);  // a row above, a column to the right
  CHECK(grid.entry(0, 4) == 15);
  CHECK(grid.entry(4, 0) == 16);
  CHECK(grid.entry(0, 0) == 17);
}

TEST_CASE("rows are selected of tokens, as many as there can be, and a LayerNorm's groups are equal") {
  Started s;
  CHECK_THROWS_WITH(s.builder.select_rows("rows", s.tokens, {.selection = Selection::first, .count = 0}),
                    Catch::Contains("rows selects 0 rows"));
  const ValueId rows = s.builder.select_rows("rows", s.tokens, {.selection = Selection::mean, .count = 0});
  const ValueId both = s.builder.select_rows("both", s.tokens, {.selection = Selection::first_and_mean, .count = 1});
  CHECK(s.builder.graph().columns(both) == 16);
  CHECK_THROWS_WITH(s.builder.select_rows("again", rows, {}), Catch::Contains("has no row per token"));
  CHECK_THROWS_WITH(s.builder.layer_norm("norm", rows, {.gain = "", .bias = ""}, 3),
                    Catch::Contains("8 columns do not divide into 3 groups"));
}

}  // namespace octavo::test

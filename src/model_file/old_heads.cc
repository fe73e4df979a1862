#include "model_file/old_heads.h"

#include "graph/names.h"
#include "model_file/graph_json_names.h"

#include <string>
#include <utility>

namespace octavo {
namespace {

using nlohmann::json;

json select(const std::string& name, const char* selection, int count, float scale) {
  return {{"op", "SelectRows"},
          {"name", name},
          {"selection", selection},
          {"count", count},
          {"integer", {{"encoding", {{"scale", scale}, {"zero_point", 0}}}}}};
}

/// A product without an activation; `product` has depth and block, as today.
json linear(const std::string& name, const JsonObject& product, const char* reads, const char* makes) {
  json integer = {{"depth", product.integer("depth", 0, 1 << 24)}, {"block", product.section("block").values()}};
  return {{"op", "Linear"},
          {"name", name},
          {"columns", product.section("block").integer("columns", 1, 1 << 24)},
          {"activation", "none"},
          {"reads", reads},
          {"makes", makes},
          {"integer", std::move(integer)}};
}

/// Rows of the stream, their LayerNorm in 8 bits, and logits.
TodaysNodes head_of_classes(const JsonObject& head, float scale) {
  const std::string name = head.text("name");
  const JsonObject integer = head.section("integer");
  const bool mean = read_name(head, "pooling", kSelections) == Selection::mean;
  const int rows = static_cast<int>(head.integer("rows", mean ? 0 : 1, 1024));
  if (!integer.has("bytes")) integer.fail("bytes", "an object");
  const json norm = {{"op", "LayerNorm"},
                     {"name", name + ".input"},
                     {"layer_norm_eps", head.number("layer_norm_eps", 0.0, 1.0)},
                     {"groups", mean ? 1 : rows},
                     {"integer",
                      {{"epsilon", integer.integer("epsilon", 0, std::int64_t{1} << 58)},
                       {"bytes", integer.section("bytes").values()}}}};
  return {
      .nodes = {select(name + ".rows", mean ? "mean" : "first", rows, scale), norm, linear(name, integer, "u8", "s32")},
      .renamed = {{name + part::kU8Output, name + ".input" + part::kU8Output}}};
}

/// Rows that are asked for, a projection, and logits over the vocabulary.
TodaysNodes head_of_language(const JsonObject& head, float scale) {
  const std::string name = head.text("name");
  const JsonObject integer = head.section("integer");
  TodaysNodes result{.nodes = {select(name + ".rows", "chosen", 1, scale)}};
  if (integer.has("projection")) {
    const JsonObject projection = integer.section("projection");
    const std::string own = projection.section("block").text("name");
    result.nodes.push_back(linear(own, projection, "s16", "s16"));
    result.renamed.push_back({name + ".projection.", own + "."});
  }
  result.nodes.push_back(linear(name, integer.section("head"), "s16", "s32"));
  if (integer.has("bytes")) result.nodes.back()["integer"]["bytes"] = integer.section("bytes").values();
  return result;
}

}  // namespace

bool is_old_head(const JsonObject& node) {
  const std::string op = node.text("op");
  return op == "Head" || op == "LanguageHead";
}

TodaysNodes todays_nodes(const JsonObject& head, float scale) {
  return head.text("op") == "Head" ? head_of_classes(head, scale) : head_of_language(head, scale);
}

}  // namespace octavo

#include "graph/op_facts.h"

#include <utility>

namespace octavo {
namespace {

/// Adds the names that are not empty.
void add(std::vector<std::string>& tensors, std::initializer_list<std::string> names) {
  for (const std::string& name : names) {
    if (!name.empty()) tensors.push_back(name);
  }
}

/// One overload per op: without its own, a new op does not compile.
struct Facts {
  const Graph& graph;
  const Node& node;

  int inputs() const { return graph.columns(node.inputs[0]); }

  OpFacts operator()(const EmbedTokens& op) const {
    OpFacts result{.makes = {Form::s16, Form::u8}, .blocks = {}, .tensors = {}};
    add(result.tensors, {op.position, op.type, op.projection});
    return result;
  }
  OpFacts operator()(const QkvProduct& op) const {
    OpFacts result{.makes = {}, .blocks = {&op.query, &op.key, &op.value}, .depth = inputs(), .tensors = {}};
    for (const LinearBlock& block : op.gate) result.blocks.push_back(&block);
    for (const LinearBlock& block : op.gate_output) add(result.tensors, {block.weight, block.bias});
    return result;
  }
  OpFacts operator()(const Linear& op) const {
    return {.makes = {op.makes}, .blocks = {&op.weights}, .depth = inputs(), .tensors = {}};
  }
  OpFacts operator()(const LinearAdd& op) const {
    return {.makes = {Form::s16}, .blocks = {&op.weights}, .depth = inputs(), .tensors = {}};
  }
  OpFacts operator()(const LayerNormOp& op) const {
    OpFacts result{.makes = {Form::s16, Form::u8}, .blocks = {}, .tensors = {}};
    add(result.tensors, {op.gain, op.bias});
    return result;
  }
  OpFacts operator()(const AttentionOp& op) const {
    OpFacts result{.makes = {Form::u8}, .blocks = {}, .tensors = {}};
    if (op.gate) add(result.tensors, {op.gate->logits});
    return result;
  }
  OpFacts operator()(const EmbedPatches& op) const {
    OpFacts result{.makes = {Form::s16}, .blocks = {&op.projection}, .depth = op.inputs(), .tensors = {}};
    add(result.tensors, {op.position});
    for (const PrefixRows& rows : op.prefix) add(result.tensors, {rows.token});
    if (op.norm) add(result.tensors, {op.norm->gain, op.norm->bias});
    return result;
  }
  OpFacts operator()(const SelectRows&) const { return {.makes = {Form::s16}, .blocks = {}, .tensors = {}}; }
};

struct ReadForm {
  Form operator()(const EmbedTokens&) const { return Form::u8; }
  Form operator()(const EmbedPatches&) const { return Form::u8; }
  Form operator()(const QkvProduct&) const { return Form::u8; }
  Form operator()(const AttentionOp&) const { return Form::u8; }
  Form operator()(const Linear& op) const { return op.reads; }
  Form operator()(const LinearAdd&) const { return Form::u8; }
  Form operator()(const LayerNormOp&) const { return Form::s16; }
  Form operator()(const SelectRows&) const { return Form::s16; }
};

}  // namespace

OpFacts facts(const Graph& graph, const Node& node) { return std::visit(Facts{graph, node}, node.op); }

Form form_read(const Node& node) { return std::visit(ReadForm{}, node.op); }

bool is_body_product(const Graph& graph, const Node& node) {
  const OpFacts known = facts(graph, node);
  return known.depth > 0 && !node.inputs.empty() && form_read(node) == Form::u8 &&
         graph.value(node.output).rows == RowKind::token && (known.makes.empty() || known.makes.front() != Form::s32);
}

bool is_chosen_logits(const Graph& graph, const Node& node) {
  const auto* linear = std::get_if<Linear>(&node.op);
  return linear && linear->makes == Form::s32 && graph.value(node.output).rows == RowKind::chosen_token;
}

}  // namespace octavo

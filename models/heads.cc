#include "models/heads.h"

#include <utility>

namespace octavo {

ValueId first_token(GraphBuilder& g, ValueId hidden, const std::string& name) {
  return g.select_rows(name, hidden, {.selection = Selection::first, .count = 1});
}

ValueId head_dense(GraphBuilder& g, ValueId x, LinearBlock weights, Activation activation) {
  const std::string name = weights.name;
  return g.linear(name, x,
                  {.weights = std::move(weights), .activation = activation, .reads = Form::s16, .makes = Form::s16});
}

void head_logits(GraphBuilder& g, ValueId x, LinearBlock weights, std::string_view output) {
  const std::string name = weights.name;
  g.output(output, g.linear(name, x, {.weights = std::move(weights), .reads = Form::s16, .makes = Form::s32}));
}

void vocabulary_logits(GraphBuilder& g, ValueId hidden, VocabularyHead head, std::string_view output) {
  ValueId x = g.select_rows(head.decoder.name + ".rows", hidden, {.selection = Selection::chosen});
  x = head_dense(g, x, std::move(head.transform), head.activation);
  x = g.layer_norm(head.norm_name, x, std::move(head.norm));
  head_logits(g, x, std::move(head.decoder), output);
}

}  // namespace octavo

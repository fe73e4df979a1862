#include "models/parts/heads.h"

#include <utility>

namespace octavo {

/// 16-bit rows of 16-bit rows.
ValueId Heads::dense(ValueId x, LinearBlock weights, Activation activation) {
  const std::string name = weights.name;
  return g_.linear(name, x,
                   {.weights = std::move(weights), .activation = activation, .reads = Form::s16, .makes = Form::s16});
}

ValueId Heads::first_token(const std::string& module, Activation activation, std::optional<int> columns) {
  const std::string outer = module.substr(0, module.rfind(".dense"));
  const ValueId first = g_.select_rows(outer + ".rows", hidden_, {.selection = Selection::first, .count = 1});
  const int inputs = modules_.hidden_size();
  return dense(first, modules_.dense(module, columns.value_or(inputs), inputs), activation);
}

ValueId Heads::every_token(const std::string& module, Activation activation) {
  return dense(hidden_, modules_.dense(module, modules_.hidden_size(), modules_.hidden_size()), activation);
}

ValueId Heads::pooled(const std::string& name, Selection selection) {
  return g_.select_rows(name, hidden_, {.selection = selection, .count = selection == Selection::first ? 1 : 0});
}

ValueId Heads::transformed(ValueId x, LinearBlock weights, Activation activation, const std::string& norm_name,
                           NormWeights norm) {
  return g_.layer_norm(norm_name, dense(x, std::move(weights), activation), std::move(norm));
}

void Heads::classes(ValueId x, const std::string& module, std::string_view output) {
  LinearBlock weights = modules_.classifier(module);
  if (output == kLogits) count_ = weights.columns;
  logits(x, std::move(weights), output);
}

void Heads::logits(ValueId x, LinearBlock weights, std::string_view output) {
  const std::string name = weights.name;
  g_.output(output, g_.linear(name, x, {.weights = std::move(weights), .reads = Form::s16, .makes = Form::s32}));
}

void Heads::vocabulary(VocabularyHead head, std::string_view output) {
  ValueId x = g_.select_rows(head.decoder.name + ".rows", hidden_, {.selection = Selection::chosen});
  x = transformed(x, std::move(head.transform), head.activation, head.norm_name, std::move(head.norm));
  logits(x, std::move(head.decoder), output);
}

void Heads::vocabulary(LinearBlock decoder) {
  const ValueId rows = g_.select_rows(decoder.name + ".rows", hidden_, {.selection = Selection::chosen});
  logits(rows, std::move(decoder));
}

}  // namespace octavo

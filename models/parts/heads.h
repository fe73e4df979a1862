// What encoders of text have behind their last hidden state, as outputs of the graph.
#pragma once

#include "graph/graph.h"
#include "models/parts/modules.h"

#include <optional>
#include <string>
#include <string_view>

namespace octavo {

/// The modules of a masked language model's head: dense, its activation, LayerNorm, and the vocabulary's product.
struct VocabularyHead {
  LinearBlock transform;
  Activation activation = Activation::gelu;
  std::string norm_name;
  NormWeights norm;
  LinearBlock decoder;
};

/// Appends heads to the graph of an encoder, and counts the classes of the one whose logits are the model's.
class Heads {
 public:
  /// `hidden` is the last hidden state.
  Heads(GraphBuilder& g, ValueId hidden, Modules& modules) : g_(g), hidden_(hidden), modules_(modules) {}

  /// Whether the checkpoint has this dense layer.
  bool has(const std::string& module) const { return modules_.tensors().has(module + ".weight"); }

  ValueId hidden() const { return hidden_; }

  /// activation(x W^T + b) of the first token's row of each sequence, by a dense layer that is square unless it has
  /// `columns`.
  ValueId first_token(const std::string& module, Activation activation, std::optional<int> columns = {});

  /// The same of every row.
  ValueId every_token(const std::string& module, Activation activation);

  /// A row for each sequence: of its first token, or the mean of all.
  ValueId pooled(const std::string& name, Selection selection);

  /// norm(activation(x W^T + b)) of every row of x.
  ValueId transformed(ValueId x, LinearBlock weights, Activation activation, const std::string& norm_name,
                      NormWeights norm);

  /// activation(x W^T + b) of every row of x.
  ValueId dense(ValueId x, LinearBlock weights, Activation activation);

  /// A dense layer's logits as an output. Where that is the model's own, its columns are the classes.
  void classes(ValueId x, const std::string& module, std::string_view output = kLogits);

  /// A dense layer's logits that tell no classes apart.
  void logits(ValueId x, LinearBlock weights, std::string_view output = kLogits);

  /// Logits over the vocabulary of the tokens that are asked for.
  void vocabulary(VocabularyHead head, std::string_view output = kLogits);

  /// The same of the last hidden state as it is.
  void vocabulary(LinearBlock decoder);

  /// Of the model's own logits; 0 when it has no classifier.
  int count() const { return count_; }

 private:
  GraphBuilder& g_;
  const ValueId hidden_;
  Modules& modules_;
  int count_ = 0;
};

}  // namespace octavo

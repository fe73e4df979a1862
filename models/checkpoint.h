// The tensors of a Hugging Face checkpoint, taken by name and shape with messages that name them.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model_data.h"

namespace octavo {

/// The tensors of a checkpoint, with an optional prefix on every name taken off, and which of them a family has used.
class CheckpointTensors {
 public:
  /// Takes `prefix` off names that have it; names that differ only in the prefix are an Error.
  CheckpointTensors(TensorMap tensors, std::string_view prefix);

  bool has(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }

  /// Shape of a tensor that must exist. Throws Error "tensor NAME is missing".
  const Tensor::Shape& shape(std::string_view name) const;

  /// Marks a tensor as used; it must exist, be float and have this shape. Gives its name back.
  std::string take(const std::string& name, const Tensor::Shape& expected);

  /// Takes the first of two spellings that exists (LayerNorm.weight or LayerNorm.gamma).
  std::string take_either(const std::string& name, const std::string& older, const Tensor::Shape& expected);

  /// The used tensors. Throws Error naming any tensor that is neither used nor under one of the known but unneeded prefixes.
  TensorMap finish(const std::vector<std::string_view>& unneeded) &&;

 private:
  TensorMap tensors_;
  std::set<std::string, std::less<>> used_;
};

}  // namespace octavo

// The tensors of a Hugging Face checkpoint, taken by name and shape with messages that name them.
#pragma once

#include "graph/model_data.h"

#include <set>
#include <string>
#include <string_view>
#include <vector>

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

  /// Uses rows `first` .. `first` + `rows` - 1 of a tensor of this shape, as a tensor of its own that is named `as`.
  /// Gives that name.
  std::string take_rows(const std::string& name, const Tensor::Shape& expected, std::int64_t first, std::int64_t rows,
                        const std::string& as);

  /// Adds a tensor that was made from others, which it replaces: those are no longer used. Gives its name.
  std::string add(const std::string& name, Tensor tensor);

  /// The elements of a tensor in f32.
  Tensor floats(const std::string& name) const;

  /// The used tensors. Throws Error naming any tensor that is neither used nor under one of the known but unneeded
  /// prefixes.
  TensorMap finish(const std::vector<std::string_view>& unneeded) &&;

 private:
  TensorMap tensors_;
  std::set<std::string, std::less<>> used_;
  TensorMap made_;  // from others
};

}  // namespace octavo

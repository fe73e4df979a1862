// The tensors of a Hugging Face checkpoint, taken by name and shape with messages that name them.
#pragma once

#include "graph/model_data.h"

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// The tensors of a checkpoint, with optional prefixes on every name taken off, and which of them a family has used.
class CheckpointTensors {
 public:
  /// Takes off what training wraps models in (model., module., _orig_mod., in any order), where all names have it, and
  /// then `prefix` where names have that; names that differ only in the prefix are an Error.
  CheckpointTensors(TensorMap tensors, std::string_view prefix);

  bool has(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }

  /// Adds a warning that names those of these prefixes under which there are tensors that nobody took.
  void warn_of_unused(std::initializer_list<std::string_view> prefixes, std::vector<std::string>& warnings) const;

  /// Throws Error that says what there is in its place when there is no such tensor.
  void require(std::string_view name) const;

  /// Shape of a tensor that must exist. Throws Error that says what there is in its place.
  const Tensor::Shape& shape(std::string_view name) const;

  /// First dimension of a tensor that must exist. Throws Error when it is not 1 to `largest`.
  int first_dimension(const std::string& name, std::int64_t largest) const;

  /// Marks a tensor as used; it must exist, be float and have this shape. Gives its name back.
  std::string take(const std::string& name, const Tensor::Shape& expected);

  /// Takes the first of two spellings that exists (LayerNorm.weight or LayerNorm.gamma).
  std::string take_either(const std::string& name, const std::string& older, const Tensor::Shape& expected);

  /// Uses rows `first` .. `first` + `rows` - 1 of a tensor of this shape, as a tensor of its own that is named `as`.
  /// Gives that name.
  std::string take_rows(const std::string& name, const Tensor::Shape& expected, std::int64_t first, std::int64_t rows,
                        const std::string& as);

  /// Uses a tensor in place of others that it was made from, which are no longer used. Gives its name.
  std::string replace(std::initializer_list<std::string> others, const std::string& name, Tensor tensor);

  /// Knows a tensor that may be there, and is not kept unless it is used.
  void leave_aside(const std::string& name) { replaced_.insert(name); }

  /// Gives all tensors under prefix `from` a second name each, under `as`; only those that are then taken count. Throws
  /// Error when there is none.
  void repeat(const std::string& from, const std::string& as);

  /// Adds a tensor that was made from others, which it replaces: those are no longer used. Gives its name.
  std::string add(const std::string& name, Tensor tensor);

  /// The elements of a tensor in f32.
  Tensor floats(const std::string& name) const;

  /// The used tensors. Throws Error naming any tensor that is neither used nor under one of the known but unneeded
  /// prefixes.
  TensorMap finish(const std::vector<std::string_view>& unneeded) &&;

 private:
  [[noreturn]] void miss(std::string_view name) const;

  const std::string prefix_;
  TensorMap tensors_;
  std::set<std::string, std::less<>> used_, replaced_;  // the latter are known, but not kept
  TensorMap made_;                                      // from others
};

}  // namespace octavo

#include "models/parts/checkpoint.h"

#include "io/safetensors.h"

#include "octavo/error.h"

#include <algorithm>

namespace octavo {
namespace {

std::string shape_text(const Tensor::Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16; }

/// How long a prefix all names have that is made of names of wrappers: DataParallel's, torch.compile's, and those of a
/// class that holds the model.
std::size_t wrapped(const TensorMap& tensors) {
  constexpr std::string_view kWrappers[] = {"model.", "module.", "_orig_mod."};
  if (tensors.empty()) return 0;
  const std::string_view first = tensors.begin()->first;
  std::size_t length = 0;
  const auto all_have = [&](std::string_view wrapper) {
    const std::string_view prefix = first.substr(0, length + wrapper.size());
    return prefix.ends_with(wrapper) && std::all_of(tensors.begin(), tensors.end(), [&](const auto& named) {
             return std::string_view(named.first).starts_with(prefix);
           });
  };
  for (bool found = true; found;) {
    const auto wrapper = std::find_if(std::begin(kWrappers), std::end(kWrappers), all_have);
    found = wrapper != std::end(kWrappers);
    if (found) length += wrapper->size();
  }
  return length;
}

}  // namespace

CheckpointTensors::CheckpointTensors(TensorMap tensors, std::string_view prefix) : prefix_(prefix) {
  const std::size_t wrapper = wrapped(tensors);
  for (auto& [full, tensor] : tensors) {
    const std::string name = full.substr(wrapper);
    const std::string bare = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
    if (!tensors_.emplace(bare, std::move(tensor)).second) {
      throw Error("the checkpoint has tensor " + bare + " both with and without the prefix " + std::string(prefix));
    }
  }
}

void CheckpointTensors::require(std::string_view name) const {
  if (!has(name)) miss(name);
}

const Tensor::Shape& CheckpointTensors::shape(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) miss(name);
  return found->second.shape();
}

/// Says so when the tensor is there under a prefix that is not known.
void CheckpointTensors::miss(std::string_view name) const {
  const std::string wanted(name), missing = "the checkpoint has no tensor " + wanted;
  for (const auto& [found, tensor] : tensors_) {
    if (!found.ends_with("." + wanted)) continue;
    throw Error(missing + ", but " + found + ": expected names without the prefix " +
                found.substr(0, found.size() - wanted.size()) + (prefix_.empty() ? "" : ", or with " + prefix_));
  }
  throw Error(missing + (tensors_.empty() ? ": it has none at all" : ""));
}

void CheckpointTensors::warn_of_unused(std::initializer_list<std::string_view> prefixes,
                                       std::vector<std::string>& warnings) const {
  std::string found;
  for (const std::string_view prefix : prefixes) {
    const auto unused = [&](const auto& named) {
      return std::string_view(named.first).starts_with(prefix) && !used_.contains(named.first) &&
             !replaced_.contains(named.first);
    };
    if (std::any_of(tensors_.begin(), tensors_.end(), unused))
      found += (found.empty() ? "" : ", ") + std::string(prefix);
  }
  if (!found.empty()) warnings.push_back("the checkpoint's tensors under " + found + " are not run");
}

int CheckpointTensors::first_dimension(const std::string& name, std::int64_t largest) const {
  const Tensor::Shape& own = shape(name);
  if (own.empty() || own[0] < 1 || own[0] > largest)
    throw Error("tensor " + name + " has no first dimension from 1 to " + std::to_string(largest));
  return static_cast<int>(own[0]);
}

std::string CheckpointTensors::take(const std::string& name, const Tensor::Shape& expected) {
  if (shape(name) != expected) {
    throw Error("tensor " + name + " has shape " + shape_text(shape(name)) + ", expected " + shape_text(expected));
  }
  const Tensor& tensor = tensors_.find(name)->second;
  if (!is_float(tensor.dtype())) {
    throw Error("tensor " + name + " has dtype " + std::string(name_of(tensor.dtype())) +
                ", expected F32, F16 or BF16");
  }
  used_.insert(name);
  return name;
}

std::string CheckpointTensors::take_either(const std::string& name, const std::string& older,
                                           const Tensor::Shape& expected) {
  return take(!has(name) && has(older) ? older : name, expected);
}

std::string CheckpointTensors::take_rows(const std::string& name, const Tensor::Shape& expected, std::int64_t first,
                                         std::int64_t rows, const std::string& as) {
  take(name, expected);
  used_.erase(name);  // its rows are, which keep it alive
  replaced_.insert(name);
  const Tensor& whole = tensors_.find(name)->second;
  const std::size_t row_bytes = whole.bytes() / static_cast<std::size_t>(expected[0]);
  Tensor::Shape shape = expected;
  shape[0] = rows;
  const auto* data = static_cast<const std::byte*>(whole.data()) + static_cast<std::size_t>(first) * row_bytes;
  return add(as, Tensor(whole.dtype(), std::move(shape), std::make_shared<Tensor>(whole), data));
}

std::string CheckpointTensors::add(const std::string& name, Tensor tensor) {
  if (has(name) || !made_.emplace(name, std::move(tensor)).second) {
    throw Error("the checkpoint has a tensor " + name + ", a name that is needed for another one");
  }
  return name;
}

std::string CheckpointTensors::replace(std::initializer_list<std::string> others, const std::string& name,
                                       Tensor tensor) {
  for (const std::string& other : others) {
    used_.erase(other);
    replaced_.insert(other);
  }
  return add(name, std::move(tensor));
}

void CheckpointTensors::repeat(const std::string& from, const std::string& as) {
  TensorMap again;
  for (auto i = tensors_.lower_bound(from); i != tensors_.end() && i->first.starts_with(from); ++i) {
    again.emplace(as + i->first.substr(from.size()), i->second);
    replaced_.insert(i->first);
  }
  if (again.empty()) throw Error("the checkpoint has no tensors under " + from);
  tensors_.merge(again);
}

Tensor CheckpointTensors::floats(const std::string& name) const { return to_f32(tensors_.find(name)->second, name); }

TensorMap CheckpointTensors::finish(const std::vector<std::string_view>& unneeded) && {
  TensorMap kept = std::move(made_);
  for (auto& [name, tensor] : tensors_) {
    if (used_.contains(name)) {
      kept.emplace(name, std::move(tensor));
      continue;
    }
    if (replaced_.contains(name)) continue;
    const auto covers = [&name = name](std::string_view prefix) { return name.starts_with(prefix); };
    if (std::none_of(unneeded.begin(), unneeded.end(), covers)) {
      throw Error("tensor " + name + " of the checkpoint is not known to this model family");
    }
  }
  return kept;
}

}  // namespace octavo

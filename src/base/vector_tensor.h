// A vector's values as a tensor.
#pragma once

#include "octavo/tensor.h"

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

namespace octavo {

/// `shape` has as many elements as there are values.
template <typename T>
Tensor to_tensor(const std::vector<T>& values, Tensor::Shape shape) {
  Tensor tensor(dtype_of<T>(), std::move(shape));
  if (!values.empty()) std::memcpy(tensor.writable<T>().data(), values.data(), values.size() * sizeof(T));
  return tensor;
}

/// Of one dimension.
template <typename T>
Tensor to_tensor(const std::vector<T>& values) {
  return to_tensor(values, {static_cast<std::int64_t>(values.size())});
}

}  // namespace octavo

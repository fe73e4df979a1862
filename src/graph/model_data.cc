#include "graph/model_data.h"

#include "octavo/error.h"

#include <cstddef>
#include <set>
#include <utility>

namespace octavo {

std::int64_t count_elements(const TensorMap& tensors) {
  std::int64_t elements = 0;
  std::set<std::pair<const void*, std::size_t>> counted;
  for (const auto& [name, tensor] : tensors) {
    if (counted.emplace(tensor.data(), tensor.bytes()).second) elements += tensor.elements();
  }
  return elements;
}

const Tensor& tensor(const TensorMap& tensors, std::string_view name) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw Error("the model has no tensor " + std::string(name));
  return found->second;
}

}  // namespace octavo

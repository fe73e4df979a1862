#include "graph/model_data.h"

#include "octavo/error.h"

namespace octavo {

const Tensor& tensor(const TensorMap& tensors, std::string_view name) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw Error("the model has no tensor " + std::string(name));
  return found->second;
}

}  // namespace octavo

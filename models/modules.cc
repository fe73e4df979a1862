#include "models/modules.h"

#include <algorithm>

namespace octavo {

bool Modules::has_bias(const std::string& name) const {
  return settings_.biases == Biases::all || (settings_.biases == Biases::as_found && tensors_.has(name + ".bias"));
}

LinearBlock Modules::dense(const std::string& name, int columns, int inputs) {
  return {.name = name,
          .weight = tensors_.take(name + ".weight", {columns, inputs}),
          .bias = has_bias(name) ? tensors_.take(name + ".bias", {columns}) : "",
          .columns = columns};
}

LinearBlock Modules::classifier(const std::string& name) {
  return dense(name, tensors_.first_dimension(name + ".weight", kMaxColumns), settings_.hidden_size);
}

std::array<LinearBlock, 3> Modules::fused_qkv(const std::string& name, int width, int inputs) {
  std::array<LinearBlock, 3> result;
  int first = 0;
  for (const char* part : {"query", "key", "value"}) {
    const std::string own = name + "." + part;
    result[static_cast<std::size_t>(first / width)] = {
        .name = own,
        .weight = tensors_.take_rows(name + ".weight", {3 * width, inputs}, first, width, own + ".weight"),
        .bias = has_bias(name) ? tensors_.take_rows(name + ".bias", {3 * width}, first, width, own + ".bias") : "",
        .columns = width};
    first += width;
  }
  return result;
}

NormWeights Modules::norm(const std::string& name) {
  const Tensor::Shape shape = {settings_.hidden_size};
  if (settings_.norm_weights) {
    return {.gain = tensors_.take_either(name + ".weight", name + ".gamma", shape),
            .bias = tensors_.take_either(name + ".bias", name + ".beta", shape),
            .epsilon = settings_.epsilon};
  }
  Tensor ones(DType::f32, shape);
  std::ranges::fill(ones.writable<float>(), 1.0f);
  return {.gain = tensors_.add(name + ".weight", ones),
          .bias = tensors_.add(name + ".bias", Tensor(DType::f32, shape)),
          .epsilon = settings_.epsilon};
}

}  // namespace octavo

#include "models/parts/modules.h"

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

LinearBlock Modules::scaled(LinearBlock block, const std::string& scale) {
  if (scale.empty() || !tensors_.has(scale)) return block;
  const Tensor factors = tensors_.floats(tensors_.take(scale, {block.columns}));
  const auto multiplied = [&](const std::string& name) {
    const Tensor plain = tensors_.floats(name);
    Tensor result(DType::f32, plain.shape());
    const auto inputs = static_cast<std::size_t>(plain.elements() / factors.elements());
    for (std::size_t i = 0; i < plain.as<float>().size(); ++i)
      result.writable<float>()[i] = plain.as<float>()[i] * factors.as<float>()[i / inputs];
    return tensors_.replace({name, scale}, name + ".scaled", std::move(result));
  };
  block.weight = multiplied(block.weight);
  if (!block.bias.empty()) block.bias = multiplied(block.bias);
  return block;
}

LinearBlock Modules::classifier(const std::string& name) {
  return dense(name, tensors_.first_dimension(name + ".weight", kMaxColumns), settings_.hidden_size);
}

LinearBlock Modules::decoder(const std::string& name, const std::string& bias, const std::string& words,
                             const Tensor::Shape& shape) {
  const std::string own = name + ".weight", copy = name + ".bias";
  const bool tied = settings_.tied_words;
  LinearBlock block{.name = name,
                    .weight = tensors_.take(!tied && tensors_.has(own) ? own : words, shape),
                    .bias = tensors_.take_either(tied ? bias : copy, tied ? copy : bias, {shape[0]}),
                    .columns = static_cast<int>(shape[0])};
  for (const std::string& left : {own, copy, bias}) tensors_.leave_aside(left);
  return block;
}

std::vector<LinearBlock> Modules::fused(const std::string& name, std::initializer_list<const char*> parts, int width,
                                        int inputs) {
  std::vector<LinearBlock> result;
  const int rows = static_cast<int>(parts.size()) * width;
  int first = 0;
  for (const char* part : parts) {
    const std::string own = name + "." + part;
    result.push_back(
        {.name = own,
         .weight = tensors_.take_rows(name + ".weight", {rows, inputs}, first, width, own + ".weight"),
         .bias = has_bias(name) ? tensors_.take_rows(name + ".bias", {rows}, first, width, own + ".bias") : "",
         .columns = width});
    first += width;
  }
  return result;
}

std::array<LinearBlock, 3> Modules::fused_qkv(const std::string& name, int width, int inputs) {
  const std::vector<LinearBlock> blocks = fused(name, {"query", "key", "value"}, width, inputs);
  return {blocks[0], blocks[1], blocks[2]};
}

NormWeights Modules::norm(const std::string& name) {
  const Tensor::Shape shape = {settings_.hidden_size};
  NormWeights result{.gain = "", .bias = "", .epsilon = settings_.epsilon, .rms = settings_.rms_norms};
  if (settings_.norm_weights) {
    result.gain = tensors_.take_either(name + ".weight", name + ".gamma", shape);
  } else {
    Tensor ones(DType::f32, shape);
    std::ranges::fill(ones.writable<float>(), 1.0f);
    result.gain = tensors_.add(name + ".weight", ones);
  }
  result.bias = settings_.norm_weights && settings_.norm_biases
                    ? tensors_.take_either(name + ".bias", name + ".beta", shape)
                    : tensors_.add(name + ".bias", Tensor(DType::f32, shape));
  return result;
}

}  // namespace octavo

#include "graph/check_modules.h"

#include "io/safetensors.h"

#include "octavo/error.h"

namespace octavo {
namespace {

std::string text(const Tensor::Shape& shape) {
  std::string result = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) result += (i ? ", " : "") + std::to_string(shape[i]);
  return result + "]";
}

void check_tensor(const TensorMap& tensors, const std::string& name, const Tensor::Shape& shape) {
  const Tensor& found = tensor(tensors, name);
  if (found.dtype() != DType::f32 || found.shape() != shape) {
    throw Error("tensor " + name + " is " + std::string(name_of(found.dtype())) + " " + text(found.shape()) +
                ", expected F32 " + text(shape));
  }
  require_finite(found, name);
}

}  // namespace

void check_modules(const Model::Data& data) {
  const EmbeddingInfo& embedding = data.info.embedding;
  int pooled = static_cast<int>(embedding.pooling.size()) * data.info.hidden_size;
  if (!embedding.output.empty()) {
    const GraphOutput* output = data.graph.find_output(embedding.output);
    if (!output || data.graph.value(output->value).rows != RowKind::sequence)
      throw Error("the embedding is the output " + embedding.output + ", of which there is no row per input");
    pooled = data.graph.columns(output->value);
  }
  const int size = columns_behind(data.modules, pooled);
  if (embedding.truncate_dim && *embedding.truncate_dim > size) {
    throw Error("truncate_dim is " + std::to_string(*embedding.truncate_dim) + ", expected at most the " +
                std::to_string(size) + " numbers of an embedding");
  }
  for (const EmbeddingModule& module : data.modules) {
    for (const auto& [name, shape] : tensors_of(module)) check_tensor(data.tensors, name, shape);
  }
}

}  // namespace octavo

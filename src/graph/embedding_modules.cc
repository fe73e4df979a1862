#include "graph/embedding_modules.h"

#include "octavo/error.h"

namespace octavo {
namespace {

std::string kind_of(const DenseModule&) { return "Dense"; }
std::string kind_of(const LayerNormModule&) { return "LayerNorm"; }
std::string kind_of(const NormalizeModule&) { return "Normalize"; }

std::string details(const DenseModule& dense) {
  return " " + std::to_string(dense.in_features) + " -> " + std::to_string(dense.out_features) + " " +
         name_in(kDenseActivations, dense.activation) + (dense.use_residual ? " + input" : "");
}
std::string details(const LayerNormModule&) { return ""; }
std::string details(const NormalizeModule&) { return ""; }

using Shapes = std::map<std::string, Tensor::Shape>;

Shapes shapes(const DenseModule& dense) {
  Shapes result = {{dense.weight(), {dense.out_features, dense.in_features}}};
  if (dense.has_bias) result[dense.bias()] = {dense.out_features};
  if (dense.has_residual()) result[dense.residual()] = {dense.out_features, dense.in_features};
  return result;
}
Shapes shapes(const LayerNormModule& norm) {
  return {{norm.gain(), {norm.dimension}}, {norm.bias(), {norm.dimension}}};
}
Shapes shapes(const NormalizeModule&) { return {}; }

}  // namespace

std::string_view name_of(Pooling pooling) { return name_in(kPoolings, pooling); }

std::string_view name_of(Similarity similarity) { return name_in(kSimilarities, similarity); }

std::string title(const EmbeddingModule& module) {
  return std::visit([](const auto& m) { return kind_of(m) + " " + m.name; }, module);
}

std::string describe(const EmbeddingModule& module) {
  return title(module) + std::visit([](const auto& m) { return details(m); }, module);
}

std::map<std::string, Tensor::Shape> tensors_of(const EmbeddingModule& module) {
  return std::visit([](const auto& m) { return shapes(m); }, module);
}

int columns_behind(const std::vector<EmbeddingModule>& modules, int columns) {
  const auto require = [&](const EmbeddingModule& module, int expected) {
    if (columns == expected) return;
    throw Error(title(module) + " takes " + std::to_string(expected) + " numbers, but what comes before it gives " +
                std::to_string(columns));
  };
  for (const EmbeddingModule& module : modules) {
    if (const auto* norm = std::get_if<LayerNormModule>(&module)) require(module, norm->dimension);
    if (const auto* dense = std::get_if<DenseModule>(&module)) {
      require(module, dense->in_features);
      columns = dense->out_features;
    }
  }
  return columns;
}

}  // namespace octavo

// What follows the pooling of a sentence-transformers model, in float32.
#pragma once

#include "io/enum_names.h"

#include "octavo/model.h"
#include "octavo/tensor.h"

#include <cstddef>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace octavo {

inline constexpr int kWidestEmbedding = 1 << 20;  // numbers
inline constexpr std::size_t kMostPoolings = 16;  // side by side

enum class DenseActivation { identity, tanh, relu, sigmoid, gelu, silu };

/// activation(x W^T + b), and x itself or x R^T added to that where use_residual says so. Tensors are f32 and named
/// after the module's folder.
struct DenseModule {
  std::string name;  ///< its folder: 2_Dense
  int in_features = 0, out_features = 0;
  bool has_bias = true;
  DenseActivation activation = DenseActivation::tanh;
  bool use_residual = false;

  std::string weight() const { return name + "/linear.weight"; }      ///< [out_features, in_features]
  std::string bias() const { return name + "/linear.bias"; }          ///< [out_features], where has_bias
  std::string residual() const { return name + "/residual.weight"; }  ///< [out_features, in_features], R
  /// The input is added as it is where it is as wide as the output, else its product with R.
  bool has_residual() const { return use_residual && in_features != out_features; }
};

/// Over each embedding, with torch's epsilon of 1e-5.
struct LayerNormModule {
  std::string name;  ///< its folder
  int dimension = 0;

  std::string gain() const { return name + "/norm.weight"; }
  std::string bias() const { return name + "/norm.bias"; }
};

/// Divides by the L2 norm. One at the end is EmbeddingInfo::normalize instead.
struct NormalizeModule {
  std::string name;  ///< its folder
};

using EmbeddingModule = std::variant<DenseModule, LayerNormModule, NormalizeModule>;

inline constexpr Name<Pooling> kPoolings[] = {{Pooling::mean, "mean"},
                                              {Pooling::cls, "cls"},
                                              {Pooling::max, "max"},
                                              {Pooling::mean_sqrt_len_tokens, "mean_sqrt_len_tokens"},
                                              {Pooling::weightedmean, "weightedmean"},
                                              {Pooling::lasttoken, "lasttoken"}};
inline constexpr Name<Similarity> kSimilarities[] = {{Similarity::cosine, "cosine"},
                                                     {Similarity::dot, "dot"},
                                                     {Similarity::euclidean, "euclidean"},
                                                     {Similarity::manhattan, "manhattan"}};

inline constexpr Name<SparsePooling> kSparsePoolings[] = {{SparsePooling::max, "max"}, {SparsePooling::sum, "sum"}};
inline constexpr Name<SparseActivation> kSparseActivations[] = {{SparseActivation::relu, "relu"},
                                                                {SparseActivation::log1p_relu, "log1p_relu"}};

/// The classes of torch.nn.
inline constexpr Name<DenseActivation> kDenseActivations[] = {
    {DenseActivation::identity, "Identity"}, {DenseActivation::tanh, "Tanh"}, {DenseActivation::relu, "ReLU"},
    {DenseActivation::sigmoid, "Sigmoid"},   {DenseActivation::gelu, "GELU"}, {DenseActivation::silu, "SiLU"}};

/// "Dense 2_Dense", and what one is in a line of text: "Dense 2_Dense 384 -> 64 Tanh".
std::string title(const EmbeddingModule& module);
std::string describe(const EmbeddingModule& module);

/// Names and shapes of the tensors that it has.
std::map<std::string, Tensor::Shape> tensors_of(const EmbeddingModule& module);

/// Numbers that come out where `columns` go in. Throws Error naming the module when it does not take so many.
int columns_behind(const std::vector<EmbeddingModule>& modules, int columns);

}  // namespace octavo

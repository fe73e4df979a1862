// What a KvCache holds: the tokens, and per attention layer keys and values where decoding reads them.
#pragma once

#include "base/access.h"
#include "graph/graph.h"

#include "octavo/kv_cache.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace octavo {

struct KvCache::Data {
  /// s8 [heads][capacity][head_size] each: what one head reads lies together, in order, as the attention kernel takes
  /// it.
  struct Layer {
    int heads = 0, head_size = 0;  ///< of K and V
    std::unique_ptr<std::int8_t[]> keys, values;
  };

  Data(const Model& model, int tokens);
  Data(const Data& other);

  /// Puts `rows` keys and values, row-major with all heads side by side and `stride` apart, behind the `length` tokens
  /// that it holds.
  void append(std::size_t layer, const std::int8_t* keys, const std::int8_t* values, std::ptrdiff_t stride, int rows);

  /// Whether it was made for a model with these attention layers.
  bool fits(const Model& model) const;

  std::size_t plane(const Layer& layer) const {
    return static_cast<std::size_t>(capacity) * static_cast<std::size_t>(layer.head_size);
  }

  int capacity, length = 0;
  bool quantized;
  std::vector<Layer> layers;
  std::vector<std::int32_t> ids;  ///< of the tokens that it holds
};

}  // namespace octavo

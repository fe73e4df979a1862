// The products of a graph in float32: kept ready as far as a budget goes, the others made each time they run.
#pragma once

#include "float/float_matmul.h"
#include "graph/model_data.h"

#include <cstddef>
#include <map>
#include <memory>

namespace octavo {

class FloatProducts {
 public:
  /// Keeps the products of the first nodes ready: as many as take at most `budget` bytes.
  FloatProducts(std::shared_ptr<const Model::Data> data, std::size_t budget);

  /// The product of a node that has one.
  std::shared_ptr<const FloatLinear> of(const Node& node) const;

  /// The same products but for one node's, whose tensors are others in `data`.
  FloatProducts with(std::shared_ptr<const Model::Data> data, const Node& node) const;

 private:
  std::shared_ptr<const Model::Data> data_;
  std::map<ValueId, std::shared_ptr<const FloatLinear>> ready_;  // by output
};

}  // namespace octavo

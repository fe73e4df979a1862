// One pass of the float32 executor: what the files float_*.cc share.
#pragma once

#include "float/float_executor.h"
#include "float/float_matmul.h"
#include "float/float_products.h"
#include "graph/names.h"
#include "runtime/workspace.h"

#include <Eigen/Core>

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

using FloatMatrix = Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Rows = Eigen::Map<FloatMatrix>;
using ConstRows = Eigen::Map<const FloatMatrix>;
using Row = Eigen::Map<Eigen::ArrayXf>;
using ConstRow = Eigen::Map<const Eigen::ArrayXf>;

/// Rows of a buffer that FloatLinear reads or writes: it works on multiples of 16.
inline std::size_t padded_rows(int rows) { return static_cast<std::size_t>((rows + 15) / 16 * 16); }

/// In place.
void activate(Rows rows, Activation activation);

/// The two products of one attention head over a sequence of some length.
struct HeadProducts {
  FloatMatmul scores, context;
};

/// What is bound once per model: products, other weights in f32, and which buffer each value has.
struct FloatExecutor::Impl {
  Impl(std::shared_ptr<const Model::Data> model, std::size_t weight_bytes);

  /// What the node reads beside its product.
  void bind(const Node& node);

  int columns(ValueId value) const { return data->graph.columns(value); }
  const std::string& name(ValueId value) const { return data->graph.name(value); }
  /// A row of the table of words, which can be too large to have it in f32.
  Tensor word(const std::string& table, std::int32_t index) const;
  ConstRow bound(const std::string& name) const {
    const std::span<const float> values = tensors.at(name).as<float>();
    return {values.data(), static_cast<Eigen::Index>(values.size())};
  }

  std::shared_ptr<const Model::Data> data;
  FloatProducts products;
  std::map<std::string, Tensor> tensors;  // f32, of everything else but words
  BufferPlan plan;                        // a need per value
};

/// One pass over one batch: what ops run on.
struct FloatExecutor::Run {
  Run(const Impl& impl, const RaggedBatch& ragged, Workspace::Data& data, const FloatHooks& hooks);

  const Impl& model;
  const RaggedBatch& whole;
  std::map<int, RaggedBatch> fewer = {};  // of values whose sequences have lost so many tokens
  int removed = 0;                        // from what the node that runs reads
  Workspace::Data& workspace;
  const Observer& observer;
  const ObserveStages stages;
  const Transform& transform;
  const Editor& editor;
  std::span<const std::int32_t> chosen = {};  // rows of the batch
  std::vector<std::int32_t> all_rows = {};    // where all are chosen
  std::vector<std::byte*> slots = {};
  std::map<std::array<int, 4>, HeadProducts> heads = {};  // by length of the sequence, size and strides of heads

  /// Whose values are taken where rows are chosen.
  void choose(std::span<const std::int32_t> rows);
  void choose_all();

  /// The nodes that are needed, in order.
  void run(const std::vector<bool>& needed);

  /// A copy of a value.
  Tensor result(ValueId value) const;

  /// Runs a node of this op. Specialized for each in one of the files float_*.cc: without its own, a new op does not
  /// link.
  template <typename Op>
  void execute(const Op& op, const Node& node);

  /// The batch as it is where so many tokens are gone.
  const RaggedBatch& batch_without(int tokens) const { return tokens == 0 ? whole : fewer.at(tokens); }
  /// The same for the node that runs.
  const RaggedBatch& batch() const { return batch_without(removed); }
  int rows_of(ValueId value) const { return whole.rows(model.data->graph.value(value), chosen.size()); }
  float* at(ValueId value) const {
    return reinterpret_cast<float*>(
        slots[static_cast<std::size_t>(model.plan.slot_of[static_cast<std::size_t>(value)])]);
  }
  Rows rows(ValueId value) const { return {at(value), rows_of(value), model.columns(value)}; }
  void change(const std::string& name, float* values, std::size_t count) const;
  void change(const Node& node) const;
  void change(const Node& node, Stage stage) const;
  void observe(std::string_view name, const float* values, Eigen::Index rows, int columns) const;
  void observe_product(const Node& node) const;

  /// `to` may be `from`.
  void normalise(const NormWeights& norm, const float* from, float* to, Eigen::Index rows, Eigen::Index columns) const;

  void multiply(const Node& node);
  const float* edited(ValueId value) const;
};

}  // namespace octavo

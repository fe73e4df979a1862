// How a graph is quantized: what ops ask for, each in one of the files quantize_*.cc.
#pragma once

#include "graph/op_facts.h"
#include "quantize/gptq.h"
#include "quantize/quantize.h"
#include "quantize/quantized_tables.h"
#include "quantize/quantized_weights.h"

#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace octavo {

inline Encoding stored(const Quantizer& quantizer) {
  return {.scale = static_cast<float>(quantizer.scale), .zero_point = quantizer.zero_point};
}

/// Walks the graph once, in order. Every value has at most two forms: u8 codes for the GEMM that reads it, and s16
/// codes on the residual stream.
class GraphQuantizer {
 public:
  GraphQuantizer(const Model::Data& model, const Ranges& ranges, const QuantizeOptions& options)
      : model_(model),
        ranges_(ranges),
        options_(options),
        codes_(model.graph.values.size()),
        stream_(model.graph.values.size()) {}

  Model::Data run();

  const Model::Data& model() const { return model_; }
  const Graph& graph() const { return model_.graph; }
  const QuantizeOptions& options() const { return options_; }
  const std::string& name(const Node& node) const { return model_.graph.name(node.output); }

  // quantize.cc: ranges, tensors, and the scales of the residual stream
  Range range(const std::string& name) const;
  bool has_range(const std::string& name) const { return ranges_.contains(name); }
  std::vector<float> floats(const std::string& name) const { return float_values(model_, name); }
  void put(const std::string& name, const Tensor& tensor) {
    tensors_.insert_or_assign(name, options_.memory ? moved_to(options_.memory, tensor) : tensor);
  }
  /// Bits of the weights of the product of a value.
  int weight_bits(ValueId input) const;
  bool eight_bit() const { return options_.residual == ResidualType::int8; }
  /// Rows of heads have 16 bits always; 8-bit sums keep their codes without zero point in the s16 stream.
  Quantizer stream_quantizer(ValueId value) const;
  /// Of the value's 16-bit codes: chosen before the walk where the value is in a sum, else by the op that makes it.
  Quantizer& stream(ValueId value) { return stream_[static_cast<std::size_t>(value)]; }
  /// What codes of the columns of a sum, and of the residual that is added in it, are worth in its scale; empty: one.
  const std::vector<double>& column_scales(ValueId value) { return column_scales_[value]; }
  bool in_sum(ValueId value) const;
  /// Of rows that ops have passed on in their codes, what these were made as.
  ValueId made_by(ValueId value) const;
  /// Whether somebody reads the value in 8 bits, or in 16.
  bool feeds_product(ValueId value) const;
  bool feeds_stream(ValueId value) const;

  // quantize_products.cc: rows of weights, and the codes that they read
  /// A linear block's rows as they will be packed: equalization folded in, and what refines weights and biases done.
  FloatRows rows(const LinearBlock& block, ValueId input);
  FloatRows prepared(FloatRows rows, ValueId input);
  const Equalization* equalization(ValueId value) const;
  /// The u8 form of a value, refined as the options say.
  InputCodes& set_codes(ValueId value, const Quantizer& quantizer);
  InputCodes& codes(ValueId value) { return codes_[static_cast<std::size_t>(value)]; }
  WeightPacker packer(ValueId input);
  void put_weights(const std::string& name, const WeightPacker& packer);
  /// Query, key and value, of each product that attention reads.
  std::array<Quantizer, 3>& qkv(ValueId value) { return qkv_[value]; }
  /// Gate and up, of each product that a gated linear unit reads.
  std::array<Quantizer, 2>& branches(ValueId value) { return branches_[value]; }
  /// Rows of a block whose columns' scales pass through the op that reads the product, into those scales.
  FloatRows rows_in_column_scales(const LinearBlock& block, const Node& product);

  // quantize_rows.cc: tables and LayerNorms
  /// Words, positions and types of the embeddings, made once.
  const std::vector<ByteTable>& embedding_tables(const Node& node);
  QuantizedNormOutput put_norm_output(const std::string& name, const NormGains& gains, const Quantizer& out);

 private:
  /// Quantizer of a value on the residual stream. In a post-LayerNorm model a residual sum has its own; the output that
  /// a LayerNorm writes is already in the scale of the next sum (fixed-point.md 3), or in its own where the sums are 8
  /// bits or no sum follows. Sums that are added to sums, as in a pre-LayerNorm model, all share one.
  void choose_stream_quantizers();
  /// Of a run of sums, each added to the one before, and of what the first is added to: gives outlier columns codes
  /// that are worth more, and so the others finer ones.
  void separate_outliers(const std::vector<ValueId>& run);
  /// Whether a LayerNorm makes what the first is added to, for this sum alone, and LayerNorms alone read the last.
  bool between_norms(const std::vector<ValueId>& run) const;
  bool makes_embeddings(ValueId value) const { return !facts(graph(), graph().producer(value)).words.empty(); }
  /// Scales of each run of sums that are added to sums, and of what it starts from: one for all, or where values grow a
  /// lot, one that doubles as they need it.
  void share_stream_scales();
  void scale_run(const std::vector<ValueId>& members);
  double smallest_scale(ValueId value);
  /// Of the latest input; the blocks of a product share it.
  const GptqSolver& gptq(ValueId input);
  bool refines_weights() const {
    return options_.statistics != nullptr && (options_.compensated_rounding || options_.bias_correction);
  }

  const Model::Data& model_;
  const Ranges& ranges_;
  const QuantizeOptions& options_;
  std::vector<InputCodes> codes_;  // by value: its u8 form
  std::vector<Quantizer> stream_;  // by value
  std::map<ValueId, std::vector<double>> column_scales_;
  std::optional<std::pair<ValueId, GptqSolver>> gptq_;
  std::map<ValueId, std::array<Quantizer, 3>> qkv_;
  std::map<ValueId, std::array<Quantizer, 2>> branches_;
  std::vector<ByteTable> tables_;  // of the embeddings, once they are made
  TensorMap tensors_;
  QuantizedGraph result_;
};

/// The constants of a node, whose tensors are put. Specialized for each op in one of the files quantize_*.cc: without
/// its own, a new op does not link.
template <typename Op>
Constants<Op> quantize_op(GraphQuantizer& q, const Op& op, const Node& node);

/// Q20 ratio of scales in an 8-bit sum; above 4 the exact 32-bit arithmetic has no room (fixed-point.md 3).
int sum_multiplier(double ratio, const std::string& name);

}  // namespace octavo

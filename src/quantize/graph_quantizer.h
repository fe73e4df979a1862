// How a graph is quantized: what the files quantize*.cc share.
#pragma once

#include "quantize/quantize.h"
#include "quantize/quantized_tables.h"
#include "quantize/quantized_weights.h"
#include "quantize/weight_refinement.h"

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

 private:
  // quantize.cc
  Range range(const std::string& name) const;
  std::vector<float> floats(const std::string& name) const { return float_values(model_, name); }
  void put(const std::string& name, const Tensor& tensor) {
    tensors_.insert_or_assign(name, options_.memory ? moved_to(options_.memory, tensor) : tensor);
  }
  /// Quantizer of a value on the residual stream. In a post-LayerNorm model a residual sum has its own; the lane that a
  /// LayerNorm writes is already in the scale of the next sum (fixed-point.md 3), or in its own where the sums are 8
  /// bits or no sum follows. Sums that are added to sums, as in a pre-LayerNorm model, all share one.
  void choose_stream_quantizers();
  bool makes_embeddings(ValueId value) const {
    return std::holds_alternative<EmbedTokens>(model_.graph.producer(value).op);
  }
  /// Scales of each run of sums that are added to sums, and of what it starts from: one for all, or where values grow a
  /// lot, one that doubles as they need it.
  void share_stream_scales();
  void scale_run(const std::vector<ValueId>& members);
  double smallest_scale(ValueId value);
  bool eight_bit() const { return options_.residual == ResidualType::int8; }
  /// Rows of heads have 16 bits always; 8-bit sums keep their codes without zero point in the s16 stream.
  Quantizer stream_quantizer(ValueId value) const;
  bool in_sum(ValueId value) const;
  /// Whether somebody reads the value in 8 bits, or in 16.
  bool feeds_product(ValueId value) const;
  bool feeds_stream(ValueId value) const;

  // quantize_products.cc
  /// K or V: symmetric, or with the zero point of the paper's u8 code, which is stored less 128.
  Quantizer key_or_value(const std::string& name) const;
  /// A linear block's rows as they will be packed: equalization folded in, and what refines weights and biases done.
  FloatRows rows(const LinearBlock& block, ValueId input);
  FloatRows prepared(FloatRows rows, ValueId input);
  /// V's, in the scales of the context's columns.
  FloatRows value_rows(const QkvProduct& op, const Node& node);
  /// Of the latest input; the blocks of a product share it.
  const InputModel& input_model(ValueId input);
  const Equalization* equalization(ValueId value) const;
  /// The gate's block of a QKV product: logits in Q11 (fixed-point.md 6), or an mlp's hidden units, whose product makes
  /// them.
  void add_gate(const QkvProduct& op, const Node& node, WeightPacker& packer, QuantizedQkv& result);
  /// The u8 form of a value, refined as the options say.
  InputCodes& set_codes(ValueId value, const Quantizer& quantizer);
  WeightPacker packer(ValueId input);
  bool refines_weights() const {
    return options_.statistics != nullptr && (options_.compensated_rounding || options_.bias_correction);
  }
  void put_weights(const std::string& name, const WeightPacker& packer);
  QuantizedOp quantize_op(const QkvProduct& op, const Node& node);
  QuantizedOp quantize_op(const AttentionOp& op, const Node& node);
  static void check_copies(const std::string& name, const std::vector<int>& copies, int columns);
  QuantizedOp quantize_op(const Linear& op, const Node& node);
  QuantizedOp quantize_op(const LinearAdd& op, const Node& node);
  /// Weights over an input with saturating copies: the neuron's column as often as the neuron.
  FloatRows linear_add_rows(const LinearAdd& op, ValueId input);
  /// Q20 ratio of scales in an 8-bit sum; above 4 the exact 32-bit arithmetic has no room (fixed-point.md 3).
  static int sum_multiplier(double ratio, const std::string& name);

  // quantize_rows.cc
  /// Words, positions and types, made once.
  const std::vector<ByteTable>& embedding_tables(const Node& node);
  QuantizedOp quantize_op(const EmbedTokens&, const Node& node);
  /// Codes of the embeddings for a product that reads them, as in a decoder without a LayerNorm before it.
  QuantizedEmbedTokens with_bytes(QuantizedEmbedTokens constants, const Node& node);
  /// Words and types make a partial sum in 8 bits, then positions are added (fixed-point.md 9).
  QuantizedEmbedTokens quantize_paper_sum(const Node& node, const std::vector<ByteTable>& tables);
  QuantizedOp quantize_op(const LayerNormOp& op, const Node& node);
  QuantizedOp quantize_op(const EmbedPatches& op, const Node& node);
  QuantizedOp quantize_op(const SelectRows& op, const Node& node);
  // quantize_heads.cc
  /// Logits of 8-bit rows.
  QuantizedLinear quantize_logits(const Linear& op, const Node& node);
  /// 16-bit rows as pairs of u8 rows, in steps of 32 of their product (fixed-point.md 8), or as one row each.
  QuantizedLinear quantize_rows16(const Linear& op, const Node& node);
  /// A head's rows, compensated where the columns of what they read were observed.
  FloatRows head_rows(const LinearBlock& block, ValueId input, const Quantizer& codes) const;
  NormGains equalized(const std::vector<float>& gain, const std::vector<float>& bias, ValueId value) const;
  QuantizedLane put_lane(const std::string& name, const NormGains& gains, const Quantizer& out);

  const Model::Data& model_;
  const Ranges& ranges_;
  const QuantizeOptions& options_;
  std::vector<InputCodes> codes_;  // by value: its u8 form
  std::vector<Quantizer> stream_;  // by value
  std::optional<std::pair<ValueId, InputModel>> input_model_;
  std::map<ValueId, std::array<Quantizer, 3>> qkv_;  // of each QkvProduct: query, key, value
  std::vector<ByteTable> tables_;                    // of the EmbedTokens, once they are made
  TensorMap tensors_;
  QuantizedGraph result_;
};

}  // namespace octavo

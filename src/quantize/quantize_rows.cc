// Ops on rows of tokens: embeddings, LayerNorm, and the rows that heads read.
#include "base/fixed_point.h"
#include "graph/names.h"
#include "quantize/equalize.h"
#include "quantize/float_rows.h"
#include "quantize/graph_quantizer.h"
#include "quantize/quantized_heads.h"

#include "octavo/error.h"

#include <Eigen/Core>

#include <algorithm>

namespace octavo {
namespace {

/// The word embeddings [vocabulary, columns], as a projection leaves them.
std::vector<float> word_rows(const Model::Data& model, const EmbedTokens& op, int columns) {
  std::vector<float> words = float_values(model, op.word);
  if (op.projection.empty()) return words;
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const std::vector<float> weight = float_values(model, op.projection);
  const auto width = static_cast<Eigen::Index>(weight.size()) / columns,
             count = static_cast<Eigen::Index>(words.size()) / width;
  std::vector<float> result(static_cast<std::size_t>(count) * static_cast<std::size_t>(columns));
  Eigen::Map<Matrix>(result.data(), count, columns).noalias() =
      Eigen::Map<const Matrix>(words.data(), count, width) *
      Eigen::Map<const Matrix>(weight.data(), columns, width).transpose();
  return result;
}

/// Codes of the embeddings for a product that reads them, as in a decoder without a LayerNorm before it.
QuantizedEmbedTokens with_bytes(GraphQuantizer& q, QuantizedEmbedTokens constants, const Node& node) {
  if (!q.feeds_product(node.output)) return constants;
  const Range r = q.range(q.name(node));
  InputCodes& codes = q.set_codes(node.output, asymmetric_u8(r.low, r.high));
  codes.refined = {};  // words have fine codes, not their sum
  constants.bytes = bytes_of_stream(q.stream(node.output).scale, codes.quantizer);
  return constants;
}

/// Words and types make a partial sum in 8 bits, then positions are added (fixed-point.md 9).
QuantizedEmbedTokens quantize_static_w8a8_sum(GraphQuantizer& q, const Node& node,
                                              const std::vector<ByteTable>& tables) {
  const std::string& name = q.name(node);
  if (std::get<EmbedTokens>(node.op).position.empty())
    throw Error(name + ": adds no positions, which the paper's setting does");
  const Range words_and_types = q.range(stage_name(name, Stage::partial));
  const Quantizer partial = asymmetric_u8(words_and_types.low, words_and_types.high);
  const Quantizer sum = q.stream_quantizer(node.output);
  const char* parts[] = {part::kWord, part::kPosition, part::kType};
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const double scale = i == 1 ? sum.scale : partial.scale;
    sum_multiplier(tables[i].largest_scale() / scale, name + parts[i]);
    q.put(name + parts[i], tables[i].codes());
    q.put(name + parts[i] + kRowMultiplier, tables[i].multipliers(scale / 32.0));  // Q20 is 32 times Q15
  }
  q.stream(node.output) = sum;
  return {.sum = stored(sum),
          .partial = stored(partial),
          .partial_multiplier = sum_multiplier(partial.scale / sum.scale, name)};
}

NormGains equalized(const GraphQuantizer& q, const std::vector<float>& gain, const std::vector<float>& bias,
                    ValueId value) {
  NormGains gains{{gain.begin(), gain.end()}, {bias.begin(), bias.end()}};
  if (const Equalization* e = q.equalization(value)) {
    if (e->scale.size() != gain.size() || e->shift.size() != gain.size()) {
      throw Error(q.graph().name(value) + ": its equalization has " + std::to_string(e->scale.size()) + " scales for " +
                  std::to_string(gain.size()) + " columns");
    }
    for (std::size_t j = 0; j < gain.size(); ++j) {
      gains.gain[j] /= static_cast<double>(e->scale[j]);
      gains.bias[j] = (gains.bias[j] - static_cast<double>(e->shift[j])) / static_cast<double>(e->scale[j]);
    }
  }
  return gains;
}

}  // namespace

const std::vector<ByteTable>& GraphQuantizer::embedding_tables(const Node& node) {
  const auto& op = std::get<EmbedTokens>(node.op);
  const int columns = model_.graph.columns(node.output);
  if (tables_.empty()) {
    tables_.push_back(byte_table(word_rows(model_, op, columns), columns, op.word, options_.static_w8a8));
    for (const std::string* table : {&op.position, &op.type}) {
      if (!table->empty()) tables_.push_back(byte_table(floats(*table), columns, *table, options_.static_w8a8));
    }
  }
  return tables_;
}

QuantizedNormOutput GraphQuantizer::put_norm_output(const std::string& name, const NormGains& gains,
                                                    const Quantizer& out) {
  NormOutputConstants output = norm_output(gains, out, name);
  put(name + part::kGain, std::move(output.gain));
  put(name + part::kOffset, std::move(output.offset));
  return {.exists = true, .shift = output.shift, .low = out.low, .high = out.high, .encoding = stored(out)};
}

template <>
QuantizedEmbedTokens quantize_op(GraphQuantizer& q, const EmbedTokens& op, const Node& node) {
  const std::string& name = q.name(node);
  const std::vector<ByteTable>& tables = q.embedding_tables(node);
  if (q.options().static_w8a8) return with_bytes(q, quantize_static_w8a8_sum(q, node, tables), node);
  Quantizer& sum = q.stream(node.output);
  if (!q.in_sum(node.output)) {
    sum = q.stream_quantizer(node.output);
    for (const ByteTable& table : tables) sum.scale = std::max(sum.scale, table.smallest_step());
    sum = {.scale = sum.scale, .zero_point = 0, .low = -32768, .high = 32767};
  }
  std::vector<const char*> parts = {part::kWord};
  if (!op.position.empty()) parts.push_back(part::kPosition);
  if (!op.type.empty()) parts.push_back(part::kType);
  for (std::size_t i = 0; i < tables.size(); ++i) {
    q.put(name + parts[i], tables[i].codes());
    q.put(name + parts[i] + kRowMultiplier, tables[i].multipliers(sum.scale));
  }
  const auto refined = q.options().refinements.find(name);
  const bool fine_words = refined != q.options().refinements.end() && refined->second.fine;
  if (fine_words) {
    const int columns = q.graph().columns(node.output);
    const ByteTable rest = byte_table(tables[0].rest(word_rows(q.model(), op, columns)), columns, op.word);
    q.put(name + part::kWordFine, rest.codes());
    q.put(name + part::kWordFine + kRowMultiplier, rest.multipliers(sum.scale));
  }
  return with_bytes(q, {.sum = stored(sum), .fine_words = fine_words}, node);
}

template <>
QuantizedLayerNorm quantize_op(GraphQuantizer& q, const LayerNormOp& op, const Node& node) {
  const std::string& name = q.name(node);
  const double input_scale = q.stream(node.inputs[0]).scale;
  const std::vector<float> gain = q.floats(op.weights.gain), bias = q.floats(op.weights.bias);
  QuantizedLayerNorm result{
      .epsilon = norm_epsilon(op.weights.epsilon, gain.size(), input_scale), .bytes = {}, .stream = {}};
  if (q.feeds_product(node.output)) {
    const std::string own = stage_name(name, Stage::bytes);
    const Range r = q.range(q.has_range(own) ? own : name);
    const Quantizer bytes = asymmetric_u8(r.low, r.high);
    result.refined = q.set_codes(node.output, bytes).refined;
    result.bytes = q.put_norm_output(name + part::kU8Output, equalized(q, gain, bias, node.output),
                                     finer(bytes, result.refined.fine_bits));
    result.bytes.encoding = stored(bytes);
  }
  if (q.feeds_stream(node.output)) {
    const Quantizer& stream = q.stream(node.output);
    NormGains gains{{gain.begin(), gain.end()}, {bias.begin(), bias.end()}};
    const std::vector<double>& column_scales = q.column_scales(node.output);
    for (std::size_t j = 0; j < column_scales.size(); ++j) {
      gains.gain[j] /= column_scales[j];
      gains.bias[j] /= column_scales[j];
    }
    Quantizer centred = stream;
    centred.zero_point = 0;  // stream codes are held without zero point
    result.stream = q.put_norm_output(name + part::kS16Output, gains, centred);
    result.stream.encoding.zero_point = 0;
  }
  return result;
}

template <>
QuantizedSelectRows quantize_op(GraphQuantizer& q, const SelectRows& op, const Node& node) {
  const Quantizer& in = q.stream(node.inputs[0]);
  q.stream(node.output) = in;
  QuantizedSelectRows result{.encoding = {.scale = static_cast<float>(in.scale)}};
  if (op.selection == Selection::weighted) {
    const Log2Multiplier score = make_log2_multiplier(q.stream(node.inputs[1]).scale, q.name(node));
    result.score_multiplier = score.multiplier;
    result.score_shift = score.shift;
  }
  return result;
}

}  // namespace octavo

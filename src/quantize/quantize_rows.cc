// Embeddings of tokens and patches, LayerNorm, and the rows that heads read.
#include "base/fixed_point.h"
#include "graph/names.h"
#include "quantize/equalize.h"
#include "quantize/float_rows.h"
#include "quantize/graph_quantizer.h"
#include "quantize/quantized_heads.h"
#include "quantize/quantized_image.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>

namespace octavo {

const std::vector<ByteTable>& GraphQuantizer::embedding_tables(const Node& node) {
  const auto& op = std::get<EmbedTokens>(node.op);
  const int columns = model_.graph.columns(node.output);
  if (tables_.empty()) {
    tables_.push_back(byte_table(word_rows(model_, op, columns), columns, op.word, options_.paper));
    for (const std::string* table : {&op.position, &op.type}) {
      if (!table->empty()) tables_.push_back(byte_table(floats(*table), columns, *table, options_.paper));
    }
  }
  return tables_;
}

QuantizedOp GraphQuantizer::quantize_op(const EmbedTokens&, const Node& node) {
  const std::string& name = model_.graph.name(node.output);
  const std::vector<ByteTable>& tables = embedding_tables(node);
  if (options_.paper) return with_bytes(quantize_paper_sum(node, tables), node);
  Quantizer& sum = stream_[static_cast<std::size_t>(node.output)];
  if (!in_sum(node.output)) {
    sum = stream_quantizer(node.output);
    for (const ByteTable& table : tables) sum.scale = std::max(sum.scale, table.smallest_step());
    sum = {.scale = sum.scale, .zero_point = 0, .low = -32768, .high = 32767};
  }
  const char* parts[] = {part::kWord, part::kPosition, part::kType};
  for (std::size_t i = 0; i < tables.size(); ++i) {
    put(name + parts[i], tables[i].codes());
    put(name + parts[i] + kRowMultiplier, tables[i].multipliers(sum.scale));
  }
  const auto refined = options_.refinements.find(name);
  const bool fine_words = refined != options_.refinements.end() && refined->second.fine;
  if (fine_words) {
    const auto& op = std::get<EmbedTokens>(node.op);
    const int columns = model_.graph.columns(node.output);
    const ByteTable rest = byte_table(tables[0].rest(word_rows(model_, op, columns)), columns, op.word);
    put(name + part::kWordFine, rest.codes());
    put(name + part::kWordFine + kRowMultiplier, rest.multipliers(sum.scale));
  }
  return with_bytes({.sum = stored(sum), .fine_words = fine_words}, node);
}

QuantizedEmbedTokens GraphQuantizer::with_bytes(QuantizedEmbedTokens constants, const Node& node) {
  if (!feeds_product(node.output)) return constants;
  const Range r = range(model_.graph.name(node.output));
  InputCodes& codes = set_codes(node.output, asymmetric_u8(r.low, r.high));
  codes.refined = {};  // words have fine codes, not their sum
  constants.bytes = bytes_of_stream(stream_[static_cast<std::size_t>(node.output)].scale, codes.quantizer);
  return constants;
}

QuantizedEmbedTokens GraphQuantizer::quantize_paper_sum(const Node& node, const std::vector<ByteTable>& tables) {
  const std::string& name = model_.graph.name(node.output);
  const Range words_and_types = range(stage_name(name, Stage::partial));
  const Quantizer partial = asymmetric_u8(words_and_types.low, words_and_types.high);
  const Quantizer sum = stream_quantizer(node.output);
  const char* parts[] = {part::kWord, part::kPosition, part::kType};
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const double scale = i == 1 ? sum.scale : partial.scale;
    sum_multiplier(tables[i].largest_scale() / scale, name + parts[i]);
    put(name + parts[i], tables[i].codes());
    put(name + parts[i] + kRowMultiplier, tables[i].multipliers(scale / 32.0));  // Q20 is 32 times Q15
  }
  stream_[static_cast<std::size_t>(node.output)] = sum;
  return {.sum = stored(sum),
          .partial = stored(partial),
          .partial_multiplier = sum_multiplier(partial.scale / sum.scale, name)};
}

QuantizedOp GraphQuantizer::quantize_op(const LayerNormOp& op, const Node& node) {
  const std::string& name = model_.graph.name(node.output);
  const double input_scale = stream_[static_cast<std::size_t>(node.inputs[0])].scale;
  const std::vector<float> gain = floats(op.weights.gain), bias = floats(op.weights.bias);
  QuantizedLayerNorm result{
      .epsilon = norm_epsilon(op.weights.epsilon, gain.size(), input_scale), .bytes = {}, .stream = {}};
  if (feeds_product(node.output)) {
    const std::string own = stage_name(name, Stage::bytes);
    const Range r = range(ranges_.contains(own) ? own : name);
    const Quantizer bytes = asymmetric_u8(r.low, r.high);
    result.refined = set_codes(node.output, bytes).refined;
    result.bytes =
        put_lane(name + part::kBytesLane, equalized(gain, bias, node.output), finer(bytes, result.refined.fine_bits));
    result.bytes.encoding = stored(bytes);
  }
  if (feeds_stream(node.output)) {
    const Quantizer& stream = stream_[static_cast<std::size_t>(node.output)];
    NormGains gains{{gain.begin(), gain.end()}, {bias.begin(), bias.end()}};
    Quantizer centred = stream;
    centred.zero_point = 0;  // stream codes are held without zero point
    result.stream = put_lane(name + part::kStreamLane, gains, centred);
    result.stream.encoding.zero_point = 0;
  }
  return result;
}

QuantizedOp GraphQuantizer::quantize_op(const EmbedPatches& op, const Node& node) {
  const std::string& name = model_.graph.name(node.output);
  Quantizer& stream = stream_[static_cast<std::size_t>(node.output)];
  if (!in_sum(node.output)) stream = stream_quantizer(node.output);  // a LayerNorm alone reads it
  FloatRows weights = pixel_rows(op, floats(op.projection.weight),
                                 op.projection.bias.empty() ? std::vector<float>{} : floats(op.projection.bias));
  QuantizedEmbedPatches result;
  result.stream = {.scale = static_cast<float>(stream.scale)};
  result.low = stream.low;
  result.high = stream.high;
  WeightPacker packer(weights.inputs, kPixels, options_.weights);
  if (op.norm) {
    const Range r = range(stage_name(name, Stage::product));
    const Quantizer product = symmetric_s16(r.low, r.high);
    const std::vector<float> gain = floats(op.norm->gain), bias = floats(op.norm->bias);
    result.epsilon = norm_epsilon(op.norm->epsilon, gain.size(), product.scale);
    Quantizer lane{.scale = stream.scale, .zero_point = 0, .low = -32768, .high = 32767};
    result.norm = put_lane(name + part::kStreamLane, {{gain.begin(), gain.end()}, {bias.begin(), bias.end()}}, lane);
    result.block = packer.add({{std::move(weights), product.scale, stored(product)}})[0];
  } else {
    result.block = packer.add({{std::move(weights), stream.scale, {.scale = static_cast<float>(stream.scale)}}})[0];
  }
  result.depth = packer.depth();
  put_weights(name, packer);
  std::vector<std::vector<float>> tokens;
  for (const PrefixRows& rows : op.prefix) tokens.push_back(floats(rows.token));
  put(name + part::kRows, image_rows(op, tokens, floats(op.position), stream));
  return result;
}

QuantizedOp GraphQuantizer::quantize_op(const SelectRows&, const Node& node) {
  const Quantizer& in = stream_[static_cast<std::size_t>(node.inputs[0])];
  stream_[static_cast<std::size_t>(node.output)] = in;
  return QuantizedSelectRows{.encoding = {.scale = static_cast<float>(in.scale)}};
}

NormGains GraphQuantizer::equalized(const std::vector<float>& gain, const std::vector<float>& bias,
                                    ValueId value) const {
  NormGains gains{{gain.begin(), gain.end()}, {bias.begin(), bias.end()}};
  if (const Equalization* e = equalization(value)) {
    if (e->scale.size() != gain.size() || e->shift.size() != gain.size()) {
      throw Error(model_.graph.name(value) + ": its equalization has " + std::to_string(e->scale.size()) +
                  " scales for " + std::to_string(gain.size()) + " columns");
    }
    for (std::size_t j = 0; j < gain.size(); ++j) {
      gains.gain[j] /= static_cast<double>(e->scale[j]);
      gains.bias[j] = (gains.bias[j] - static_cast<double>(e->shift[j])) / static_cast<double>(e->scale[j]);
    }
  }
  return gains;
}

QuantizedLane GraphQuantizer::put_lane(const std::string& name, const NormGains& gains, const Quantizer& out) {
  NormLaneConstants lane = norm_lane(gains, out, name);
  put(name + part::kGain, std::move(lane.gain));
  put(name + part::kOffset, std::move(lane.offset));
  return {.exists = true, .shift = lane.shift, .low = out.low, .high = out.high, .encoding = stored(out)};
}

}  // namespace octavo

#include "quantize.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "equalize.h"
#include "fixed_point.h"
#include "gate_rows.h"
#include "float_rows.h"
#include "octavo/error.h"
#include "quantized_image.h"
#include "quantized_language.h"
#include "quantized_tables.h"
#include "quantized_weights.h"
#include "safetensors.h"
#include "weight_refinement.h"

namespace octavo {
namespace {

constexpr double kStreamGrowth = 16.0;  // of a run of sums above which one scale for all would be too coarse for the first

Encoding stored(const Quantizer& quantizer) {
  return {.scale = static_cast<float>(quantizer.scale), .zero_point = quantizer.zero_point};
}

/// Walks the graph once, in order. Every value has at most two forms: u8 codes for the GEMM that reads it, and s16 codes on
/// the residual stream.
class GraphQuantizer {
 public:
  GraphQuantizer(const Model::Data& model, const Ranges& ranges, const QuantizeOptions& options)
      : model_(model), ranges_(ranges), options_(options), bytes_(model.graph.values.size()),
        stream_(model.graph.values.size()), copies_(model.graph.values.size()) {}

  Model::Data run() {
    choose_stream_quantizers();
    for (const Node& node : model_.graph.nodes) {
      result_.ops.push_back(std::visit([&](const auto& op) { return quantize_op(op, node); }, node.op));
    }
    Model::Data data;
    data.info = model_.info;
    data.graph = model_.graph;
    data.tensors = std::move(tensors_);
    data.tokenizer = model_.tokenizer;
    data.labels = model_.labels;
    data.integer = std::move(result_);
    return data;
  }

 private:
  Range range(const std::string& name) const {
    const auto found = ranges_.find(name);
    if (found == ranges_.end()) throw Error("calibration has no range for " + name);
    if (!std::isfinite(found->second.low) || !std::isfinite(found->second.high) || found->second.low > found->second.high) {
      throw Error("the calibrated range of " + name + " is not finite");
    }
    return found->second;
  }

  std::vector<float> floats(const std::string& name) const { return float_values(model_, name); }

  void put(const std::string& name, Tensor tensor) { tensors_.insert_or_assign(name, std::move(tensor)); }

  /// Quantizer of a value on the residual stream. In a post-LayerNorm model a residual sum has its own; the lane that a LayerNorm writes
  /// is already in the scale of the next sum (fixed-point.md 3), or in its own where the sums are 8 bits or no sum follows. Sums
  /// that are added to sums, as in a pre-LayerNorm model, all share one.
  void choose_stream_quantizers() {
    for (const Node& node : model_.graph.nodes) {
      const auto output = static_cast<std::size_t>(node.output);
      if (std::holds_alternative<LinearAdd>(node.op)) {
        stream_[output] = stream_quantizer(model_.graph.name(node.output));
        const auto residual = static_cast<std::size_t>(node.inputs[1]);
        if (eight_bit() && !options_.paper && makes_embeddings(node.inputs[1])) {
          throw Error(model_.graph.name(node.output) + ": 8-bit sums need a LayerNorm after the token embeddings, expected a 16-bit residual stream");
        }
        stream_[residual] = eight_bit() ? stream_quantizer(model_.graph.name(node.inputs[1])) : stream_[output];
      }
    }
    if (!eight_bit()) share_stream_scales();
    const ValueId hidden = model_.graph.hidden();
    if (!std::holds_alternative<LinearAdd>(producer(hidden).op)) {
      stream_[static_cast<std::size_t>(hidden)] = stream_quantizer(model_.graph.name(hidden));
    }
  }

  bool makes_embeddings(ValueId value) const { return std::holds_alternative<EmbedTokens>(producer(value).op); }

  /// Scales of each run of sums that are added to sums, and of what it starts from: one for all, or where values grow a lot, one that
  /// doubles as they need it.
  void share_stream_scales() {
    std::vector<ValueId> members;
    const auto share = [&] {
      if (members.size() > 2 || (!members.empty() && makes_embeddings(members[0]))) scale_run(members);
      members.clear();
    };
    for (const Node& node : model_.graph.nodes) {
      if (!std::holds_alternative<LinearAdd>(node.op)) continue;
      if (members.empty() || members.back() != node.inputs[1]) {
        share();
        members.push_back(node.inputs[1]);
      }
      members.push_back(node.output);
    }
    share();
  }

  void scale_run(const std::vector<ValueId>& members) {
    std::vector<double> needed;  // by a value and those before it
    for (const ValueId id : members) needed.push_back(std::max(needed.empty() ? 0.0 : needed.back(), smallest_scale(id)));
    const double largest = needed.back();
    const bool grows = largest > kStreamGrowth * needed.front();
    for (std::size_t i = 0; i < members.size(); ++i) {
      const double halvings = grows ? std::floor(std::log2(largest / needed[i])) : 0.0;
      stream_[static_cast<std::size_t>(members[i])].scale = std::ldexp(largest, -static_cast<int>(std::min(halvings, 15.0)));
    }
  }

  double smallest_scale(ValueId value) {
    double scale = stream_quantizer(model_.graph.name(value)).scale;
    if (!makes_embeddings(value)) return scale;
    for (const ByteTable& table : embedding_tables(producer(value))) scale = std::max(scale, table.smallest_step());
    return scale;
  }

  const Node& producer(ValueId value) const {
    const auto makes = [&](const Node& node) { return node.output == value; };
    return *std::find_if(model_.graph.nodes.begin(), model_.graph.nodes.end(), makes);
  }

  bool eight_bit() const { return options_.residual == ResidualType::int8; }

  /// 8-bit sums keep their codes without zero point in the s16 stream.
  Quantizer stream_quantizer(const std::string& name) const {
    const Range r = range(name);
    if (!eight_bit()) return symmetric_s16(r.low, r.high);
    Quantizer q = asymmetric_u8(r.low, r.high);
    q.low = -q.zero_point;
    q.high = 255 - q.zero_point;
    return q;
  }

  /// Words, positions and types, made once.
  const std::vector<ByteTable>& embedding_tables(const Node& node) {
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

  QuantizedOp quantize_op(const EmbedTokens&, const Node& node) {
    const std::string& name = model_.graph.name(node.output);
    const std::vector<ByteTable>& tables = embedding_tables(node);
    if (options_.paper) return with_bytes(quantize_paper_sum(node, tables), node);
    Quantizer& sum = stream_[static_cast<std::size_t>(node.output)];
    if (!in_sum(node.output)) {
      sum = stream_quantizer(name);
      for (const ByteTable& table : tables) sum.scale = std::max(sum.scale, table.smallest_step());
      sum = {.scale = sum.scale, .zero_point = 0, .low = -32768, .high = 32767};
    }
    const char* parts[] = {"word", "position", "type"};
    for (std::size_t i = 0; i < tables.size(); ++i) {
      put(name + "." + parts[i], tables[i].codes());
      put(name + "." + parts[i] + "_multiplier", tables[i].multipliers(sum.scale));
    }
    return with_bytes({.sum = stored(sum)}, node);
  }

  /// Codes of the embeddings for a product that reads them, as in a decoder without a LayerNorm before it.
  QuantizedEmbedTokens with_bytes(QuantizedEmbedTokens constants, const Node& node) {
    if (!feeds_product(node.output)) return constants;
    const Range r = range(model_.graph.name(node.output));
    Quantizer& bytes = bytes_[static_cast<std::size_t>(node.output)];
    bytes = asymmetric_u8(r.low, r.high);
    constants.bytes = bytes_of_stream(stream_[static_cast<std::size_t>(node.output)].scale, bytes);
    return constants;
  }

  /// Words and types make a partial sum in 8 bits, then positions are added (fixed-point.md 9).
  QuantizedEmbedTokens quantize_paper_sum(const Node& node, const std::vector<ByteTable>& tables) {
    const std::string& name = model_.graph.name(node.output);
    const Quantizer partial = asymmetric_u8(range(name + ".partial").low, range(name + ".partial").high);
    const Quantizer sum = stream_quantizer(name);
    const char* parts[] = {"word", "position", "type"};
    for (std::size_t i = 0; i < tables.size(); ++i) {
      const double scale = i == 1 ? sum.scale : partial.scale;
      sum_multiplier(tables[i].largest_scale() / scale, name + "." + parts[i]);
      put(name + "." + parts[i], tables[i].codes());
      put(name + "." + parts[i] + "_multiplier", tables[i].multipliers(scale / 32.0));  // Q20 is 32 times Q15
    }
    stream_[static_cast<std::size_t>(node.output)] = sum;
    return {.sum = stored(sum),
            .partial = stored(partial),
            .partial_multiplier = sum_multiplier(partial.scale / sum.scale, name)};
  }

  /// K or V: symmetric, or with the zero point of the paper's u8 code, which is stored less 128.
  Quantizer key_or_value(const std::string& name) const {
    if (!options_.paper) return symmetric_s8(range(name).low, range(name).high);
    Quantizer q = asymmetric_u8(range(name).low, range(name).high);
    q.zero_point -= 128;
    return q;
  }

  /// A linear block's rows as they will be packed: equalization folded in, and what refines weights and biases done.
  FloatRows rows(const LinearBlock& block, ValueId input) {
    return prepared(block_rows(model_, block, model_.graph.columns(input)), input);
  }

  FloatRows prepared(FloatRows rows, ValueId input) {
    if (const Equalization* e = equalization(input)) fold(*e, rows);
    const Refinement refinement{.compensate = options_.compensated_rounding, .correct_bias = options_.bias_correction};
    if (options_.statistics == nullptr || !(refinement.compensate || refinement.correct_bias)) return rows;
    rows.scales = weight_scales(rows, options_.weights, bytes_[static_cast<std::size_t>(input)].scale);
    input_model(input).refine(rows, refinement);
    return rows;
  }

  /// Of the latest input; the blocks of a product share it.
  InputModel& input_model(ValueId input) {
    if (!input_model_ || input_model_->first != input) {
      const auto index = static_cast<std::size_t>(input);
      const std::string& name = model_.graph.name(input);
      const auto found = options_.statistics->find(name);
      if (found == options_.statistics->end()) throw Error("calibration has no statistics of " + name);
      const Equalization* e = equalization(input);
      input_model_.emplace(input, InputModel(e ? equalized_statistics(found->second, *e) : found->second, bytes_[index],
                                             copies_[index]));
    }
    return input_model_->second;
  }

  const Equalization* equalization(ValueId value) const {
    const auto found = options_.equalization.find(model_.graph.name(value));
    return found == options_.equalization.end() ? nullptr : &found->second;
  }

  /// The gate's block of a QKV product: logits in Q11 (fixed-point.md 6), or an mlp's hidden units, whose product makes them.
  void add_gate(const QkvProduct& op, const std::string& name, ValueId x, WeightPacker& packer, QuantizedQkv& result) {
    const double step = 1.0 / 2048.0;
    const Encoding logits{.scale = static_cast<float>(step)};
    FloatRows rows = prepared(gate_rows(model_, op, name + ".gate", model_.graph.columns(x)), x);
    if (op.gate_kind != GateKind::mlp) {
      result.gate = packer.add({{std::move(rows), step, logits}});
      return;
    }
    float high = 0.0f;  // of the ReLU, over all heads
    for (const LinearBlock& block : op.gate) high = std::max(high, range(block.name).high);
    const Quantizer hidden = asymmetric_u8(0.0f, high);
    result.gate = packer.add({{std::move(rows), hidden.scale, stored(hidden)}});
    const std::string output = name + ".gate_output";
    WeightPacker second(gate_columns(op), hidden, options_.weights);
    result.gate_output.push_back({.depth = second.depth(), .block = second.add({{gate_output_rows(model_, op, output), step, logits}})[0]});
    put_weights(output, second);
  }

  WeightPacker packer(ValueId input) const {
    const auto index = static_cast<std::size_t>(input);
    const std::vector<int>& copies = copies_[index];
    std::vector<bool> carries;
    for (const int r : copies) {
      for (int i = 0; i < r; ++i) carries.push_back(i == 0);
    }
    const int inputs = copies.empty() ? model_.graph.columns(input) : static_cast<int>(carries.size());
    return {inputs, bytes_[index], options_.weights, std::move(carries)};
  }

  void put_weights(const std::string& name, const WeightPacker& packer) {
    put(name + ".weight", packer.weight());
    put(name + ".bias", packer.bias());
    put(name + ".multiplier", packer.multiplier());
  }

  QuantizedOp quantize_op(const QkvProduct& op, const Node& node) {
    const std::string& name = model_.graph.name(node.output);
    const ValueId x = node.inputs[0];
    const Quantizer q = asymmetric_u8(range(op.query.name).low, range(op.query.name).high);
    const Quantizer k = key_or_value(op.key.name), v = key_or_value(op.value.name);
    WeightPacker packer = this->packer(x);
    const auto block = [&](const LinearBlock& linear, const Quantizer& out) {
      const Encoding encoding = stored(out);  // the product is requantized to the f32 scale that the file states
      return BlockRows{rows(linear, x), static_cast<double>(encoding.scale), encoding};
    };
    const auto blocks = packer.add({block(op.query, q), block(op.key, k), block(op.value, v)});
    QuantizedQkv result{.depth = packer.depth(), .query = blocks[0], .key = blocks[1], .value = blocks[2], .asymmetric = options_.paper, .gate = {}, .gate_output = {}};
    if (!op.gate.empty()) add_gate(op, name, x, packer, result);
    put_weights(name, packer);
    qkv_ = {q, k, v};
    return result;
  }

  QuantizedOp quantize_op(const AttentionOp& op, const Node& node) {
    const std::string& name = model_.graph.name(node.output);
    const Quantizer context = asymmetric_u8(range(name).low, range(name).high);
    bytes_[static_cast<std::size_t>(node.output)] = context;
    if (op.gate && op.gate->type == GateType::unconditional_per_head) {
      put(name + ".gate", gate_logits(floats(op.gate->logits)));
    }
    if (!options_.paper) return attention_constants(op, qkv_[0].scale * qkv_[1].scale, qkv_[2].scale, context, name);
    const Range scores = range(name + ".scores");
    PaperAttentionConstants paper = paper_attention_constants(op,
                                                              {.product_scale = qkv_[0].scale * qkv_[1].scale,
                                                               .value_scale = qkv_[2].scale,
                                                               .score = asymmetric_u8(scores.low, scores.high),
                                                               .largest_probability = range(name + ".probs").high,
                                                               .context = context},
                                                              name);
    put(name + ".exponential", std::move(paper.exponential));
    return paper.constants;
  }

  static void check_copies(const std::string& name, const std::vector<int>& copies, int columns) {
    const bool positive = std::all_of(copies.begin(), copies.end(), [](int r) { return r >= 1; });
    if (!positive || copies.size() != static_cast<std::size_t>(columns)) {
      throw Error(name + ": it has " + std::to_string(copies.size()) + " numbers of copies, expected " +
                  std::to_string(columns) + ", each at least 1");
    }
  }

  QuantizedOp quantize_op(const Linear& op, const Node& node) {
    const std::string& name = model_.graph.name(node.output);
    Quantizer out = asymmetric_u8(range(name).low, range(name).high);
    WeightPacker packer = this->packer(node.inputs[0]);
    FloatRows weights = rows(op.weights, node.inputs[0]);
    const auto copies = options_.copies.find(name);
    if (copies != options_.copies.end()) {
      if (op.activation == Activation::none) throw Error(name + ": saturating copies need a GELU or a ReLU");
      check_copies(name, copies->second, weights.columns);
      copies_[static_cast<std::size_t>(node.output)] = copies->second;
      weights = repeat_rows(weights, copies->second);
    }
    QuantizedLinear result;
    result.pieces = op.activation == Activation::gelu || copies != options_.copies.end();
    if (result.pieces) {
      const GeluConstants gelu = gelu_constants(op.activation, out, copies_[static_cast<std::size_t>(node.output)], weights.columns);
      result.gelu_fraction_bits = gelu.fraction_bits;
      result.gelu_limit = gelu.limit;
      result.gelu_normalize = gelu.normalize;
      result.gelu_inverse = gelu.inverse;
      put(name + ".gelu_base", gelu.base);
      put(name + ".gelu_slope", gelu.slope);
      put(name + ".gelu_offset", gelu.offset);
      result.block = packer.add({{std::move(weights), gelu.step, stored(out)}})[0];
    } else {
      result.block = packer.add({{std::move(weights), out.scale, stored(out)}})[0];
    }
    result.depth = packer.depth();
    put_weights(name, packer);
    bytes_[static_cast<std::size_t>(node.output)] = out;
    return result;
  }

  QuantizedOp quantize_op(const LinearAdd& op, const Node& node) {
    const std::string& name = model_.graph.name(node.output);
    const Quantizer& sum = stream_[static_cast<std::size_t>(node.output)];
    const Quantizer& residual = stream_[static_cast<std::size_t>(node.inputs[1])];
    FloatRows weights = linear_add_rows(op, node.inputs[0]);
    WeightPacker packer = this->packer(node.inputs[0]);
    QuantizedLinearAdd result;
    if (eight_bit()) {
      const Range r = range(name + ".product");
      const Quantizer product = asymmetric_u8(r.low, r.high);
      result.eight_bit = true;
      result.product = stored(product);
      result.product_multiplier = sum_multiplier(product.scale / sum.scale, name);
      result.stream_multiplier = sum_multiplier(residual.scale / sum.scale, name);
      result.block = packer.add({{std::move(weights), product.scale, stored(sum)}})[0];
    } else {
      result.block = packer.add({{std::move(weights), sum.scale, stored(sum)}})[0];
      result.stream_shift = static_cast<int>(std::lround(std::log2(sum.scale / residual.scale)));
    }
    result.depth = packer.depth();
    put_weights(name, packer);
    return result;
  }

  /// Weights over an input with saturating copies: the neuron's column as often as the neuron.
  FloatRows linear_add_rows(const LinearAdd& op, ValueId input) {
    const FloatRows plain = rows(op.weights, input);
    const std::vector<int>& copies = copies_[static_cast<std::size_t>(input)];
    return copies.empty() ? plain : repeat_columns(plain, copies);
  }

  /// Q20 ratio of scales in an 8-bit sum; above 4 the exact 32-bit arithmetic has no room (fixed-point.md 3).
  static int sum_multiplier(double ratio, const std::string& name) {
    if (!(ratio <= 4.0)) throw Error(name + ": a term's scale is " + std::to_string(ratio) + " times its 8-bit sum's, at most 4 fit");
    return static_cast<int>(std::nearbyint(std::ldexp(ratio, 20)));
  }

  QuantizedOp quantize_op(const LayerNormOp& op, const Node& node) {
    const std::string& name = model_.graph.name(node.output);
    const double input_scale = stream_[static_cast<std::size_t>(node.inputs[0])].scale;
    const std::vector<float> gain = floats(op.gain), bias = floats(op.bias);
    QuantizedLayerNorm result{.epsilon = norm_epsilon(op.epsilon, gain.size(), input_scale), .bytes = {}, .stream = {}};
    if (feeds_product(node.output)) {
      const Range r = range(ranges_.contains(name + ".bytes") ? name + ".bytes" : name);
      const Quantizer bytes = asymmetric_u8(r.low, r.high);
      bytes_[static_cast<std::size_t>(node.output)] = bytes;
      result.bytes = put_lane(name + ".bytes", equalized(gain, bias, node.output), bytes);
    }
    if (feeds_stream(node.output)) {
      const Quantizer& stream = stream_[static_cast<std::size_t>(node.output)];
      NormGains gains{{gain.begin(), gain.end()}, {bias.begin(), bias.end()}};
      Quantizer centred = stream;
      centred.zero_point = 0;  // stream codes are held without zero point
      result.stream = put_lane(name + ".stream", gains, centred);
      result.stream.encoding.zero_point = 0;
    }
    return result;
  }

  QuantizedOp quantize_op(const EmbedPatches& op, const Node& node) {
    const std::string& name = model_.graph.name(node.output);
    Quantizer& stream = stream_[static_cast<std::size_t>(node.output)];
    if (!in_sum(node.output)) stream = stream_quantizer(name);  // a LayerNorm alone reads it
    FloatRows weights = pixel_rows(op, floats(op.projection.weight), op.projection.bias.empty() ? std::vector<float>{} : floats(op.projection.bias));
    QuantizedEmbedPatches result;
    result.stream = {.scale = static_cast<float>(stream.scale)};
    result.low = stream.low;
    result.high = stream.high;
    WeightPacker packer(weights.inputs, kPixels, options_.weights);
    if (op.norm) {
      const Range r = range(name + ".product");
      const Quantizer product = symmetric_s16(r.low, r.high);
      const std::vector<float> gain = floats(op.norm->gain), bias = floats(op.norm->bias);
      result.epsilon = norm_epsilon(op.norm->epsilon, gain.size(), product.scale);
      Quantizer lane{.scale = stream.scale, .zero_point = 0, .low = -32768, .high = 32767};
      result.norm = put_lane(name + ".stream", {{gain.begin(), gain.end()}, {bias.begin(), bias.end()}}, lane);
      result.block = packer.add({{std::move(weights), product.scale, stored(product)}})[0];
    } else {
      result.block = packer.add({{std::move(weights), stream.scale, {.scale = static_cast<float>(stream.scale)}}})[0];
    }
    result.depth = packer.depth();
    put_weights(name, packer);
    std::vector<std::vector<float>> tokens;
    for (const PrefixRows& rows : op.prefix) tokens.push_back(floats(rows.token));
    put(name + ".rows", image_rows(op, tokens, floats(op.position), stream));
    return result;
  }

  bool in_sum(ValueId value) const {
    return std::any_of(model_.graph.nodes.begin(), model_.graph.nodes.end(),
                       [&](const Node& node) { return node.inputs.size() > 1 && node.inputs[1] == value; });
  }

  QuantizedOp quantize_op(const Head& op, const Node& node) {
    const std::string& name = model_.graph.name(node.output);
    const Range r = range(name + ".input");
    const Quantizer bytes = asymmetric_u8(r.low, r.high);
    const std::vector<float> gain = floats(op.norm.gain), bias = floats(op.norm.bias);
    const double input_scale = stream_[static_cast<std::size_t>(node.inputs[0])].scale;
    QuantizedHead result;
    result.epsilon = norm_epsilon(op.norm.epsilon, gain.size(), input_scale);
    result.bytes = put_lane(name + ".bytes", {{gain.begin(), gain.end()}, {bias.begin(), bias.end()}}, bytes);
    const int inputs = model_.graph.columns(node.inputs[0]) * (op.pooling == HeadRows::first ? op.rows : 1);
    FloatRows weights{.name = op.weights.name,
                      .columns = op.weights.columns,
                      .inputs = inputs,
                      .weight = floats(op.weights.weight),
                      .bias = op.weights.bias.empty() ? std::vector<float>(static_cast<std::size_t>(op.weights.columns), 0.0f)
                                                      : floats(op.weights.bias)};
    const double step = logit_step(weights, bytes);
    WeightPacker packer(inputs, bytes, options_.weights);
    result.block = packer.add({{std::move(weights), step, {.scale = static_cast<float>(step)}}})[0];
    result.depth = packer.depth();
    put_weights(name, packer);
    return result;
  }

  /// What reads 16-bit rows has them as pairs of u8 rows, in steps of 32 of their product (fixed-point.md 8).
  QuantizedOp quantize_op(const LanguageHead& op, const Node& node) {
    const std::string& name = model_.graph.name(node.output);
    double scale = stream_[static_cast<std::size_t>(node.inputs[0])].scale;
    int inputs = model_.graph.columns(node.inputs[0]);
    Range input = range(model_.graph.name(node.inputs[0]));
    QuantizedLanguageHead result;
    if (op.projection) {
      input = range(name + ".input");
      const Quantizer out = symmetric_s16(input.low, input.high);
      WeightPacker packer(inputs, wide_input(scale), WeightScales::per_channel);
      FloatRows rows = head_rows(*op.projection, inputs, model_.graph.name(node.inputs[0]), wide_input(scale));
      result.projection = {.depth = packer.depth(), .block = packer.add({{std::move(rows), out.scale / kWideStep, stored(out)}})[0]};
      put_weights(name + ".projection", packer);
      scale = out.scale;
      inputs = op.projection->columns;
    }
    const bool bytes = options_.head == HeadType::int8;
    const Quantizer codes = bytes ? asymmetric_u8(input.low, input.high) : wide_input(scale);
    if (bytes) result.bytes = bytes_of_stream(scale, codes);
    FloatRows weights = head_rows(op.weights, inputs, op.projection ? name + ".input" : model_.graph.name(node.inputs[0]), codes);
    const double step = logit_step(weights, codes);  // of the accumulators
    WeightPacker packer(inputs, codes, WeightScales::per_channel);
    result.head.block = packer.add({{std::move(weights), step, {.scale = static_cast<float>(bytes ? step : step * kWideStep)}}})[0];
    result.head.depth = packer.depth();
    put_weights(name, packer);
    return result;
  }

  /// A language head's rows; without biases there are none to correct.
  FloatRows head_rows(const LinearBlock& block, int inputs, const std::string& input, const Quantizer& codes) const {
    FloatRows rows = block_rows(model_, block, inputs);
    if (options_.statistics == nullptr || !options_.compensated_rounding) return rows;
    rows.scales = weight_scales(rows, WeightScales::per_channel, codes.scale);
    InputModel(options_.statistics->at(input), codes, {}).refine(rows, {.compensate = true});
    return rows;
  }

  NormGains equalized(const std::vector<float>& gain, const std::vector<float>& bias, ValueId value) const {
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

  QuantizedLane put_lane(const std::string& name, const NormGains& gains, const Quantizer& out) {
    NormLaneConstants lane = norm_lane(gains, out, name);
    put(name + ".gain", std::move(lane.gain));
    put(name + ".offset", std::move(lane.offset));
    return {.exists = true, .shift = lane.shift, .low = out.low, .high = out.high, .encoding = stored(out)};
  }

  /// A LayerNorm and heads read the stream, other ops bytes.
  static bool reads_stream(const Node& node) { return std::holds_alternative<LayerNormOp>(node.op) || is_head(node.op); }

  bool feeds_product(ValueId value) const {
    return std::any_of(model_.graph.nodes.begin(), model_.graph.nodes.end(), [&](const Node& node) {
      return !node.inputs.empty() && node.inputs[0] == value && !reads_stream(node);
    });
  }

  bool feeds_stream(ValueId value) const {
    return value == model_.graph.hidden() ||
           std::any_of(model_.graph.nodes.begin(), model_.graph.nodes.end(), [&](const Node& node) {
             return (node.inputs.size() > 1 && node.inputs[1] == value) ||
                    (reads_stream(node) && node.inputs[0] == value);
           });
  }

  const Model::Data& model_;
  const Ranges& ranges_;
  const QuantizeOptions& options_;
  std::vector<Quantizer> bytes_, stream_;   // by value
  std::vector<std::vector<int>> copies_;    // by value: how often each column occurs in its u8 form; empty: once
  std::optional<std::pair<ValueId, InputModel>> input_model_;
  std::vector<Quantizer> qkv_;              // of the latest QkvProduct: query, key, value
  std::vector<ByteTable> tables_;           // of the EmbedTokens, once they are made
  TensorMap tensors_;
  QuantizedGraph result_;
};

}  // namespace

Model::Data quantize(const Model::Data& model, const Ranges& ranges, const QuantizeOptions& options) {
  return GraphQuantizer(model, ranges, options).run();
}

}  // namespace octavo

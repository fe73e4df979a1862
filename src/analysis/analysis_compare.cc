#include "analysis/analysis_compare.h"

#include "calibration/simulated.h"
#include "float/float_executor.h"
#include "graph/names.h"
#include "integer/integer_executor.h"
#include "system/isa.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace octavo {
namespace {

/// Codes of one value to be reported.
struct Codes {
  std::function<int(int row, int column)> at;
  int columns;
  Encoding encoding;
  int low, high;
  std::span<const float> column_scale = {};  ///< a code is worth that many times its scale; empty: once
};

struct Reporting {
  const Model::Data& model;
  const RaggedBatch& batch;
  const QuantizedValue& report;
  const ProbabilityCodes& report_codes;

  void put(const std::string& name, const Codes& codes) const {
    std::vector<float> values;
    std::int64_t ends = 0;
    for (int i = 0; i < batch.rows(); ++i) {
      for (int j = 0; j < codes.columns; ++j) {
        const int code = codes.at(i, j);
        ends += code <= codes.low || code >= codes.high;
        const float scale = codes.column_scale.empty()
                                ? codes.encoding.scale
                                : codes.encoding.scale * codes.column_scale[static_cast<std::size_t>(j)];
        values.push_back(scale * static_cast<float>(code - codes.encoding.zero_point));
      }
    }
    report(name, values, static_cast<double>(ends) / static_cast<double>(std::max<std::size_t>(values.size(), 1)));
  }

  /// The attention that reads a product; check_quantized() has looked at attention's tensors only.
  const Node* attention_of(ValueId qkv) const {
    const auto reads = [&](const Node& node) {
      return std::holds_alternative<AttentionOp>(node.op) && node.inputs[0] == qkv;
    };
    const auto found = std::ranges::find_if(model.graph.nodes, reads);
    return found == model.graph.nodes.end() ? nullptr : &*found;
  }

  /// Of V and context where an attention has equalized them.
  std::span<const float> column_scale_of(const Node* attention) const {
    if (!attention) return {};
    const std::string& name = model.graph.name(attention->output);
    const auto found = model.tensors.find(name + part::kColumnScale);
    return found == model.tensors.end() ? std::span<const float>{} : found->second.as<float>();
  }

  static int byte(const kernels::ByteMatrix& m, int i, int j) {
    return m.data[i / 16 * m.tile_stride + i % 16 * m.row_stride + j / 64 * m.chunk_stride + j % 64];
  }

  /// u8 codes of a value, with their fine codes where it has them.
  void put_bytes(const std::string& name, const NodeCodes& codes, int columns, Encoding encoding,
                 const Refined& refined, std::span<const float> column_scale = {}) const {
    const int bits = refined.fine_bits;
    encoding.scale = std::ldexp(encoding.scale, -bits);
    encoding.zero_point <<= bits;
    const auto at = [&codes, bits](int i, int j) {
      return (byte(codes.bytes, i, j) << bits) + (bits > 0 ? byte(codes.fine, i, j) : 0);
    };
    put(name, {at, columns, encoding, 0, (256 << bits) - 1, column_scale});
  }

  static std::function<int(int, int)> stream(const NodeCodes& codes) {
    return [codes](int i, int j) { return int{codes.stream[i * codes.stream_stride + j]}; };
  }

  /// Stream codes are held without zero point; 8-bit ones are not wider than 255.
  void put_stream(const std::string& name, const NodeCodes& codes, int columns, const Encoding& encoding,
                  bool eight_bit) const {
    const int low = eight_bit ? -encoding.zero_point : -32768, high = eight_bit ? 255 - encoding.zero_point : 32767;
    put(name, {stream(codes), columns, {.scale = encoding.scale}, low, high});
  }

  void node(std::size_t index, const NodeCodes& codes) const {
    const Node& node = model.graph.nodes[index];
    const std::string& name = model.graph.name(node.output);
    const int columns = model.graph.columns(node.output);
    const QuantizedOp& constants = model.integer->ops[index];
    if (const auto* embed = std::get_if<QuantizedEmbedTokens>(&constants)) {
      put_stream(name, codes, columns, embed->sum, embed->partial.has_value());
    } else if (const auto* qkv = std::get_if<QuantizedQkv>(&constants)) {
      const int low = qkv->asymmetric ? -128 : -127;
      const auto at = [&](const auto* data) {
        return [=](int i, int j) { return int{data[i * codes.qkv_stride + j]}; };
      };
      put(qkv->query.name, {at(codes.query), qkv->query.columns, qkv->query.encoding, 0, 255});
      put(qkv->key.name, {at(codes.key), qkv->key.columns, qkv->key.encoding, low, 127});
      put(qkv->value.name, {at(codes.value), qkv->value.columns, qkv->value.encoding, low, 127,
                            column_scale_of(attention_of(node.output))});
    } else if (const auto* attention = std::get_if<QuantizedAttention>(&constants)) {
      put_bytes(name, codes, columns, attention->context, attention->refined, column_scale_of(&node));
      if (!codes.probabilities.empty()) report_codes(name, codes.probabilities);
    } else if (const auto* linear = std::get_if<QuantizedLinear>(&constants)) {
      put_bytes(name, codes, linear->block.columns, linear->block.encoding, linear->refined);
    } else if (const auto* add = std::get_if<QuantizedLinearAdd>(&constants)) {
      put_stream(name, codes, columns, add->block.encoding, add->eight_bit);
    } else if (const auto* norm = std::get_if<QuantizedLayerNorm>(&constants); norm && norm->stream.exists) {
      put(name, {stream(codes), columns, {.scale = norm->stream.encoding.scale}, norm->stream.low, norm->stream.high});
    }
  }
};

}  // namespace

QuantizedRun integer_run(const Model& model, const Graph& reference, const std::string& isa) {
  const std::shared_ptr<const Model::Data> data(std::make_shared<const Model>(model), &model.data());
  const auto same = [](const Value& a, const Value& b) { return a.name == b.name && a.columns == b.columns; };
  if (!std::ranges::equal(data->graph.values, reference.values, same)) {
    throw Error(data->info.name + " was not made from this checkpoint: its values differ");
  }
  const auto executor = std::make_shared<const IntegerExecutor>(data, resolve_isa(isa));
  return [=](const RaggedBatch& batch, Workspace::Data& workspace, const QuantizedValue& report,
             const ProbabilityCodes& report_codes) {
    const Reporting reporting{*data, batch, report, report_codes};
    const auto observe = [](void* context, std::size_t node, const NodeCodes& codes) {
      static_cast<const Reporting*>(context)->node(node, codes);
    };
    executor->run(data->graph.hidden(), batch, workspace, observe, const_cast<Reporting*>(&reporting));
  };
}

QuantizedRun simulated_run(const Model::Data& model, const Ranges& ranges, int weight_bits, int activation_bits) {
  const auto executor = std::make_shared<const FloatExecutor>(
      std::make_shared<const Model::Data>(with_simulated_weights(model, weight_bits)));
  return
      [=](const RaggedBatch& batch, Workspace::Data& workspace, const QuantizedValue& report, const ProbabilityCodes&) {
        const Transform simulate = [&](std::string_view name, std::span<float> values) {
          const auto found = ranges.find(name);
          if (found == ranges.end()) return;
          const Range& range = found->second;
          const auto outside = std::ranges::count_if(values, [&](float x) { return x < range.low || x > range.high; });
          simulate_activation(values, range, activation_bits);
          report(name, values, static_cast<double>(outside) / static_cast<double>(values.size()));
        };
        executor->run(batch, workspace, {.transform = simulate});
      };
}

std::vector<float> mean_rows(std::span<const float> rows, const RaggedBatch& batch) {
  const std::size_t columns = rows.size() / static_cast<std::size_t>(batch.rows());
  std::vector<float> means(columns * static_cast<std::size_t>(batch.sequences()), 0.0f);
  for (int i = 0; i < batch.sequences(); ++i) {
    const auto first = static_cast<std::size_t>(batch.start[static_cast<std::size_t>(i)]);
    const auto length = static_cast<std::size_t>(batch.length(i));
    for (std::size_t t = first; t < first + length; ++t) {
      for (std::size_t j = 0; j < columns; ++j) {
        means[static_cast<std::size_t>(i) * columns + j] += rows[t * columns + j] / static_cast<float>(length);
      }
    }
  }
  return means;
}

}  // namespace octavo

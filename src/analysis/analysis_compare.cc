#include "analysis/analysis_compare.h"

#include "calibration/simulated.h"
#include "float/float_executor.h"
#include "graph/names.h"
#include "graph/op_facts.h"
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
    const auto reads = [&](const Node& node) { return attention_facts(model.graph, node) && node.inputs[0] == qkv; };
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

  /// The same of the columns of V.
  std::vector<float> value_scale(const Node* attention) const {
    const std::span<const float> passed = column_scale_of(attention);
    if (passed.empty()) return {};
    const OpFacts known = facts(model.graph, *attention);
    const auto columns = static_cast<std::size_t>(known.attention->key_value_heads * known.attention->head_size);
    std::vector<float> result(columns);
    for (std::size_t column = 0; column < passed.size(); ++column)
      result[static_cast<std::size_t>(known.passed_column(static_cast<int>(column)))] = passed[column];
    return result;
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

  void node(std::size_t index, const NodeCodes& codes) const {
    const Node& node = model.graph.nodes[index];
    for (const CodedValue& value : facts(model.integer->ops[index]).values) put(node, value, codes);
    if (!codes.probabilities.empty()) report_codes(model.graph.name(node.output), codes.probabilities);
  }

  void put(const Node& node, const CodedValue& value, const NodeCodes& codes) const {
    const std::string& name = value.name.empty() ? model.graph.name(node.output) : value.name;
    const int columns = value.columns > 0 ? value.columns : model.graph.columns(node.output);
    const auto rows = [&](const auto* data, std::ptrdiff_t stride, std::span<const float> scale = {}) {
      const auto at = [=](int i, int j) { return int{data[i * stride + j]}; };
      put(name, {at, columns, value.encoding, value.low, value.high, scale});
    };
    switch (value.place) {
      case CodedValue::Place::stream:
        return rows(codes.stream, codes.stream_stride, value.column_scale);
      case CodedValue::Place::bytes:
        return put_bytes(name, codes, columns, value.encoding, value.refined, column_scale_of(&node));
      case CodedValue::Place::query:
        return rows(codes.query, codes.query_stride);
      case CodedValue::Place::key:
        return rows(codes.key, codes.key_stride);
      case CodedValue::Place::value:
        return rows(codes.value, codes.key_stride, value_scale(attention_of(node.output)));
    }
  }
};

}  // namespace

QuantizedRun integer_run(const Model& model, const Graph& reference, const std::string& isa) {
  const std::shared_ptr<const Model::Data> data = shared_data_of(model);
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

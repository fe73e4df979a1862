// Reads tests/golden/*_stages.safetensors (see the README there) and compares an integer run with it.
#pragma once

#include "integer/integer_executor.h"
#include "io/json_object.h"
#include "io/safetensors.h"
#include "quantize/quantize.h"
#include "runtime/workspace.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace octavo::test {

class StageGolden {
 public:
  explicit StageGolden(const std::filesystem::path& file) : file_(read_safetensors(file)) {}

  int texts() const { return static_cast<int>(nlohmann::json::parse(file_.metadata.at("texts")).size()); }

  /// The simulation's calibration, under this project's value names.
  Ranges ranges() const {
    Ranges result;
    const nlohmann::json sites = nlohmann::json::parse(file_.metadata.at("ranges"));
    for (const auto& [site, bounds] : sites.items()) {
      result[value_name(site)] = {static_cast<float>(bounds[0].get<double>()),
                                  static_cast<float>(bounds[1].get<double>())};
    }
    result["encoder.layer.5.output.LayerNorm"] = result.at("out");
    return result;
  }

  /// Null when the file does not hold that stage.
  const Tensor* stage(int text, const std::string& name) const {
    const auto found = file_.tensors.find("text." + std::to_string(text) + "." + name);
    return found == file_.tensors.end() ? nullptr : &found->second;
  }

 private:
  static std::string value_name(const std::string& site) {
    if (site == "esum") return "embeddings";
    if (site == "out") return "out";
    const std::size_t dot = site.find('.');
    const std::string kind = site.substr(0, dot);
    const int layer = std::stoi(site.substr(dot + 1));
    if (kind == "attn_in") {
      return layer == 0 ? "embeddings.LayerNorm" : "encoder.layer." + std::to_string(layer - 1) + ".output.LayerNorm";
    }
    static const std::map<std::string, std::string> names = {
        {"q", "attention.self.query"},      {"k", "attention.self.key"},
        {"v", "attention.self.value"},      {"ctx", "attention.self"},
        {"sum1", "attention.output.dense"}, {"ffn_in", "attention.output.LayerNorm"},
        {"gelu_out", "intermediate.dense"}, {"sum2", "output.dense"}};
    return "encoder.layer." + std::to_string(layer) + "." + names.at(kind);
  }

  SafetensorsFile file_;
};

struct StageComparison {
  std::string first_difference;  ///< stage, row, column, both codes; "" when all agree
  int compared = 0;              ///< stages
};

/// Walks a run and compares what each node leaves with the golden stage of the same name.
class StageComparer {
 public:
  StageComparer(const StageGolden& golden, int text, const Graph& graph, int rows)
      : golden_(golden), text_(text), graph_(graph), rows_(rows) {}

  static void observe(void* self, std::size_t node, const NodeCodes& codes) {
    static_cast<StageComparer*>(self)->node(node, codes);
  }

  StageComparison result;

 private:
  template <typename T, typename Code>
  void compare(const std::string& name, int columns, Code code) {
    const Tensor* expected = golden_.stage(text_, name);
    if (!expected) return;
    ++result.compared;
    const auto values = expected->as<T>();
    for (int i = 0; i < rows_; ++i) {
      for (int j = 0; j < columns; ++j) {
        const int want =
            values[static_cast<std::size_t>(i) * static_cast<std::size_t>(columns) + static_cast<std::size_t>(j)];
        const int found = code(i, j);
        if (want != found && result.first_difference.empty()) {
          result.first_difference = name + " row " + std::to_string(i) + " column " + std::to_string(j) + ": " +
                                    std::to_string(found) + ", expected " + std::to_string(want);
        }
      }
    }
  }

  void stream(const std::string& name, const NodeCodes& codes, int columns) {
    if (codes.stream)
      compare<std::int16_t>(name, columns, [&](int i, int j) { return codes.stream[i * codes.stream_stride + j]; });
  }

  void bytes(const std::string& name, const NodeCodes& codes, int columns) {
    if (!codes.bytes.data) return;
    compare<std::uint8_t>(name, columns, [&](int i, int j) {
      return codes.bytes.data[i / 16 * codes.bytes.tile_stride + i % 16 * codes.bytes.row_stride +
                              j / 64 * codes.bytes.chunk_stride + j % 64];
    });
  }

  void qkv(const std::string& layer, const NodeCodes& codes) {
    const auto at = [&](const auto* data, std::ptrdiff_t stride) {
      return [=](int i, int j) { return int{data[i * stride + j]}; };
    };
    compare<std::uint8_t>(layer + "q", 384, at(codes.query, codes.query_stride));
    compare<std::int8_t>(layer + "k", 384, at(codes.key, codes.key_stride));
    compare<std::int8_t>(layer + "v", 384, at(codes.value, codes.key_stride));
    compare<std::int16_t>(layer + "gate", 12, [&](int i, int j) { return codes.gate[i * codes.gate_stride + j]; });
  }

  void node(std::size_t index, const NodeCodes& codes) {
    const std::string& name = graph_.name(graph_.nodes[index].output);
    const int columns = graph_.columns(graph_.nodes[index].output);
    if (name == "embeddings") return stream("embedding.sum", codes, columns);
    if (name == "embeddings.LayerNorm") {
      bytes("embedding.ln_u8", codes, columns);
      return stream("embedding.ln_s16", codes, columns);
    }
    const std::string module = name.substr(name.find('.', std::string("encoder.layer.").size()) + 1);
    const std::string layer =
        name.substr(std::string("encoder.").size(), name.size() - std::string("encoder.").size() - module.size());
    if (module == "attention.self.qkv") qkv(layer, codes);
    if (module == "attention.self") bytes(layer + "context", codes, columns);
    if (module == "attention.output.dense") stream(layer + "sum1", codes, columns);
    if (module == "intermediate.dense") bytes(layer + "gelu", codes, columns);
    if (module == "output.dense") stream(layer + "sum2", codes, columns);
    if (module == "attention.output.LayerNorm" || module == "output.LayerNorm") {
      const std::string stage = layer + (module == "output.LayerNorm" ? "ln2" : "ln1");
      bytes(stage + "_u8", codes, columns);
      stream(stage + "_s16", codes, columns);
    }
  }

  const StageGolden& golden_;
  int text_;
  const Graph& graph_;
  int rows_;
};

inline StageComparison compare_stages(const StageGolden& golden, int text, std::shared_ptr<const Model::Data> data,
                                      kernels::Isa isa) {
  const auto ids = golden.stage(text, "ids")->as<std::int32_t>();
  const RaggedBatch batch = make_ragged({{{.ids = {ids.begin(), ids.end()}}}}, data->info);
  StageComparer comparer(golden, text, data->graph, batch.rows());
  const IntegerExecutor executor(data, isa);
  Workspace::Data workspace(1);
  const OutputCodes codes = executor.run(data->graph.hidden(), batch, workspace, &StageComparer::observe, &comparer);
  const auto sums = executor.sum_tokens(batch, codes.s16, workspace);
  const auto expected = golden.stage(text, "pooled_sum")->as<std::int32_t>();
  if (!std::equal(sums.begin(), sums.end(), expected.begin(), expected.end()) &&
      comparer.result.first_difference.empty()) {
    comparer.result.first_difference = "pooled_sum";
  }
  ++comparer.result.compared;
  return comparer.result;
}

}  // namespace octavo::test

// Reads tiny checkpoints with heads, and compares.
#include "tests/support/golden_heads.h"

#include "io/safetensors.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"

namespace octavo::test {
namespace {

/// Where octavo has what transformers calls start_logits and end_logits.
std::vector<float> found(const Engine& engine, std::string_view name, const TokenBatch& text, Workspace& workspace) {
  const bool start = name == "start_logits", end = name == "end_logits";
  const Tensor all = engine.output(start || end ? "logits" : name, text, workspace);
  const auto values = all.as<float>();
  if (!start && !end) return {values.begin(), values.end()};
  std::vector<float> column;
  for (std::size_t i = end; i < values.size(); i += 2) column.push_back(values[i]);
  return column;
}

}  // namespace

GoldenHeads::GoldenHeads(const std::string& name) {
  SafetensorsFile file = read_safetensors(source_dir() / "tests/golden" / name);
  for (const auto& [key, text] : file.metadata) {
    if (text.starts_with("{")) checkpoints[key].config = nlohmann::json::parse(text);
  }
  for (auto& [path, tensor] : file.tensors) {
    const std::string owner = path.substr(0, path.find('/')), own = path.substr(owner.size() + 1);
    if (owner == "ids") {
      const auto ids = tensor.as<std::int32_t>();
      texts.push_back({{{.ids = {ids.begin(), ids.end()}}}});
    } else if (own.starts_with("output/")) {
      outputs[owner].emplace(own.substr(7), tensor);
    } else {
      checkpoints.at(owner).tensors.emplace(own, tensor);
    }
  }
}

void GoldenHeads::check_float_outputs(const std::string& name) const {
  const Model model = checkpoints.at(name).model();
  for (const std::string& warning : model.warnings()) UNSCOPED_INFO(warning);
  CHECK(model.warnings().empty());
  const Engine engine(model);
  Workspace workspace({.threads = 1});
  for (const auto& [path, expected] : outputs.at(name)) {
    INFO(path);
    const TokenBatch& text = texts.at(static_cast<std::size_t>(path[0] - '0'));
    CHECK(largest_difference(found(engine, path.substr(2), text, workspace), expected.as<float>()) < 1e-4);
  }
}

}  // namespace octavo::test

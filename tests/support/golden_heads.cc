// Compares tiny checkpoints with heads.
#include "tests/support/golden_heads.h"

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

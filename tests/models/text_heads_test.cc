// Every head of every family of text encoders: transformers' logits in float32, what commands may ask of it, and
// integers with the same bits on every instruction set. These are the cells of README.md's table.
#include "io/safetensors.h"
#include "tests/support/check_integers.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/tiny_checkpoint.h"

#include "octavo/engine.h"

namespace octavo::test {
namespace {

struct Stored : TinyCheckpoint {
  Stored() : TinyCheckpoint(0) {}
};

/// Of tests/golden/text_heads.safetensors, by the names of transformers' classes.
struct Golden {
  std::map<std::string, Stored> checkpoints;
  std::map<std::string, std::map<std::string, Tensor>> outputs;  ///< of a class, by "TEXT/NAME"
  std::vector<TokenBatch> texts;

  Golden() {
    SafetensorsFile file = read_safetensors(source_dir() / "tests/golden/text_heads.safetensors");
    for (const auto& [name, text] : file.metadata) {
      if (name.find("For") != name.npos) checkpoints[name].config = nlohmann::json::parse(text);
    }
    for (auto& [path, tensor] : file.tensors) {
      const std::string owner = path.substr(0, path.find('/')), name = path.substr(owner.size() + 1);
      if (owner == "ids") {
        const auto ids = tensor.as<std::int32_t>();
        texts.push_back({{{.ids = {ids.begin(), ids.end()}}}});
      } else if (name.starts_with("output/")) {
        outputs[owner].emplace(name.substr(7), tensor);
      } else {
        checkpoints.at(owner).tensors.emplace(name, tensor);
      }
    }
  }
};

const Golden& golden() {
  static const Golden all;
  return all;
}

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

TextTask task_of(std::string_view name) {
  if (name.ends_with("ForMaskedLM") || name == "BertForPreTraining" || name == "AlbertForPreTraining")
    return TextTask::masked_language_model;
  if (name.ends_with("ForQuestionAnswering")) return TextTask::question_answering;
  if (name.ends_with("ForTokenClassification")) return TextTask::token_classification;
  if (name.ends_with("ForSequenceClassification") || name.ends_with("ForMultipleChoice"))
    return TextTask::sequence_classification;
  return TextTask::none;
}

}  // namespace

TEST_CASE("every head of every text encoder has transformers' logits in float32, and commands know what it is for") {
  Workspace workspace({.threads = 1});
  REQUIRE(golden().checkpoints.size() == 44);
  for (const auto& [name, checkpoint] : golden().checkpoints) {
    INFO(name);
    const Model model = checkpoint.model();
    for (const std::string& warning : model.warnings()) UNSCOPED_INFO(warning);
    CHECK(model.warnings().empty());
    CHECK(model.info().task == task_of(name));
    const Engine engine(model);
    const auto& outputs = golden().outputs.at(name);
    for (const auto& [path, expected] : outputs) {
      INFO(path);
      const TokenBatch& text = golden().texts.at(static_cast<std::size_t>(path[0] - '0'));
      CHECK(largest_difference(found(engine, path.substr(2), text, workspace), expected.as<float>()) < 1e-4);
    }
  }
}

TEST_CASE("every head of every text encoder in integers is close to float32, with the same bits everywhere") {
  for (const auto& [name, checkpoint] : golden().checkpoints) {
    INFO(name);
    check_integers(checkpoint.model(), golden().texts[1], 0.97);
  }
}

}  // namespace octavo::test

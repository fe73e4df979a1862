// Every head of every family of text encoders: transformers' logits in float32, what commands may ask of it, and
// integers with the same bits on every instruction set. These are the cells of README.md's table.
#include "tests/support/check_integers.h"
#include "tests/support/golden_heads.h"
#include "tests/support/support.h"

namespace octavo::test {
namespace {

const GoldenHeads& golden() {
  static const GoldenHeads all("text_heads.safetensors");
  return all;
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
  REQUIRE(golden().checkpoints.size() == 44);
  for (const auto& [name, checkpoint] : golden().checkpoints) {
    INFO(name);
    golden().check_float_outputs(name);
    CHECK(checkpoint.model().info().task == task_of(name));
  }
}

TEST_CASE("every head of every text encoder in integers is close to float32, with the same bits everywhere") {
  for (const auto& [name, checkpoint] : golden().checkpoints) {
    INFO(name);
    check_integers(checkpoint.model(), golden().texts[1], 0.97);
  }
}

}  // namespace octavo::test

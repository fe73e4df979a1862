// ModernBERT, NomicBERT, GTE, JinaBERT and EuroBERT with every head: transformers' outputs in float32, and integers
// with the same bits on every instruction set.
#include "tests/support/check_integers.h"
#include "tests/support/golden_heads.h"
#include "tests/support/support.h"

#include "octavo/error.h"

#include <string>

namespace octavo::test {
namespace {

const GoldenHeads& golden() {
  static const GoldenHeads all("modern_encoders.safetensors");
  return all;
}

/// What is said of a checkpoint whose config.json has these keys, too.
std::string refusal(const std::string& name, const nlohmann::json& keys) {
  GoldenHeads::Stored checkpoint = golden().checkpoints.at(name);
  checkpoint.config.update(keys);
  try {
    checkpoint.model();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("encoders with rotary positions, windows and gated units have transformers' outputs in float32") {
  REQUIRE(golden().checkpoints.size() == 32);
  for (const auto& [name, checkpoint] : golden().checkpoints) {
    INFO(name);
    golden().check_float_outputs(name);
  }
}

TEST_CASE("encoders with rotary positions, windows and gated units in integers are close to float32") {
  for (const auto& [name, checkpoint] : golden().checkpoints) {
    INFO(name);
    check_integers(checkpoint.model(), golden().texts[1], 0.97);
  }
}

TEST_CASE("angles that are scaled by what is not there, and heads that do not divide, are refused by name") {
  const auto scaled = [](const char* type) {
    return nlohmann::json{{"rope_scaling", {{"type", type}, {"factor", 2.0}}}};
  };
  CHECK_THAT(refusal("EuroBertModel", scaled("yarn")),
             Catch::Contains("rope_scaling: type is \"yarn\", expected default, linear or dynamic"));
  CHECK_THAT(refusal("NomicBertModel", scaled("ntk")), Catch::Contains("rope_scaling: type is \"ntk\""));
  CHECK(refusal("GteModel", scaled("ntk")).empty());
  CHECK_THAT(refusal("GteModel", {{"rope_scaling", {{"type", "ntk"}, {"factor", 2.0}, {"mixed_b", 0.7}}}}),
             Catch::Contains("mixed_b"));
  CHECK_THAT(refusal("EuroBertModel", {{"rope_scaling", {{"type", "linear"}}}}), Catch::Contains("factor"));
  CHECK_THAT(refusal("EuroBertModel", {{"partial_rotary_factor", 0.5}}), Catch::Contains("partial_rotary_factor"));
  CHECK_THAT(refusal("ModernBertModel", scaled("linear")), Catch::Contains("rope_scaling"));
  CHECK_THAT(refusal("EuroBertModel", {{"num_key_value_heads", 3}}),
             Catch::Contains("num_key_value_heads is 3, expected a divisor of num_attention_heads = 4"));
  CHECK_THAT(refusal("EuroBertModel", {{"num_key_value_heads", 1}}), Catch::Contains("self_attn.k_proj.weight"));
  CHECK_THAT(refusal("EuroBertForSequenceClassification", {{"classifier_pooling", "cls"}}),
             Catch::Contains("bos, mean or late"));
  CHECK_THAT(refusal("EuroBertForSequenceClassification", {{"classifier_pooling", nullptr}, {"clf_pooling", "last"}}),
             Catch::Contains("clf_pooling"));
}

}  // namespace octavo::test

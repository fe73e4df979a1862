// ModernBERT, NomicBERT, GTE and JinaBERT with every head: transformers' outputs in float32, and integers with the same
// bits on every instruction set.
#include "base/access.h"
#include "graph/model_data.h"
#include "io/safetensors.h"
#include "tests/support/check_integers.h"
#include "tests/support/golden_heads.h"
#include "tests/support/support.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <variant>

namespace octavo::test {
namespace {

const GoldenHeads& golden() {
  static const GoldenHeads all("modern_encoders.safetensors");
  return all;
}

/// The model with RMSNorms in place of its LayerNorms.
Model with_rms_norms(const Model& model) {
  Model::Data data = data_of(model);
  for (Node& node : data.graph.nodes) {
    if (auto* norm = std::get_if<LayerNormOp>(&node.op)) norm->weights.rms = true;
  }
  return Access::make<Model>(std::make_shared<const Model::Data>(std::move(data)));
}

}  // namespace

TEST_CASE("an RMSNorm divides by the root of the mean square, and takes no mean away") {
  const Model model = with_rms_norms(golden().checkpoints.at("ModernBertModel").model());
  const Model::Data& data = data_of(model);
  const auto& norm = std::get<LayerNormOp>(data.graph.producer(data.graph.hidden()).op).weights;
  const Tensor gain = to_f32(data.tensors.at(norm.gain), norm.gain);
  Workspace workspace({.threads = 1});
  const Tensor rows = Engine(model).run(golden().texts[1], workspace);
  double square = 0.0;  // without the gain; the bias is zero
  for (std::size_t i = 0; i < rows.as<float>().size(); ++i) {
    const double x = static_cast<double>(rows.as<float>()[i] / gain.as<float>()[i % 32]);
    square += x * x / static_cast<double>(rows.as<float>().size());
  }
  CHECK(square == Approx(1.0).epsilon(1e-3));
  double largest_mean = 0.0;
  for (std::size_t row = 0; row < golden().texts[1].sequences[0].ids.size(); ++row) {
    double sum = 0.0;
    for (std::size_t j = 0; j < 32; ++j)
      sum += static_cast<double>(rows.as<float>()[row * 32 + j] / gain.as<float>()[j]);
    largest_mean = std::max(largest_mean, std::abs(sum / 32.0));
  }
  CHECK(largest_mean > 0.1);  // a LayerNorm's is 0
  check_integers(model, golden().texts[1], 0.97);
}

TEST_CASE("encoders with rotary positions, windows and gated units have transformers' outputs in float32") {
  REQUIRE(golden().checkpoints.size() == 17);
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

}  // namespace octavo::test

// Outliers of gated linear units, which the product of two branches makes: scales of the linear one take them up.
#include "io/safetensors.h"
#include "tests/support/check_integers.h"
#include "tests/support/compare.h"
#include "tests/support/golden_heads.h"

#include <string>

namespace octavo::test {
namespace {

/// Two units of each layer are 40 times as large by their linear branch, and what reads them takes a fortieth.
GoldenHeads::Stored with_large_units(GoldenHeads::Stored modernbert) {
  constexpr std::size_t kColumns = 32, kUnits = 24;
  for (int layer = 0; layer < 3; ++layer) {
    const std::string mlp = "layers." + std::to_string(layer) + ".mlp.";
    Tensor in = to_f32(modernbert.tensors.at(mlp + "Wi.weight"), "Wi"),
           out = to_f32(modernbert.tensors.at(mlp + "Wo.weight"), "Wo");
    for (const std::size_t unit : {std::size_t{5}, std::size_t{17}}) {
      for (std::size_t k = 0; k < kColumns; ++k) {
        in.writable<float>()[(kUnits + unit) * kColumns + k] *= 40.0f;
        out.writable<float>()[k * kUnits + unit] /= 40.0f;
      }
    }
    modernbert.tensors[mlp + "Wi.weight"] = in;
    modernbert.tensors[mlp + "Wo.weight"] = out;
  }
  return modernbert;
}

/// Mean of 1 - cosine to float32.
double distance(const Model& model, EqualizeMethod method) {
  const TokenBatch batch = random_batch(8, 40, 40, 5);
  Calibrator calibrator(model, {.activations = {.equalize = method}});
  Workspace workspace({.threads = 1});
  calibrator.observe(random_batch(32, 40, 40, 1), workspace);
  return 1.0 - mean_row_cosine(Engine(calibrator.quantize().model).run(batch, workspace),
                               Engine(model).run(batch, workspace));
}

}  // namespace

TEST_CASE("units that are large by their linear branch cost INT8 next to nothing, without equalization a multiple") {
  const GoldenHeads golden("modern_encoders.safetensors");
  const GoldenHeads::Stored& plain = golden.checkpoints.at("ModernBertModel");
  const Model before = plain.model(), planted = with_large_units(plain).model();
  for (const EqualizeMethod method :
       {EqualizeMethod::os_plus, EqualizeMethod::smoothquant, EqualizeMethod::power_of_two, EqualizeMethod::repq}) {
    INFO(static_cast<int>(method));
    CHECK(distance(planted, method) < 1.5 * distance(before, method));
    CHECK(distance(planted, EqualizeMethod::none) > 2.0 * distance(planted, method));
  }
}

}  // namespace octavo::test

// The integer executor against the reference simulation: the same codes at every stage of a real model.
#include "tests/support/stage_codes.h"
#include "tests/support/support.h"

namespace octavo::test {
namespace {

void compare_file(const std::string& golden, const std::filesystem::path& checkpoint) {
  const StageGolden stages(source_dir() / "tests/golden" / golden);
  const Model::Data quantized = quantize(data_of(Model::from_checkpoint(checkpoint)), stages.ranges(), {});
  const auto data = std::make_shared<const Model::Data>(quantized);
  for (int i = 0; i < kernels::kIsaCount; ++i) {
    const kernels::IsaStatus& isa = kernels::isa_status()[i];
    if (!isa.available) continue;
    for (int text = 0; text < stages.texts(); ++text) {
      INFO(golden << " under " << isa.name << ", text " << text);
      const StageComparison comparison = compare_stages(stages, text, data, isa.isa);
      CHECK(comparison.first_difference == "");
      CHECK(comparison.compared > 20);
    }
  }
}

}  // namespace

TEST_CASE("every stage of gated MiniLM has the reference simulation's codes, bit for bit") {
  compare_file("minilm_gated_stages.safetensors", shipped_model());
}

TEST_CASE("every stage of clipped-softmax MiniLM has the reference simulation's codes, bit for bit", "[shared]") {
  const auto checkpoint = find_model("all-MiniLM-L6-v2-clipped");
  if (checkpoint) compare_file("minilm_clipped_stages.safetensors", *checkpoint);
}

}  // namespace octavo::test

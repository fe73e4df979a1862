// Proof that no float arithmetic runs between token ids and the codes of the last hidden state: the processor's own
// sticky exception flags. Nearly every float operation on real data is inexact and sets one.
// tests/checks/integer_only.sh checks the object code as well.
#include "integer/integer_executor.h"
#include "runtime/workspace.h"
#include "tests/support/stage_codes.h"
#include "tests/support/support.h"
#include "tests/support/tiny_opt.h"
#include "tests/support/tiny_vit.h"

#include "octavo/tokenizer.h"

#include <xmmintrin.h>

namespace octavo::test {
namespace {

constexpr unsigned kSticky = 0x3f;  // invalid, denormal, divide by zero, overflow, underflow, inexact

unsigned x87_flags() {
  unsigned short status = 0;
  asm volatile("fnstsw %0" : "=a"(status));
  return status & kSticky;
}

/// Flags that `work` leaves in MXCSR and in the x87 status word.
template <typename Work>
unsigned float_flags(Work work) {
  _mm_setcsr(_mm_getcsr() & ~kSticky);
  asm volatile("fnclex");
  work();
  return (_mm_getcsr() & kSticky) | x87_flags();
}

std::shared_ptr<const Model::Data> quantized_model() {
  const StageGolden stages(source_dir() / "tests/golden/minilm_gated_stages.safetensors");
  return std::make_shared<const Model::Data>(
      quantize(data_of(Model::from_checkpoint(shipped_model())), stages.ranges(), {}));
}

}  // namespace

TEST_CASE("an integer run raises no float exception flag, whatever the instruction set") {
  const auto data = quantized_model();
  const Tokenizer& tokenizer = *data->tokenizer;
  const RaggedBatch batch =
      make_ragged({{tokenizer.encode("A man is playing the cello."), tokenizer.encode("no"),
                    tokenizer.encode("In 1998, the city council approved a plan to rebuild it.")}},
                  data->info);
  for (int i = 0; i < kernels::kIsaCount; ++i) {
    const kernels::IsaStatus& isa = kernels::isa_status()[i];
    if (!isa.available) continue;
    INFO(isa.name);
    const IntegerExecutor executor(data, isa.isa);
    const ValueId hidden = data->graph.hidden();
    Workspace::Data workspace(1);  // every op on this thread, whose flags are read
    CHECK(float_flags([&] { executor.sum_tokens(batch, executor.run(hidden, batch, workspace).s16, workspace); }) == 0);
  }
}

TEST_CASE("a decoder's logits and its steps with a cache raise no float exception flag either") {
  for (const TinyOptOptions& options : opt_variants()) {
    for (const HeadType head : {HeadType::int16, HeadType::int8}) {
      const Model model = quantized_tiny_opt(options, {.activations = {.head = head}});
      const std::shared_ptr<const Model::Data> data = shared_data_of(model);
      const TokenBatch text = random_batch(1, 9, 70);
      const std::int32_t first[] = {0};
      for (int i = 0; i < kernels::kIsaCount; ++i) {
        if (!kernels::isa_status()[i].available) continue;
        const IntegerExecutor executor(data, kernels::isa_status()[i].isa);
        Workspace::Data workspace(1);
        KvCache cache(model);
        KvCache* const caches[] = {&cache};
        const RaggedBatch batch = make_ragged(text, caches, model);
        const ValueId logits = data->graph.find_output(kLogits)->value;
        std::int64_t sum = 0;
        CHECK(float_flags([&] {
                executor.visit_chosen(logits, batch, first, workspace,
                                      [&](std::size_t, int, const OutputCodes& row) { sum += row.s32[0]; });
              }) == 0);
      }
    }
  }
}

TEST_CASE("logits and features of images raise no float exception flag either") {
  for (const TinyVitOptions& options :
       {TinyVitOptions{}, TinyVitOptions{.gate = false, .norm_pre = true, .patch_norm = true, .gamma = -0.01},
        TinyVitOptions{.mean_pooling = true}}) {
    const Model model = quantized_tiny_vit(options);
    const std::shared_ptr<const Model::Data> data = shared_data_of(model);
    const ImageBatch images = random_images(2, options.image);
    const RaggedBatch batch = make_ragged(images, data->info);
    for (int i = 0; i < kernels::kIsaCount; ++i) {
      if (!kernels::isa_status()[i].available) continue;
      const IntegerExecutor executor(data, kernels::isa_status()[i].isa);
      const ValueId hidden = data->graph.hidden();
      Workspace::Data workspace(1);
      CHECK(float_flags([&] { executor.run(data->graph.find_output(kLogits)->value, batch, workspace); }) == 0);
      CHECK(float_flags([&] { executor.sum_tokens(batch, executor.run(hidden, batch, workspace).s16, workspace); }) ==
            0);
    }
  }
}

TEST_CASE("the float flags do catch a planted float operation") {
  volatile float three = 3.0f, result = 0.0f;
  CHECK(float_flags([&] { result = 1.0f / three; }) != 0);
  const auto data = quantized_model();
  const IntegerExecutor executor(data, kernels::Isa::scalar);
  Workspace::Data workspace(1);
  const RaggedBatch batch = make_ragged({{{.ids = {101, 2748, 102}}}}, data->info);
  const auto planted = [](void*, std::size_t node, const NodeCodes& codes) {  // in the middle of the run
    volatile float code = static_cast<float>(node + 1) + 0.1f;
    if (codes.stream) code = code * 0.3f;
  };
  CHECK(float_flags([&] { executor.run(data->graph.hidden(), batch, workspace, planted, nullptr); }) != 0);
}

}  // namespace octavo::test

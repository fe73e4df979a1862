// Perplexity of a trained OPT model on a real text: float32 against what its makers measured, INT8 against float32.
#include "tests/support/support.h"

#include "octavo/calibration.h"
#include "octavo/engine.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <string>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OCTAVO_SLOW_BUILD
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OCTAVO_SLOW_BUILD
#endif
#endif

namespace octavo::test {
namespace {

constexpr std::ptrdiff_t kTokens = 60'000, kBlock = 256;

/// Whole blocks from token `first` on: `count` of them.
TokenBatch blocks(const Tokens& text, std::ptrdiff_t first, std::ptrdiff_t count) {
  TokenBatch batch;
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    const auto begin = text.ids.begin() + first + i * kBlock;
    batch.sequences.push_back({.ids = {begin, begin + kBlock}});
  }
  return batch;
}

double perplexity(const Engine& engine, const TokenBatch& batch) {
  Workspace workspace;
  double sum = 0.0, count = 0.0;
  for (const auto& losses : engine.losses(batch, workspace)) {
    for (const double loss : losses) sum += loss;
    count += static_cast<double>(losses.size());
  }
  return std::exp(sum / count);
}

}  // namespace

TEST_CASE("perplexity of a trained model is what its makers measured, in INT8 within a third of a percent") {
#ifdef OCTAVO_SLOW_BUILD
  WARN("SKIPPED: perplexity of 60,000 tokens takes minutes with a sanitizer");
  return;
#endif
  const auto file = shared_data("text/wikitext-2.valid.txt");
  if (!file) return;
  std::ifstream in(*file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const double measured = 804.9;  // over the blocks that the first 60,000 tokens fill
  const Model model = Model::from_checkpoint(*shared_data("models/opt-mini-gated"));
  const Tokens tokens = Tokenizer::from_json(model.tokenizer_json()).encode(text);
  const TokenBatch scored = blocks(tokens, 0, kTokens / kBlock);
  const double exact = perplexity(Engine(model), scored);
  CHECK(exact == Approx(measured).epsilon(0.001));

  Calibrator calibrator(model);
  Workspace workspace;
  for (int i = 0; i < 4; ++i) calibrator.observe(blocks(tokens, kTokens + i * 16 * kBlock, 16), workspace);
  CHECK(perplexity(Engine(calibrator.quantize({}, workspace)), scored) == Approx(exact).epsilon(1.0 / 300));
}

}  // namespace octavo::test

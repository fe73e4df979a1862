// Perplexity of a trained OPT model on a real text: float32 against what its makers measured, INT8 against float32.
#include "tests/support/support.h"

#include "octavo/calibration.h"
#include "octavo/engine.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

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

using Losses = std::vector<std::vector<double>>;

Losses losses(const Engine& engine, const TokenBatch& batch) {
  Workspace workspace;
  return engine.losses(batch, workspace);
}

/// Over the first `blocks` blocks.
double perplexity(const Losses& losses, std::size_t blocks) {
  double sum = 0.0, count = 0.0;
  for (std::size_t i = 0; i < blocks; ++i) {
    for (const double loss : losses.at(i)) sum += loss;
    count += static_cast<double>(losses[i].size());
  }
  return std::exp(sum / count);
}

}  // namespace

TEST_CASE("perplexity of a trained model is what its makers measured, in INT8 within a third of a percent",
          "[shared][slow]") {
#ifdef OCTAVO_SLOW_BUILD
  return skip("perplexity of 60,000 tokens takes minutes with a sanitizer");
#endif
  const auto file = shared_data("text/wikitext-2.valid.txt");
  const auto checkpoint = find_model("opt-mini-gated");
  if (!file || !checkpoint) return;
  std::ifstream in(*file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const double measured = 804.9;  // over the blocks that the first 60,000 tokens fill
  const Model model = Model::from_checkpoint(*checkpoint);
  const Tokens tokens = model.tokenizer().encode(text);
  const Losses exact = losses(Engine(model), blocks(tokens, 0, kTokens / kBlock));
  CHECK(perplexity(exact, exact.size()) == Approx(measured).epsilon(0.001));

  Calibrator calibrator(model);
  Workspace workspace;
  for (int i = 0; i < 4; ++i) calibrator.observe(blocks(tokens, kTokens + i * 16 * kBlock, 16), workspace);
  constexpr std::size_t kFew = 64;
  const Losses integer = losses(Engine(calibrator.quantize({}, workspace).model), blocks(tokens, 0, kFew));
  CHECK(perplexity(integer, kFew) == Approx(perplexity(exact, kFew)).epsilon(1.0 / 300));
}

}  // namespace octavo::test

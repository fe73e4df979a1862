// Which samples of many are calibrated on.
#include "octavo/sample_cover.h"

#include "tests/support/tiny_bert.h"
#include "tests/support/tiny_vit.h"

#include "octavo/error.h"

#include <catch2/catch.hpp>

#include <algorithm>

namespace octavo::test {
namespace {

Workspace& one_thread() {
  static Workspace workspace({.threads = 1});
  return workspace;
}

/// Texts of 5 tokens, but every twentieth of 60.
TokenBatch mostly_short(int count) {
  TokenBatch batch;
  for (int i = 0; i < count; ++i) {
    Tokens text;
    for (int k = 0; k < (i % 20 == 7 ? 60 : 5); ++k) text.ids.push_back((i * 13 + k * 7) % 50);
    batch.sequences.push_back(std::move(text));
  }
  return batch;
}

std::ptrdiff_t long_ones(const std::vector<std::size_t>& chosen) {
  return std::ranges::count_if(chosen, [](std::size_t i) { return i % 20 == 7; });
}

}  // namespace

TEST_CASE("a choice covers what is rare, and depends on samples and seed alone") {
  const Model model = tiny_model();
  const TokenBatch batch = mostly_short(200);
  SampleCover whole{Engine(model)};
  whole.observe(batch, one_thread());
  const std::vector<std::size_t> chosen = whole.choose(16, 3);
  CHECK(chosen.size() == 16);
  CHECK(std::ranges::is_sorted(chosen));
  CHECK(std::ranges::adjacent_find(chosen) == chosen.end());
  CHECK(long_ones(chosen) >= 2);  // a twentieth of the samples, and at least one of eight clusters
  SampleCover pieces{Engine(model)};
  for (std::size_t first = 0; first < 200; first += 9) {
    TokenBatch part;
    for (std::size_t i = first; i < std::min<std::size_t>(first + 9, 200); ++i)
      part.sequences.push_back(batch.sequences[i]);
    pieces.observe(part, one_thread());
  }
  CHECK(pieces.samples() == 200);
  CHECK(pieces.choose(16, 3) == chosen);
  CHECK(whole.choose(16, 4) != chosen);
  CHECK(whole.choose(500).size() == 200);
}

TEST_CASE("samples that nothing else is like are left out where there are enough others") {
  const Model model = tiny_model();
  TokenBatch batch = mostly_short(100);
  std::erase_if(batch.sequences, [](const Tokens& text) { return text.ids.size() > 5; });
  Tokens odd;
  odd.ids.assign(70, 3);
  batch.sequences.insert(batch.sequences.begin() + 40, odd);
  SampleCover cover{Engine(model)};
  cover.observe(batch, one_thread());
  const std::vector<std::size_t> most = cover.choose(90);
  CHECK(std::ranges::find(most, std::size_t{40}) == most.end());
  const std::vector<std::size_t> all = cover.choose(batch.sequences.size());
  CHECK(std::ranges::find(all, std::size_t{40}) != all.end());
}

TEST_CASE("pictures are chosen, too, and a quantized model chooses nothing") {
  SampleCover cover{Engine(TinyVit().model())};
  cover.observe(random_images(12, 32), one_thread());
  CHECK(cover.choose(5).size() == 5);
  CHECK_THROWS_WITH(SampleCover(Engine(quantized_tiny_model())), Catch::Contains("quantized already"));
}

}  // namespace octavo::test

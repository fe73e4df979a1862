// OPT in integers: close to float32, the same bits everywhere and however the text is cut into steps, through a file.
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_opt.h"

#include "octavo/error.h"

#include <cstring>

namespace octavo::test {
namespace {

Tokens part(const Tokens& tokens, std::size_t first, std::size_t count) {
  const auto begin = tokens.ids.begin() + static_cast<std::ptrdiff_t>(first);
  return {.ids = {begin, begin + static_cast<std::ptrdiff_t>(count)}};
}

Tokens random_text(int length, unsigned seed) {
  std::mt19937 random(seed);
  Tokens text;
  for (int i = 0; i < length; ++i) text.ids.push_back(static_cast<std::int32_t>(random() % 70));
  return text;
}

double mean_loss(const Engine& engine, const TokenBatch& batch) {
  Workspace workspace({.threads = 1});
  double sum = 0.0, count = 0.0;
  for (const auto& sequence : engine.losses(batch, workspace)) {
    for (const double loss : sequence) {
      sum += loss;
      count += 1.0;
    }
  }
  return sum / count;
}

}  // namespace

TEST_CASE("integer logits of a decoder are close to float32 in every variant, with either head") {
  const TokenBatch batch = random_batch(6, 40, 70, 99);
  Workspace workspace({.threads = 1});
  for (const TinyOptOptions& options : opt_variants()) {
    INFO("word size " << options.word_size << " norm before " << options.norm_before << " no final norm "
                      << options.remove_final_norm << " tied " << options.tied << " gate " << options.gate
                      << " activation " << options.activation);
    const Engine reference(TinyOpt(options).model());
    const Tensor expected = reference.logits(batch, workspace, LogitRows::all);
    for (const HeadType head : {HeadType::int16, HeadType::int8}) {
      const Engine integer(quantized_tiny_opt(options, {.activations = {.head = head}}));
      CHECK(mean_row_cosine(integer.logits(batch, workspace, LogitRows::all), expected) > 0.99);
      CHECK(mean_row_cosine(integer.run(batch, workspace), reference.run(batch, workspace)) > 0.99);
      CHECK(mean_loss(integer, batch) == Approx(mean_loss(reference, batch)).epsilon(0.03));
    }
  }
}

TEST_CASE("16-bit inputs of the head lose next to nothing") {
  const TinyOptOptions options{.word_size = 20};
  const TokenBatch batch = random_batch(6, 40, 70, 99);
  Workspace workspace({.threads = 1});
  const Engine wide(quantized_tiny_opt(options)),
      bytes(quantized_tiny_opt(options, {.activations = {.head = HeadType::int8}}));
  const TinyOpt opt(options);
  const Tensor hidden = wide.run(batch, workspace), logits = wide.logits(batch, workspace, LogitRows::all);
  const Tensor other = bytes.logits(batch, workspace, LogitRows::all);
  const auto embeddings = opt.tensors.at("model.decoder.embed_tokens.weight").as<float>();
  const auto projection = opt.tensors.at("model.decoder.project_out.weight").as<float>();
  double wide_error = 0.0, bytes_error = 0.0;
  for (std::size_t row = 0; row < static_cast<std::size_t>(hidden.rows()); ++row) {
    double projected[20] = {};
    for (std::size_t k = 0; k < 20; ++k) {
      for (std::size_t j = 0; j < 48; ++j)
        projected[k] += double{projection[k * 48 + j]} * double{hidden.as<float>()[row * 48 + j]};
    }
    for (std::size_t n = 0; n < 70; ++n) {
      double exact = 0.0;
      for (std::size_t k = 0; k < 20; ++k) exact += projected[k] * double{embeddings[n * 20 + k]};
      wide_error += std::pow(double{logits.as<float>()[row * 70 + n]} - exact, 2);
      bytes_error += std::pow(double{other.as<float>()[row * 70 + n]} - exact, 2);
    }
  }
  CHECK(wide_error < 0.5 * bytes_error);
}

TEST_CASE("a decoder gives the same bytes with every instruction set, thread count and batch, and through a file") {
  const TokenBatch batch = random_batch(5, 40, 70, 42);
  TemporaryDirectory directory;
  for (const TinyOptOptions& options : opt_variants()) {
    const Model model = quantized_tiny_opt(options);
    const auto file = directory.path() / "opt.octavo";
    std::filesystem::remove(file);
    model.save(file);
    const Model read = Model::from_file(file);
    REQUIRE(read.info().decoder);
    CHECK(read.info().decoder->eos_tokens == std::vector<std::int32_t>{2});
    CHECK_FALSE(read.summary().empty());
    Workspace one({.threads = 1});
    const Tensor logits = Engine(model, {.isa = "scalar"}).logits(batch, one);
    for (const std::string& isa : available_isas()) {
      const Engine engine(read, {.isa = isa});
      for (const int threads : {1, 2, 7}) {
        INFO(isa << " with " << threads << " threads");
        Workspace workspace({.threads = threads});
        CHECK(equal_bytes(engine.logits(batch, workspace), logits));
        for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
          CHECK(equal_bytes(engine.logits({{batch.sequences[i]}}, workspace), row_of(logits, i)));
        }
      }
    }
  }
}

TEST_CASE("continuing from a cache gives the bytes of the whole text, in steps of any size") {
  const Tokens text = random_text(40, 5);
  for (const TinyOptOptions& options : opt_variants()) {
    const Model model = quantized_tiny_opt(options);
    for (const std::string& isa : available_isas()) {
      const Engine engine(model, {.isa = isa});
      Workspace workspace({.threads = 2});
      const Tensor whole = engine.logits({{text}}, workspace, LogitRows::all);
      for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, std::size_t{40}}) {
        INFO(isa << " in steps of " << step);
        KvCache cache(model);
        KvCache* const caches[] = {&cache};
        for (std::size_t first = 0; first < 40; first += step) {
          const std::size_t count = std::min(step, 40 - first);
          const Tensor logits = engine.decode({{part(text, first, count)}}, caches, workspace);
          CHECK(equal_bytes(logits, row_of(whole, first + count - 1)));
        }
        CHECK(cache.length() == 40);
      }
    }
  }
}

TEST_CASE("threads that share a head's keys decode the bytes that one thread does") {
  const TinyOptOptions options{.layers = 1, .positions = 600};
  Calibrator calibrator(TinyOpt(options).model());
  Workspace calibrating({.threads = 1});
  calibrator.observe(random_batch(16, 40, options.vocab_size, 3), calibrating);
  const Model model = calibrator.quantize().model;
  const Tokens text = random_text(600, 6);
  for (const std::string& isa : available_isas()) {
    const Engine engine(model, {.isa = isa});
    Workspace alone({.threads = 1});
    const Tensor whole = engine.logits({{text}}, alone, LogitRows::all);
    KvCache prefix(model);
    KvCache* const prefix_of[] = {&prefix};
    engine.decode({{part(text, 0, 595)}}, prefix_of, alone);
    for (const int threads : {1, 2, 7, 16}) {  // of 3 heads, and of two sequences with 6
      INFO(isa << " with " << threads << " threads");
      Workspace workspace({.threads = threads});
      KvCache cache = prefix, other(model);
      KvCache* const one[] = {&cache};
      KvCache* const both[] = {&cache, &other};
      CHECK(equal_bytes(engine.decode({{part(text, 595, 1)}}, one, workspace), row_of(whole, 595)));
      CHECK(equal_bytes(engine.decode({{part(text, 596, 2)}}, one, workspace), row_of(whole, 597)));
      const Tensor logits = engine.decode({{part(text, 598, 1), part(text, 0, 1)}}, both, workspace);
      CHECK(equal_bytes(row_of(logits, 0), row_of(whole, 598)));
    }
  }
}

TEST_CASE("sequences are decoded together as alone, whoever joins, leaves or is copied") {
  const Model model = quantized_tiny_opt();
  const Engine engine(model);
  Workspace workspace({.threads = 2});
  const Tokens texts[] = {random_text(30, 1), random_text(25, 2), random_text(12, 3)};
  Tensor whole[3];
  for (std::size_t i = 0; i < 3; ++i) whole[i] = engine.logits({{texts[i]}}, workspace, LogitRows::all);
  KvCache first(model), second(model, 25), third(model);
  const auto step = [&](std::vector<std::pair<std::size_t, std::size_t>> which,
                        std::vector<KvCache*> caches) {  // text, tokens
    TokenBatch batch;
    for (std::size_t i = 0; i < which.size(); ++i) {
      batch.sequences.push_back(
          part(texts[which[i].first], static_cast<std::size_t>(caches[i]->length()), which[i].second));
    }
    const Tensor logits = engine.decode(batch, caches, workspace);
    for (std::size_t i = 0; i < which.size(); ++i) {
      CHECK(equal_bytes(row_of(logits, i),
                        row_of(whole[which[i].first], static_cast<std::size_t>(caches[i]->length()) - 1)));
    }
  };
  step({{0, 9}}, {&first});
  step({{0, 1}, {1, 5}}, {&first, &second});
  step({{1, 1}, {0, 1}, {2, 11}}, {&second, &first, &third});
  step({{2, 1}, {1, 3}}, {&third, &second});
  KvCache copy(second);
  step({{1, 4}}, {&second});
  step({{1, 2}, {0, 19}}, {&copy, &first});
  second.truncate(3);
  step({{1, 22}}, {&second});
  CHECK(second.length() == second.capacity());
}

TEST_CASE("the float32 reference decodes with a cache as without") {
  const Model model = TinyOpt().model();
  const Engine engine(model);
  Workspace workspace({.threads = 1});
  const Tokens text = random_text(20, 8);
  KvCache cache(model);
  KvCache* const caches[] = {&cache};
  engine.decode({{part(text, 0, 13)}}, caches, workspace);
  CHECK(equal_bytes(engine.decode({{part(text, 13, 7)}}, caches, workspace), engine.logits({{text}}, workspace)));
}

TEST_CASE("a cache that is full, shared, missing or another model's is an error, and stays as it was") {
  const Model model = quantized_tiny_opt(), other = quantized_tiny_opt({.layers = 1});
  const Engine engine(model);
  Workspace workspace({.threads = 1});
  KvCache cache(model, 10), foreign(other), reference(TinyOpt().model());
  const auto decode = [&](int tokens, std::vector<KvCache*> caches) {
    TokenBatch batch;
    for (std::size_t i = 0; i < std::max<std::size_t>(caches.size(), 1); ++i)
      batch.sequences.push_back(random_text(tokens, 1));
    engine.decode(batch, caches, workspace);
  };
  decode(8, {&cache});
  CHECK_THROWS_WITH(decode(3, {&cache}), Catch::Contains("holds 8 tokens, 3 more do not fit its capacity of 10"));
  CHECK(cache.length() == 8);
  CHECK_THROWS_WITH(decode(1, {&cache, &cache}), Catch::Contains("sequence 1 is that of another one"));
  CHECK_THROWS_WITH(decode(1, {nullptr}), Catch::Contains("missing"));
  CHECK_THROWS_WITH(decode(1, {}), Catch::Contains("0 caches for 1 sequences"));
  CHECK_THROWS_WITH(decode(1, {&foreign}), Catch::Contains("another model"));
  CHECK_THROWS_WITH(decode(1, {&reference}), Catch::Contains("another model"));
  CHECK_THROWS_WITH(KvCache(model, 41), Catch::Contains("capacity is 41"));
  CHECK_THROWS_WITH(KvCache(tiny_model()), Catch::Contains("does not predict"));
  CHECK_THROWS_WITH(cache.truncate(9), Catch::Contains("8 tokens cannot be truncated to 9"));
  const Model mean = TinyOpt({.gate_type = "conditional_per_head"}).model();
  CHECK_THROWS_WITH(KvCache(mean), Catch::Contains("conditional_per_head"));
}

TEST_CASE("probabilities of 16 bits: the same bits everywhere and step by step, through a file") {
  const CalibrationOptions bytes{.activations = {.probabilities = ProbabilityType::uint8}},
      shorts{.activations = {.probabilities = ProbabilityType::uint16}};
  const Model plain = quantized_tiny_opt({.gate = false}, bytes), wide = quantized_tiny_opt({.gate = false}, shorts);
  TemporaryDirectory directory;
  wide.save(directory.path() / "m.octavo");
  const Model loaded = Model::from_file(directory.path() / "m.octavo");
  CHECK(loaded.summary() == wide.summary());
  const TokenBatch batch{{random_text(37, 3), random_text(12, 4)}};
  Workspace workspace({.threads = 1}), three({.threads = 3});
  const Tensor expected = Engine(wide, {.isa = "scalar"}).logits(batch, workspace);
  CHECK(!equal_bytes(Engine(plain, {.isa = "scalar"}).logits(batch, workspace), expected));
  for (const std::string& isa : available_isas()) {
    INFO(isa);
    const Engine engine(loaded, {.isa = isa});
    CHECK(equal_bytes(engine.logits(batch, three), expected));
    KvCache cache(loaded);
    const std::vector<KvCache*> caches = {&cache};
    Tensor last;
    for (std::size_t first = 0; first < 37; ++first)
      last = engine.decode(TokenBatch{{part(batch.sequences[0], first, 1)}}, caches, workspace);
    CHECK(equal_bytes(last, row_of(expected, 0)));
  }
  const TinyOptOptions clipped{.gate = false, .gamma = -0.02};  // has 255 steps always, and says so
  const Model asked = quantized_tiny_opt(clipped, shorts), other = quantized_tiny_opt(clipped, bytes);
  const auto without_name = [](const std::string& summary) { return summary.substr(summary.find(':')); };
  CHECK(without_name(asked.summary()) == without_name(other.summary()));
  CHECK(equal_bytes(Engine(asked).logits(batch, workspace), Engine(other).logits(batch, workspace)));
}

TEST_CASE("8-bit sums are refused for a decoder whose stream starts with its embeddings") {
  CHECK_THROWS_WITH(quantized_tiny_opt({}, {.activations = {.residual = ResidualType::int8}}),
                    Catch::Contains("8-bit sums need a LayerNorm"));
}

}  // namespace octavo::test

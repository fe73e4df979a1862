// Text from a decoder: what it is made of, where it ends, and that caches, beams and sinks change nothing.
#include "octavo/generate.h"

#include "tests/support/byte_level_support.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_opt.h"

#include "octavo/error.h"

#include <limits>
#include <set>

namespace octavo::test {
namespace {

constexpr std::int32_t kEnd = 256;

/// A tiny model with the small byte-level tokenizer; three ids of its vocabulary have no token.
Model small_decoder(const std::vector<std::int32_t>& ends = {kEnd}) {
  TinyOpt opt({.vocab_size = 270});
  opt.config["bos_token_id"] = kEnd;
  opt.config["eos_token_id"] = ends;
  TemporaryDirectory directory;
  opt.write(directory.path());
  std::ofstream(directory.path() / "tokenizer.json") << small_bpe().dump();
  return Model::from_checkpoint(directory.path());
}

Model quantized_decoder() {
  Calibrator calibrator(small_decoder());
  Workspace workspace({.threads = 1});
  for (unsigned seed = 1; seed <= 4; ++seed) calibrator.observe(random_batch(16, 40, 267, seed), workspace);
  return calibrator.quantize().model;
}

struct Writer {
  Model model;
  Engine engine{model};
  Tokenizer tokenizer = model.tokenizer();
  Workspace workspace{{.threads = 1}};

  Generation operator()(const std::string& prompt, const GenerateOptions& options = {}, const TextSink& sink = {}) {
    return generate(engine, tokenizer, tokenizer.encode(prompt), workspace, options, sink);
  }

  /// The likeliest tokens, each from the whole text so far; the end-of-text token and what follows are left out.
  std::vector<std::int32_t> greedy(const std::string& prompt, std::size_t count) {
    std::vector<std::int32_t> ids = tokenizer.encode(prompt).ids, made;
    while (made.size() < count) {
      const Tensor logits = engine.logits(TokenBatch{{Tokens{.ids = ids}}}, workspace);
      const auto named = logits.as<float>().subspan(0, 267);
      const auto best = static_cast<std::int32_t>(std::max_element(named.begin(), named.end()) - named.begin());
      if (best == kEnd) break;
      ids.push_back(best);
      made.push_back(best);
    }
    return made;
  }
};

}  // namespace

TEST_CASE("a greedy text is the likeliest token after the whole text so far, in float32 and in integers") {
  for (const Model& model : {small_decoder(), quantized_decoder()}) {
    Writer writer{model};
    for (const char* prompt : {"hello", "", "he said"}) {
      std::string shown;
      const Generation made = writer(prompt, {.max_new_tokens = 12}, [&](std::string_view piece) { shown += piece; });
      CHECK(made.tokens == writer.greedy(prompt, 12));
      CHECK(made.text == writer.tokenizer.decode(made.tokens));
      CHECK(shown == made.text);
      CHECK(made.finish == (made.tokens.size() == 12 ? FinishReason::length : FinishReason::eos));
    }
  }
}

TEST_CASE("a text ends with its context, its stop string, or the model's end, whichever comes first") {
  Writer writer{quantized_decoder()};
  const Generation whole = writer("hello", {.max_new_tokens = 100});
  if (whole.finish == FinishReason::length)
    CHECK(whole.tokens.size() == 40 - writer.tokenizer.encode("hello").ids.size());
  const Generation narrow = writer("hello", {.context = 9});
  CHECK(narrow.tokens.size() <= 9 - writer.tokenizer.encode("hello").ids.size());
  const std::string stop = whole.text.substr(whole.text.size() / 2, 3);
  const Generation stopped = writer("hello", {.max_new_tokens = 100, .stops = {"not in it", stop}});
  CHECK(stopped.finish == FinishReason::stop);
  CHECK(stopped.text == whole.text.substr(0, whole.text.find(stop)));
}

TEST_CASE("a text that is cut within a character ends with U+FFFD") {
  Writer writer{small_decoder()};
  for (int count = 1; count <= 20; ++count) {
    const Generation made = writer("\xC3\xA9", {.max_new_tokens = count});
    CHECK(made.text == writer.tokenizer.decode(made.tokens));
  }
}

TEST_CASE("the same seed makes the same text, and beams find a text at least as likely as the greedy one") {
  Writer writer{quantized_decoder()};
  const GenerateOptions sampled{.max_new_tokens = 10, .sampling = {.temperature = 1.5, .seed = 3}};
  CHECK(writer("he", sampled).tokens == writer("he", sampled).tokens);
  bool differs = false;
  for (std::uint64_t seed = 4; seed < 12; ++seed) {
    differs = differs || writer("he", {.max_new_tokens = 10, .sampling = {.temperature = 1.5, .seed = seed}}).tokens !=
                             writer("he", sampled).tokens;
  }
  CHECK(differs);
  const auto loss = [&](const std::vector<std::int32_t>& made) {
    Tokens text = writer.tokenizer.encode("he");
    text.ids.insert(text.ids.end(), made.begin(), made.end());
    const std::vector<double> losses = writer.engine.losses(TokenBatch{{Tokens{.ids = text.ids}}}, writer.workspace)[0];
    double sum = 0.0;
    for (std::size_t i = losses.size() - made.size(); i < losses.size(); ++i) sum += losses[i];
    return sum / static_cast<double>(made.size());
  };
  const Generation beams = writer("he", {.max_new_tokens = 8, .beams = 4}),
                   greedy = writer("he", {.max_new_tokens = 8});
  if (beams.tokens.size() == 8 && greedy.tokens.size() == 8) CHECK(loss(beams.tokens) <= loss(greedy.tokens) + 1e-6);
  CHECK(beams.text == writer.tokenizer.decode(beams.tokens));
}

TEST_CASE("any of several end tokens ends a text, with beams and without") {
  Writer writer{small_decoder()};
  const std::vector<std::int32_t> whole = writer.greedy("hello", 12);
  REQUIRE(whole.size() > 5);
  const std::int32_t second = whole[4];  // becomes an end
  const auto first = std::find(whole.begin(), whole.end(), second);
  Writer ended{small_decoder({kEnd, second})};
  const Generation made = ended("hello", {.max_new_tokens = 12});
  CHECK(made.tokens == std::vector<std::int32_t>(whole.begin(), first));
  CHECK(made.finish == FinishReason::eos);
  for (const std::int32_t token : ended("hello", {.max_new_tokens = 12, .beams = 3}).tokens) CHECK(token != second);
}

TEST_CASE("with beams the repetition penalty is of log-probabilities of the tokens so far, as in transformers") {
  Writer writer{small_decoder()};
  constexpr float kPenalty = 40;
  bool differs = false;
  for (const char* prompt : {"hello", "he", "w 12", "a"}) {
    // The same search by hand, each step from the whole texts.
    Beams beams({.beams = 2, .end_tokens = {kEnd}});
    std::vector<std::vector<std::int32_t>> texts = {writer.tokenizer.encode(prompt).ids};
    for (int step = 0; step < 10 && !beams.done(); ++step) {
      std::vector<float> scores;
      for (const std::vector<std::int32_t>& text : texts) {
        const Tensor logits = writer.engine.logits(TokenBatch{{Tokens{.ids = text}}}, writer.workspace);
        std::vector<float> row(logits.as<float>().begin(), logits.as<float>().end());
        std::fill(row.begin() + 267, row.end(), -std::numeric_limits<float>::infinity());
        row = log_softmax(row);
        for (const std::int32_t id : std::set<std::int32_t>(text.begin(), text.end())) {
          row[static_cast<std::size_t>(id)] *= kPenalty;
        }
        scores.insert(scores.end(), row.begin(), row.end());
      }
      std::vector<std::vector<std::int32_t>> longer;
      for (const Beams::Continuation& next : beams.step(scores)) {
        longer.push_back(texts[static_cast<std::size_t>(next.parent)]);
        longer.back().push_back(next.token);
      }
      texts = std::move(longer);
    }
    std::vector<std::int32_t> expected = beams.finish().at(0).tokens;
    if (!expected.empty() && expected.back() == kEnd) expected.pop_back();
    const GenerateOptions plain{.max_new_tokens = 10, .beams = 2};
    GenerateOptions penalized = plain;
    penalized.sampling.repetition_penalty = kPenalty;
    CHECK(writer(prompt, penalized).tokens == expected);
    differs = differs || expected != writer(prompt, plain).tokens;
  }
  CHECK(differs);
  CHECK_THROWS_WITH(writer("he", {.sampling = {.temperature = 1}, .beams = 2}), Catch::Contains("one of the two"));
}

TEST_CASE("a prompt without tokens or room, and options out of range, are errors") {
  Writer writer{quantized_decoder()};
  CHECK_THROWS_WITH(writer(std::string(60, 'z')),
                    Catch::Contains("61 tokens, which leaves no room in a context of 40"));
  CHECK_THROWS_WITH(writer("hello", {.context = 2}), Catch::Contains("no room in a context of 2"));
  CHECK_THROWS_WITH(writer("hello", {.context = 41}), Catch::Contains("capacity is 41"));
  CHECK_THROWS_WITH(writer("hello", {.max_new_tokens = 0}), Catch::Contains("max_new_tokens is 0"));
  CHECK_THROWS_WITH(writer("hello", {.beams = 0}), Catch::Contains("beams is 0"));
  CHECK_THROWS_WITH(generate(writer.engine, writer.tokenizer, Tokens{}, writer.workspace),
                    Catch::Contains("no tokens"));
  const Engine bert(tiny_model());
  CHECK_THROWS_WITH(generate(bert, writer.tokenizer, writer.tokenizer.encode("x"), writer.workspace),
                    Catch::Contains("does not predict"));
}

TEST_CASE("greedy texts of the small OPT checkpoints are PyTorch's", "[shared]") {
  for (const std::string name : {"opt-mini", "opt-mini-gated"}) {
    const auto files = find_golden_model(name, ".json");
    if (!files) return;
    Writer writer{Model::from_checkpoint(files->checkpoint)};
    const nlohmann::json golden = nlohmann::json::parse(std::ifstream(files->golden));
    for (const auto& each : golden.at("cases")) {
      CHECK(writer(each.at("prompt"), {.max_new_tokens = 16}).text == each.at("greedy_text").get<std::string>());
    }
  }
}

}  // namespace octavo::test

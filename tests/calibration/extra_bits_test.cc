// Values and weights with more than 8 bits: closer to float32, the same bits everywhere, through a file; and the search
// for as few of them as a target takes.
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_opt.h"
#include "tests/support/tiny_vit.h"

#include "octavo/analysis.h"
#include "octavo/calibration.h"
#include "octavo/comparison.h"
#include "octavo/error.h"

#include <algorithm>
#include <cstring>

namespace octavo::test {
namespace {

Workspace& one_thread() {
  static Workspace workspace({.threads = 1});
  return workspace;
}

/// A model, what it was observed on, and samples that it was not.
template <typename Batch>
struct Observed {
  Model model;
  Batch held_out;
  CalibrationOptions options;
  Calibrator calibrator;

  Observed(Model m, const std::vector<Batch>& batches, Batch unseen, const CalibrationOptions& o = {})
      : model(std::move(m)), held_out(std::move(unseen)), options(o), calibrator(model, options) {
    for (const Batch& batch : batches) calibrator.observe(batch, one_thread());
  }

  Model quantize(const std::vector<ExtraBits>& bits) {
    CalibrationOptions with = options;
    with.precision.extra_bits = bits;
    return calibrator.quantize(with).model;
  }
  Calibrated reach(double target) {
    CalibrationOptions with = options;
    with.precision.target_cosine = target;
    return calibrator.quantize(with);
  }
  double distance(const Model& quantized) const {
    return 1.0 -
           mean_row_cosine(Engine(quantized).run(held_out, one_thread()), Engine(model).run(held_out, one_thread()));
  }
};

std::vector<TokenBatch> texts(int longest, int vocab_size) {
  std::vector<TokenBatch> batches;
  for (unsigned seed = 1; seed <= 6; ++seed) batches.push_back(random_batch(16, longest, vocab_size, seed));
  return batches;
}

Observed<TokenBatch> observed(Model model, int longest, int vocab_size, const CalibrationOptions& options = {}) {
  return {std::move(model), texts(longest, vocab_size), random_batch(32, longest, vocab_size, 99), options};
}

/// The first of texts(40, 50).
TokenBatch first_samples(std::size_t count) {
  TokenBatch result;
  for (const TokenBatch& batch : texts(40, 50)) {
    for (const Tokens& sequence : batch.sequences) {
      if (result.sequences.size() < count) result.sequences.push_back(sequence);
    }
  }
  return result;
}

/// With everything in 11 bits the model is closer by at least that factor, through a file, with every instruction set
/// and thread count.
template <typename Batch>
void require_closer(Observed<Batch> observed, double factor) {
  const Model all = observed.quantize(observed.calibrator.extra_bits());
  const double plain = observed.distance(observed.quantize({})), found = observed.distance(all);
  CAPTURE(plain, found);
  CHECK(found * factor < plain);
  TemporaryDirectory directory;
  all.save(directory.path() / "m.octavo");
  const Model loaded = Model::from_file(directory.path() / "m.octavo");
  const Tensor expected = Engine(all, {.isa = "scalar"}).run(observed.held_out, one_thread());
  for (const std::string& isa : available_isas()) {
    INFO(isa);
    CHECK(equal_bytes(Engine(loaded, {.isa = isa}).run(observed.held_out, one_thread()), expected));
    Workspace three({.threads = 3});
    CHECK(equal_bytes(Engine(loaded, {.isa = isa}).run(observed.held_out, three), expected));
  }
}

}  // namespace

TEST_CASE("extra bits bring every kind of model closer, with the same bits on every instruction set") {
  SECTION("BERT with gates") {
    for (const char* kind : {"linear", "mlp"}) {
      INFO(kind);
      require_closer(observed(tiny_model({.gate_kind = kind}), 40, 50), 2.0);
    }
  }
  SECTION("BERT without token types, clipped, ReLU") {
    require_closer(observed(tiny_model({.types = 0, .gate = false, .gamma = -0.02, .activation = "relu"}), 40, 50),
                   1.5);
  }
  SECTION("weights per tensor") {
    require_closer(observed(tiny_model({.gate = false}), 40, 50, {.weights = {.scales = WeightScales::per_tensor}}),
                   2.0);
  }
  SECTION("OPT before and after its norms, embeddings straight to a product") {
    require_closer(observed(TinyOpt().model(), 40, 70), 2.0);
    require_closer(observed(TinyOpt({.norm_before = false, .gate = false}).model(), 40, 70), 2.0);
    require_closer(observed(TinyOpt({.word_size = 20, .norm_before = false}).model(), 40, 70), 2.0);
  }
  SECTION("ViT") {
    const std::vector<ImageBatch> pictures = {random_images(16, 32, 1), random_images(16, 32, 2)};
    require_closer(Observed<ImageBatch>(TinyVit().model(), pictures, random_images(8, 32, 9)),
                   1.05);  // patches, Q, K and V keep 8 bits
  }
}

TEST_CASE("extra bits of a decoder continue from a cache with the bits of the whole text") {
  auto opt = observed(TinyOpt().model(), 40, 70);
  const Engine engine(opt.quantize(opt.calibrator.extra_bits()));
  const Tokens text = random_batch(1, 40, 70, 3).sequences[0], first{.ids = {text.ids.begin(), text.ids.end() - 1}},
               last{.ids = {text.ids.back()}};
  REQUIRE(text.ids.size() > 2);
  const Tensor whole = engine.logits(TokenBatch{{text}}, one_thread());
  KvCache cache(engine.model());
  std::vector<KvCache*> caches = {&cache};
  engine.decode(TokenBatch{{first}}, caches, one_thread());
  CHECK(equal_bytes(engine.decode(TokenBatch{{last}}, caches, one_thread()), whole));
}

TEST_CASE("a search reaches its target with fewer extra bits than there are, and says when nothing does") {
  auto bert = observed(tiny_model({.layers = 3}), 40, 50);
  const std::vector<ExtraBits> all = bert.calibrator.extra_bits();
  const PrecisionChoice never = bert.reach(1.0 - 1e-9).precision.value();
  CHECK(!never.reached);
  CHECK(never.extra_bits.size() == all.size());
  REQUIRE(never.frontier.size() == 2);  // nothing and everything
  const double plain = never.frontier[0].closeness, best = never.frontier[1].closeness,
               target = 1.0 - std::sqrt((1.0 - plain) * (1.0 - best));
  const Calibrated made = bert.reach(target);
  const PrecisionChoice& found = made.precision.value();
  CHECK(found.target == target);
  CHECK(found.reached);
  CHECK(!found.extra_bits.empty());
  CHECK(found.extra_bits.size() < all.size());
  const auto more_work = [](const FrontierPoint& a, const FrontierPoint& b) { return a.work < b.work; };
  CHECK(std::is_sorted(found.frontier.begin(), found.frontier.end(), more_work));

  // The options that are handed back make the same model, and it is as close as the frontier says.
  CHECK(made.options.precision.extra_bits == found.extra_bits);
  CHECK(!made.options.precision.target_cosine);
  CHECK(bert.calibrator.quantize(made.options).model.summary() == made.model.summary());
  Comparison comparison;
  comparison.add(bert.calibrator.reference(), first_samples(64), one_thread());
  const double closeness = comparison.closeness(Engine(made.model), one_thread()).mean();
  CHECK(closeness >= target);
  const auto point = std::find_if(found.frontier.begin(), found.frontier.end(),
                                  [&](const FrontierPoint& p) { return p.extra_bits == found.extra_bits.size(); });
  REQUIRE(point != found.frontier.end());
  CHECK(point->closeness == Approx(closeness).margin(1e-6));

  const PrecisionChoice none = bert.reach(0.5).precision.value();
  CHECK(none.reached);
  CHECK(none.extra_bits.empty());
}

TEST_CASE("a value that was damaged on purpose is the first to get extra bits") {
  TinyBert bert({.layers = 3});
  for (std::size_t k = 0; k < 48; ++k) {  // one neuron of layer 1 forty times larger, and what reads it as much smaller
    bert.tensors.at("encoder.layer.1.intermediate.dense.weight").writable<float>()[7 * 48 + k] *= 40.0f;
    bert.tensors.at("encoder.layer.1.output.dense.weight").writable<float>()[k * 80 + 7] /= 40.0f;
  }
  TemporaryDirectory directory;
  bert.write(directory.path());
  auto damaged = observed(Model::from_checkpoint(directory.path()), 40, 50, {.activations = {.channel_splits = 0}});
  const PrecisionChoice found = damaged.reach(1.0 - 1e-9).precision.value();
  const auto rank = [&](const std::string& value) {
    return std::find(found.extra_bits.begin(), found.extra_bits.end(), ExtraBits{value, false}) -
           found.extra_bits.begin();
  };
  CHECK(rank("encoder.layer.1.intermediate.dense") <= 1);  // words cost next to nothing
}

TEST_CASE("what cannot have extra bits is an error that names it") {
  auto bert = observed(tiny_model(), 40, 50);
  CHECK_THROWS_WITH(bert.quantize({{"no.such.value"}}), Catch::Contains("no.such.value cannot have extra bits"));
  CHECK_THROWS_WITH(bert.quantize({{"embeddings", true}}), Catch::Contains("embeddings: the weights"));
}

TEST_CASE("a column of V that is far larger than the others costs the others nothing, gates and clipping included") {
  TinyBert bert({.gamma = -0.02});
  for (const char* layer : {"encoder.layer.0", "encoder.layer.1"}) {
    for (std::size_t k = 0; k < 48; ++k) {
      bert.tensors.at(std::string(layer) + ".attention.self.value.weight").writable<float>()[7 * 48 + k] *= 60.0f;
      bert.tensors.at(std::string(layer) + ".attention.output.dense.weight").writable<float>()[k * 60 + 7] /= 60.0f;
    }
    bert.tensors.at(std::string(layer) + ".attention.self.value.bias").writable<float>()[7] *= 60.0f;
  }
  TemporaryDirectory directory;
  bert.write(directory.path());
  const Model model = Model::from_checkpoint(directory.path());
  auto alike = observed(model, 40, 50),
       apart = observed(model, 40, 50, {.activations = {.equalize = EqualizeMethod::none}});
  const Model quantized = alike.quantize({});
  CHECK(alike.distance(quantized) < 0.1 * apart.distance(apart.quantize({})));

  // An analysis shows V and context as the checkpoint has them.
  const Analysis analysis = analyze(model, std::vector{alike.held_out}, one_thread(), {.quantized = quantized});
  for (const ValueAnalysis& value : analysis.values) {
    if (value.kind != "value" && value.kind != "context") continue;
    INFO(value.name);
    CHECK(value.sqnr > 25.0);
  }
}

}  // namespace octavo::test

// Models without some of their attentions and feed-forward networks, and the search for those that do least.
#include "graph/sublayers.h"

#include "graph/model_data.h"
#include "tests/support/check_integers.h"
#include "tests/support/compare.h"
#include "tests/support/golden_heads.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_opt.h"
#include "tests/support/tiny_vit.h"

#include "octavo/calibration.h"
#include "octavo/error.h"
#include "octavo/sublayers.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

namespace octavo::test {
namespace {

Workspace& one_thread() {
  static Workspace workspace({.threads = 1});
  return workspace;
}

using Names = std::vector<std::string>;

Names names_of(const Model& model) {
  Names names;
  for (const Sublayer& each : sublayers(model)) names.push_back(each.name);
  return names;
}

/// What the tensor becomes that adds to the stream: all zero, and with it the bias.
void silence(TinyCheckpoint& checkpoint, const std::string& module) {
  for (const char* part : {".weight", ".bias"}) {
    const auto found = checkpoint.tensors.find(module + part);
    if (found != checkpoint.tensors.end()) std::ranges::fill(found->second.writable<float>(), 0.0f);
  }
}

Comparison answers_of(const Model& model, const TokenBatch& batch) {
  Comparison result;
  result.add(Engine(model), batch, one_thread());
  return result;
}

Distance distance_to(const Comparison& answers) {
  return [&answers](const Engine& engine) { return 1.0 - answers.closeness(engine, one_thread()).mean(); };
}

std::size_t file_bytes(const Model& model) {
  const TemporaryDirectory directory;
  model.save(directory / "m.octavo");
  return std::filesystem::file_size(directory / "m.octavo");
}

std::size_t nodes_of(const Model& model) { return data_of(model).graph.nodes.size(); }

/// A checkpoint whose last layer is taken out by hand is the model without its last two sublayers.
template <typename Checkpoint, typename Options>
void check_last_layer(Options options, const TokenBatch& batch) {
  Checkpoint whole(options);
  options.layers -= 1;
  Checkpoint less(options);
  for (auto& [name, tensor] : less.tensors) tensor = whole.tensors.at(name);
  const Model built = less.model(), model = whole.model();
  const Names names = names_of(model);
  REQUIRE(names.size() == 2 * static_cast<std::size_t>(options.layers) + 2);
  const Model without = without_sublayers(model, Names(names.end() - 2, names.end()));
  CHECK(without.info().layers == options.layers);
  CHECK(without.info().parameters == built.info().parameters);
  CHECK(nodes_of(without) == nodes_of(built));
  CHECK(equal_bytes(Engine(without).run(batch, one_thread()), Engine(built).run(batch, one_thread())));
  CHECK(equal_bytes(Engine(calibrated_on_random_tokens(without)).run(batch, one_thread()),
                    Engine(calibrated_on_random_tokens(built)).run(batch, one_thread())));
}

}  // namespace

TEST_CASE("a model has an attention and a feed-forward network in each layer, whatever its family") {
  const auto check = [](const Model& model) {
    const std::vector<Sublayer> found = sublayers(model);
    REQUIRE(std::ssize(found) == 2 * model.info().layers);
    for (std::size_t i = 0; i < found.size(); ++i) {
      CHECK(found[i].kind == (i % 2 == 0 ? SublayerKind::attention : SublayerKind::feed_forward));
      CHECK(found[i].layer == static_cast<int>(i) / 2);
    }
  };
  check(tiny_model({.layers = 3}));
  for (const TinyOptOptions& options : opt_variants()) check(TinyOpt(options).model());
  check(TinyVit().model());
}

TEST_CASE("a model without its last layer is the model that was built without it, in float32 and in integers") {
  SECTION("norms behind sums") {
    check_last_layer<TinyBert>(TinyBertOptions{.layers = 3}, random_batch(8, 40, 50));
    check_last_layer<TinyOpt>(TinyOptOptions{.layers = 3, .norm_before = false}, random_batch(8, 40, 70));
  }
  SECTION("norms before products") { check_last_layer<TinyOpt>(TinyOptOptions{.layers = 3}, random_batch(8, 40, 70)); }
}

TEST_CASE("any sublayer can go, alone or with others, and what is left has the same bits on every instruction set") {
  const auto check = [](const Model& model, const TokenBatch& batch) {
    const Names names = names_of(model);
    check_integers(without_sublayers(model, Names{names[0]}), batch, 0.99);
    check_integers(without_sublayers(model, Names{names[3]}), batch, 0.99);
    Names most = names;
    most.erase(most.begin() + 2);  // all but the second attention
    check_integers(without_sublayers(model, most), batch, 0.99);
  };
  SECTION("BERT") { check(tiny_model({.pooler = true}), random_batch(8, 40, 50)); }
  SECTION("OPT") { check(TinyOpt().model(), random_batch(8, 40, 70)); }
  SECTION("OPT with norms behind sums and words of another width") {
    check(TinyOpt({.word_size = 20, .norm_before = false}).model(), random_batch(8, 40, 70));
  }
}

TEST_CASE("without a sublayer the file is smaller, ops are fewer, and answers are those of float32 without it") {
  const Model whole = tiny_model({.layers = 3});
  const TokenBatch batch = random_batch(16, 40, 50);
  const std::string name = names_of(whole)[3];
  const Model without = without_sublayers(whole, Names{name});
  const Model integers = calibrated_on_random_tokens(without), whole_integers = calibrated_on_random_tokens(whole);
  CHECK(file_bytes(integers) + 2 * 48 * 80 < file_bytes(whole_integers));
  CHECK(nodes_of(integers) == nodes_of(whole_integers) - 3);  // of a feed-forward network: two products and a norm
  const TemporaryDirectory directory;
  integers.save(directory / "m.octavo");
  CHECK(Model::from_file(directory / "m.octavo").info().removed_sublayers == Names{name});

  const auto answers = [&](const Model& model) { return Engine(model).run(batch, one_thread()); };
  const double to_own = mean_row_cosine(answers(integers), answers(without)),
               to_whole = mean_row_cosine(answers(integers), answers(whole)),
               removal = mean_row_cosine(answers(without), answers(whole));
  CAPTURE(to_own, to_whole, removal);
  CHECK(to_own > 0.999);
  CHECK(1.0 - removal > 10.0 * (1.0 - to_own));  // what is missing shows
  CHECK(to_whole == Approx(removal).margin(2.0 * (1.0 - to_own) + 0.01 * (1.0 - removal)));
}

TEST_CASE("sublayers that do nothing are found first, and cost nothing") {
  TinyOpt opt({.layers = 3});
  const Names planted = {"model.decoder.layers.1.fc2", "model.decoder.layers.2.self_attn.out_proj"};
  for (const std::string& module : planted) silence(opt, module);
  const Model model = opt.model();
  const Comparison answers = answers_of(model, random_batch(8, 40, 70));
  const SublayerChoice found = choose_sublayers(model, distance_to(answers), {.count = 3});
  CHECK(found.sublayers == 6);
  REQUIRE(found.removed.size() == 3);
  Names first = found.names();
  first.pop_back();
  CHECK(std::ranges::is_permutation(first, Names{"decoder.layers.1.fc2", "decoder.layers.2.self_attn.out_proj"}));
  CHECK(found.removed[0].distance < 1e-12);
  CHECK(found.removed[1].distance < 1e-12);
  CHECK(found.removed[2].distance > 1e-6);
  CHECK(found.removed[0].work < 1.0);
  CHECK(found.removed[1].work < found.removed[0].work);

  // A bound takes what does nothing, says what it left, and the figures are those of the models themselves.
  const SublayerChoice until = choose_sublayers(model, distance_to(answers), {.most_distance = 1e-9});
  CHECK(until.names() == first);
  REQUIRE(until.next);
  CHECK(until.next->sublayer.name == found.removed[2].sublayer.name);
  CHECK(until.next->distance == found.removed[2].distance);
  const Engine engine(without_sublayers(model, found.names()));
  CHECK(found.removed[2].distance == 1.0 - answers.closeness(engine, one_thread()).mean());
}

TEST_CASE("a decoder continues from a cache with fewer attentions") {
  const Model model = TinyOpt({.layers = 3}).model();
  const Model quantized = calibrated_on_random_tokens(without_sublayers(model, Names{names_of(model)[2]}));
  const Engine engine(quantized);
  const Tokens text{.ids = {2, 5, 9, 30, 41, 7}}, first{.ids = {2, 5, 9, 30, 41}}, last{.ids = {7}};
  const Tensor whole = engine.logits(TokenBatch{{text}}, one_thread());
  KvCache cache(quantized);
  std::vector<KvCache*> caches = {&cache};
  engine.decode(TokenBatch{{first}}, caches, one_thread());
  CHECK(equal_bytes(engine.decode(TokenBatch{{last}}, caches, one_thread()), whole));
}

TEST_CASE("a picture's model loses sublayers, too") {
  const Model model = TinyVit().model();
  const Model without = without_sublayers(model, Names{names_of(model)[1]});
  const ImageBatch pictures = random_images(8, 32);
  Calibrator calibrator(without);
  calibrator.observe(random_images(16, 32, 1), one_thread());
  const Model quantized = calibrator.quantize().model;
  CHECK(mean_row_cosine(Engine(quantized).logits(pictures, one_thread()),
                        Engine(without).logits(pictures, one_thread())) > 0.99);
}

TEST_CASE("what cannot be removed is an error that says so") {
  const Model model = tiny_model();
  const Names names = names_of(model);
  CHECK_THROWS_WITH(without_sublayers(model, Names{"no.such"}), Catch::Contains("network no.such"));
  CHECK_THROWS_WITH(without_sublayers(model, Names{names[0], names[0]}), Catch::Contains("removed twice"));
  CHECK_THROWS_WITH(without_sublayers(model, Names{names[0], names[2]}), Catch::Contains("one attention must be left"));
  CHECK_THROWS_WITH(without_sublayers(quantized_tiny_model(), Names{names[0]}), Catch::Contains("quantized already"));
  const Comparison answers = answers_of(model, random_batch(2, 9, 50));
  CHECK_THROWS_WITH(choose_sublayers(model, distance_to(answers), {.count = 4}),
                    Catch::Contains("one attention stays"));
  CHECK_THROWS_WITH(choose_sublayers(model, distance_to(answers), {}), Catch::Contains("either count or"));
  const Names left = choose_sublayers(model, distance_to(answers), {.count = 3}).names();
  CHECK(left.size() == 3);  // all but an attention
}

}  // namespace octavo::test

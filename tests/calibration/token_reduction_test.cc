// Pictures with fewer tokens: which go, that the others are what they were, the same bits everywhere, and what is
// refused.
#include "octavo/token_reduction.h"

#include "base/access.h"
#include "float/float_executor.h"
#include "graph/model_data.h"
#include "integer/integer_executor.h"
#include "io/safetensors.h"
#include "runtime/ragged.h"
#include "runtime/workspace.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_vit.h"

#include "octavo/calibration.h"
#include "octavo/image.h"
#include "octavo/samples.h"
#include "octavo/tasks.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace octavo::test {
namespace {

using Reductions = std::vector<TokenReduction>;
constexpr TokenReductionKind kPrune = TokenReductionKind::prune, kMerge = TokenReductionKind::merge;

Workspace& one_thread() {
  static Workspace workspace({.threads = 1});
  return workspace;
}

Model quantized(const Model& model) {
  Calibrator calibrator(model);
  for (unsigned seed = 1; seed <= 3; ++seed)
    calibrator.observe(random_images(8, model.info().image->width, seed), one_thread());
  return calibrator.quantize().model;
}

std::string bytes_of(const Model& model) {
  const TemporaryDirectory directory;
  model.save(directory / "m.octavo");
  std::ifstream file(directory / "m.octavo", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Of 16 patches: by three kinds of tokens before them, layers and orders.
std::vector<std::pair<TinyVitOptions, Reductions>> variants() {
  return {{{.layers = 3}, {{0, kPrune, 5}, {1, kPrune, 4}}},
          {{.layers = 3, .distillation = true}, {{0, kMerge, 8}, {1, kMerge, 3}, {2, kPrune, 5}}},
          {{.layers = 3, .registers = 3}, {{0, kPrune, 4}, {1, kMerge, 6}}},
          {{.layers = 3, .gate = false, .gamma = -0.01}, {{1, kMerge, 5}, {2, kMerge, 2}}},
          {{.layers = 3, .norm_pre = true}, {{0, kPrune, 16}}}};
}

struct Codes {
  std::vector<std::vector<std::int16_t>> rows = {};  // by node, all rows side by side
  std::vector<std::ptrdiff_t> strides = {};
  const Model::Data* model = nullptr;
  const RaggedBatch* batch = nullptr;
};

void keep_codes(void* context, std::size_t node, const NodeCodes& codes) {
  auto& kept = *static_cast<Codes*>(context);
  kept.rows.resize(node + 1);
  kept.strides.resize(node + 1);
  if (!codes.stream) return;
  const int rows = kept.batch->rows(kept.model->graph.values[node], 0);
  kept.strides[node] = codes.stream_stride;
  kept.rows[node].assign(codes.stream, codes.stream + rows * codes.stream_stride);
}

/// A checkpoint all of whose patches are the same: one colour, and one position.
TinyVit one_colour_vit(const TinyVitOptions& options) {
  TinyVit vit(options);
  Tensor& positions = vit.tensors.at("pos_embed");
  std::ranges::fill(positions.writable<float>(), 0.0f);
  return vit;
}

ImageBatch one_colour(int size) {
  ImageBatch batch;
  for (int shade : {20, 130, 250})
    batch.images.push_back({.width = size,
                            .height = size,
                            .pixels = std::vector<std::uint8_t>(static_cast<std::size_t>(3 * size * size),
                                                                static_cast<std::uint8_t>(shade))});
  return batch;
}

/// The same model, whose tokens are chosen by queries and keys that have nothing to do with it: random projections of
/// what attention reads, or keys that are all the same.
Model chosen_blindly(const Model& model, bool random) {
  Model::Data data = data_of(model);
  const Graph graph = data.graph;
  GraphBuilder g;
  std::mt19937 numbers(7);
  std::normal_distribution<float> normal(0.0f, 0.2f);
  for (const Node& node : graph.nodes) {
    std::vector<ValueId> inputs = node.inputs;  // moved on by as many nodes as are new before
    const auto place = [&](ValueId old) {
      const auto named = [&](const Value& value) { return value.name == graph.name(old); };
      return static_cast<ValueId>(std::ranges::find_if(g.graph().values, named) - g.graph().values.begin());
    };
    for (ValueId& input : inputs) input = place(input);
    if (std::holds_alternative<ReduceTokens>(node.op)) {
      Node product = graph.producer(node.inputs[1]);
      auto& op = std::get<QkvProduct>(product.op);
      for (LinearBlock* block : {&op.query, &op.key}) {
        Tensor weight(DType::f32, tensor(data.tensors, block->weight).shape()), bias(DType::f32, {block->columns});
        if (random) std::ranges::generate(weight.writable<float>(), [&] { return normal(numbers); });
        block->name += ".blind" + std::to_string(node.output);
        block->weight = block->name + ".weight";
        block->bias = block->name + ".bias";
        data.tensors.insert_or_assign(block->weight, weight);
        data.tensors.insert_or_assign(block->bias, bias);
      }
      Value value = graph.value(node.inputs[1]);
      value.name += ".blind" + std::to_string(node.output);
      inputs[1] = g.copy(value, product, {place(product.inputs[0])});
    }
    g.copy(graph.value(node.output), node, inputs);
  }
  for (const GraphOutput& output : graph.outputs) {
    const auto named = [&](const Value& value) { return value.name == graph.name(output.value); };
    g.output(output.name,
             static_cast<ValueId>(std::ranges::find_if(g.graph().values, named) - g.graph().values.begin()));
  }
  data.graph = g.finish();
  return Access::make<Model>(std::make_shared<const Model::Data>(std::move(data)));
}

}  // namespace

TEST_CASE("tokens that stay are those that were there, in order, and class, distillation and register tokens do") {
  const ImageBatch pictures = random_images(3, 32, 7);
  for (const auto& [options, reductions] : variants()) {
    INFO("distillation " << options.distillation << " registers " << options.registers);
    const Model model = quantized(with_fewer_tokens(TinyVit(options).model(), reductions));
    const auto data = shared_data_of(model);
    const RaggedBatch batch = make_ragged(pictures, model.info());
    Codes codes{.model = data.get(), .batch = &batch};
    const IntegerExecutor executor(data, kernels::Isa::scalar);
    executor.run(data->graph.find_output(kLogits)->value, batch, data_of(one_thread()), keep_codes, &codes);
    int seen = 0, removed = 0;
    for (const Node& node : data->graph.nodes) {
      const Value& value = data->graph.value(node.output);
      if (!value.name.ends_with(".tokens")) continue;
      const auto place = static_cast<std::size_t>(node.output), before = static_cast<std::size_t>(node.inputs[0]);
      const TokenReduction& reduction = reductions[static_cast<std::size_t>(seen++)];
      const int from = model.info().max_positions - removed, to = from - reduction.removed;
      removed += reduction.removed;
      CHECK(value.removed == removed);
      const std::ptrdiff_t stride = codes.strides[place];
      REQUIRE(codes.rows[place].size() == static_cast<std::size_t>(3 * to * stride));
      for (int i = 0; i < 3; ++i) {
        const auto row = [&](std::size_t of, int r) {
          const auto first = codes.rows[of].begin() + r * stride;
          return std::vector<std::int16_t>(first, first + value.columns);
        };
        int next = 0, same = 0;
        for (int r = 0; r < to; ++r) {
          int found = next;
          while (found < from && row(before, i * from + found) != row(place, i * to + r)) ++found;
          if (r < model.info().prefix_tokens) REQUIRE(found == r);
          if (found == from) continue;  // the mean of some
          next = found + 1;
          ++same;
        }
        CHECK(same >= (reduction.kind == kPrune ? to : to - std::min(reduction.removed, to)));
        CHECK(same >= model.info().prefix_tokens);
      }
    }
    CHECK(seen == static_cast<int>(reductions.size()));
    CHECK(Engine(model).run(pictures, one_thread()).rows() == 3 * (model.info().max_positions - removed));
  }
}

TEST_CASE("pictures with fewer tokens give the same bytes with every instruction set, thread count and batch") {
  const ImageBatch batch = random_images(5, 32, 42);
  const TemporaryDirectory directory;
  for (const auto& [options, reductions] : variants()) {
    INFO("distillation " << options.distillation << " registers " << options.registers);
    const Model model = with_fewer_tokens(TinyVit(options).model(), reductions), integer = quantized(model);
    integer.save(directory / "m.octavo");
    const Model read = Model::from_file(directory / "m.octavo");
    const Tensor logits = Engine(integer, {.isa = "scalar"}).logits(batch, one_thread());
    CHECK(mean_row_cosine(logits, Engine(model).logits(batch, one_thread())) > 0.98);
    for (const std::string& isa : available_isas()) {
      const Engine engine(read, {.isa = isa});
      for (const int threads : {1, 2, 7}) {
        INFO(isa << " with " << threads << " threads");
        Workspace workspace({.threads = threads});
        CHECK(equal_bytes(engine.logits(batch, workspace), logits));
        for (std::size_t i = 0; i < batch.images.size(); ++i)
          CHECK(equal_bytes(engine.logits({{batch.images[i]}}, workspace), row_of(logits, i)));
      }
    }
    const Tensor classes = embed(Engine(read), batch, one_thread(), {.pooling = {Pooling::cls}});
    CHECK(mean_row_cosine(classes, embed(Engine(model), batch, one_thread(), {.pooling = {Pooling::cls}})) > 0.98);
    CHECK_THROWS_WITH(Engine(read).pool(batch, {Pooling::mean}, one_thread()),
                      Catch::Contains("has removed") && Catch::Contains("expected cls"));
  }
}

TEST_CASE("keeping all tokens is the model itself, and dropping patches that nobody reads changes no logit") {
  const Model model = TinyVit({.layers = 3}).model();
  const double all[] = {1.0, 1.0, 1.0}, none[] = {0.0};
  const int layers[] = {0, 1, 2}, last[] = {2};
  CHECK(keeping(model.info(), all, layers).empty());
  CHECK(bytes_of(quantized(with_fewer_tokens(model, keeping(model.info(), all, layers)))) ==
        bytes_of(quantized(model)));
  const ImageBatch batch = random_images(4, 32, 3);
  const Model fewer = with_fewer_tokens(model, keeping(model.info(), none, last));
  CHECK(largest_difference(Engine(fewer).logits(batch, one_thread()).as<float>(),
                           Engine(model).logits(batch, one_thread()).as<float>()) < 1e-5);
  CHECK(picture_cost(fewer) < 0.9 * picture_cost(model));
  const Model integer = quantized(model), dropped = with_fewer_tokens(integer, keeping(model.info(), none, last));
  CHECK(equal_bytes(Engine(dropped).logits(batch, one_thread()), Engine(integer).logits(batch, one_thread())));
  const TemporaryDirectory directory;
  dropped.save(directory / "m.octavo");
  const Engine read(Model::from_file(directory / "m.octavo"));
  CHECK(equal_bytes(read.logits(batch, one_thread()), Engine(integer).logits(batch, one_thread())));
  CHECK(read.run(batch, one_thread()).rows() == 4);
  const Model merged = quantized(with_fewer_tokens(model, Reductions{{0, kMerge, 4}})),
              less = with_fewer_tokens(merged, Reductions{{2, kPrune, 12}});
  CHECK(equal_bytes(Engine(less).logits(batch, one_thread()), Engine(merged).logits(batch, one_thread())));
}

TEST_CASE("patches that are alike count as often as there were, so that merging them changes nothing") {
  const ImageBatch batch = one_colour(32);
  const Model model = one_colour_vit({.layers = 3}).model();
  for (const Reductions& reductions :
       {Reductions{{0, kMerge, 8}}, Reductions{{0, kMerge, 3}, {1, kMerge, 6}}, merging(model, 5)}) {
    const Model fewer = with_fewer_tokens(model, reductions);
    const Tensor whole = Engine(model).logits(batch, one_thread());
    CHECK(largest_difference(Engine(fewer).logits(batch, one_thread()).as<float>(), whole.as<float>()) < 1e-4);
    CHECK(mean_row_cosine(Engine(quantized(fewer)).logits(batch, one_thread()), whole) > 0.99);
  }
  // Without their number in the scores of attention they would count less than the class token's.
  const Model pruned = with_fewer_tokens(model, Reductions{{0, kPrune, 8}});
  CHECK(largest_difference(Engine(pruned).logits(batch, one_thread()).as<float>(),
                           Engine(model).logits(batch, one_thread()).as<float>()) > 1e-3);
}

TEST_CASE("the mean of tokens that are alike is what they are, however many are in each") {
  const ImageBatch pictures = one_colour(32);
  const Model model =
      quantized(with_fewer_tokens(one_colour_vit({.layers = 3}).model(), Reductions{{0, kMerge, 5}, {1, kMerge, 4}}));
  const auto data = shared_data_of(model);
  const RaggedBatch batch = make_ragged(pictures, model.info());
  Codes codes{.model = data.get(), .batch = &batch};
  IntegerExecutor(data, kernels::Isa::scalar)
      .run(data->graph.find_output(kLogits)->value, batch, data_of(one_thread()), keep_codes, &codes);
  int seen = 0;
  for (const Node& node : data->graph.nodes) {
    const Value& value = data->graph.value(node.output);
    if (!value.name.ends_with(".tokens")) continue;
    ++seen;
    const auto place = static_cast<std::size_t>(node.output), before = static_cast<std::size_t>(node.inputs[0]);
    const std::ptrdiff_t stride = codes.strides[place];
    const auto patch = codes.rows[before].begin() + model.info().prefix_tokens * stride;  // of the first picture
    for (int r = model.info().prefix_tokens; r < model.info().max_positions - value.removed; ++r)
      CHECK(std::equal(patch, patch + value.columns, codes.rows[place].begin() + r * stride));
  }
  CHECK(seen == 2);
}

TEST_CASE("the patches that the class token reads least are pruned") {
  const Model model = TinyVit({.layers = 2, .gate = false}).model();
  const Model fewer = with_fewer_tokens(model, Reductions{{0, kPrune, 9}});
  const ImageBatch pictures = random_images(2, 32, 5);  // whose pixels a batch does not copy
  const RaggedBatch batch = make_ragged(pictures, model.info());
  std::map<std::string, std::vector<float>, std::less<>> values;
  std::vector<std::vector<float>> probabilities;
  const FloatExecutor executor(shared_data_of(fewer));
  executor.run(batch, data_of(one_thread()),
               {.observer =
                    [&](std::string_view name, std::span<const float> seen, int) {
                      if (name == "blocks.0.attn.probs") probabilities.emplace_back(seen.begin(), seen.end());
                      values[std::string(name)].assign(seen.begin(), seen.end());
                    },
                .stages = ObserveStages::all});
  REQUIRE(probabilities.size() == 2);
  const std::vector<float>&before = values.at("blocks.0.attn.proj"), &after = values.at("blocks.0.attn.proj.tokens");
  for (std::size_t i = 0; i < 2; ++i) {
    std::vector<float> share(17, 0.0f);
    for (std::size_t head = 0; head < 3; ++head)
      for (std::size_t key = 0; key < 17; ++key) share[key] += probabilities[i][head * 17 * 17 + key];
    std::vector<std::size_t> order(16);
    std::iota(order.begin(), order.end(), std::size_t{1});
    std::ranges::sort(order, std::ranges::greater(), [&](std::size_t key) { return share[key]; });
    order.resize(7);
    std::ranges::sort(order);
    order.insert(order.begin(), 0);
    for (std::size_t row = 0; row < 8; ++row)
      CHECK(std::equal(after.begin() + static_cast<std::ptrdiff_t>((i * 8 + row) * 48),
                       after.begin() + static_cast<std::ptrdiff_t>((i * 8 + row + 1) * 48),
                       before.begin() + static_cast<std::ptrdiff_t>((i * 17 + order[row]) * 48)));
  }
}

TEST_CASE("what cannot do with fewer tokens is refused by name, and so are layers and numbers that do not fit") {
  const auto refused = [](const Model& model, const Reductions& reductions) {
    return refusal([&] { with_fewer_tokens(model, reductions); });
  };
  const Model model = TinyVit().model();
  const Reductions some = {{0, kMerge, 2}};
  CHECK_THAT(refused(tiny_model(), some), Catch::Contains("model of texts"));
  CHECK_THAT(refused(quantized(model), some), Catch::Contains("quantized already"));
  CHECK_THAT(refused(TinyVit({.classes = 0}).model(), some), Catch::Contains("tells no classes"));
  CHECK_THAT(refused(TinyVit({.mean_pooling = true}).model(), some),
             Catch::Contains("logits.rows has the mean of patches"));
  CHECK_THAT(refused(TinyVit({.mean_pooling = true}).model(), {{0, kPrune, 2}}), Catch::Contains("there is none"));
  CHECK_THAT(refused(Model::from_checkpoint(source_dir() / "tests/golden/tiny/beit"), some),
             Catch::Contains("tells no classes") || Catch::Contains("bias of scores by place"));
  CHECK_THAT(refused(model, {{2, kMerge, 2}}), Catch::Contains("behind layer 2, expected 0 to 1"));
  CHECK_THAT(refused(model, {{1, kMerge, 2}, {1, kPrune, 2}}), Catch::Contains("twice behind layer 1"));
  CHECK_THAT(refused(model, {{0, kMerge, 9}}), Catch::Contains("removes 9 of 16 patches, expected 1 to 8"));
  CHECK_THAT(refused(model, {{0, kPrune, 17}}), Catch::Contains("removes 17 of 16 patches, expected 1 to 16"));
  CHECK_THAT(refused(model, {{0, kPrune, 0}}), Catch::Contains("removes 0 of 16 patches"));
  CHECK_THAT(refused(model, {{0, kMerge, 2}, {1, kPrune, 2}}), Catch::Contains("some are merged"));
  const double ratios[] = {0.5, 1.5}, halves[] = {0.5, 0.5};
  const int layers[] = {1, 0}, ascending[] = {0, 1};
  CHECK_THROWS_WITH(keeping(model.info(), halves, layers), Catch::Contains("layers that ascend"));
  CHECK_THROWS_WITH(keeping(model.info(), ratios, ascending), Catch::Contains("expected 0 to 1"));
  CHECK_THROWS_WITH(merging(model, 0), Catch::Contains("expected 1 or more"));
}

TEST_CASE("a model file whose tokens do not add up is refused") {
  const TemporaryDirectory directory;
  const auto reading = [&](const std::string& from, const std::string& to) {
    std::string bytes = bytes_of(quantized(with_fewer_tokens(TinyVit().model(), Reductions{{0, kMerge, 4}})));
    const std::size_t at = bytes.find(from);
    REQUIRE(at != std::string::npos);
    REQUIRE(from.size() == to.size());
    bytes.replace(at, from.size(), to);
    std::ofstream(directory / "m.octavo", std::ios::binary) << bytes;
    return refusal([&] { Model::from_file(directory / "m.octavo"); });
  };
  CHECK(reading(R"(\"removed\":4)", R"(\"removed\":4)") == "no Error");
  CHECK_THAT(reading(R"(\"removed\":4)", R"(\"removed\":9)"), Catch::Contains("removes 9 of 16 patches"));
  CHECK_THAT(reading(R"(\"removed\":4)", R"(\"removed\":0)"), Catch::Contains("removed is 0"));
  CHECK_THAT(reading(R"(\"how\":\"merge\")", R"(\"how\":\"gerge\")"), Catch::Contains("how is"));
  CHECK_THAT(reading("blocks.1.attn.log_size", "blocks.1.attn.log_sizi"), Catch::Contains("log_size"));
}

TEST_CASE("a search takes the least work within the points, and says what it looked at") {
  const Model model = TinyVit({.layers = 6}).model();
  const Engine whole(model);
  Comparison answers;
  TaskComparison task;
  const ImageBatch batch = random_images(24, 32, 11);
  answers.add(whole, batch, one_thread());
  task.add(whole, batch, one_thread());
  const auto choose = [&](double points, bool prune, bool merge) {
    return choose_token_reductions(model, answers, task, {.prune = prune, .merge = merge, .most_points_lost = points},
                                   one_thread());
  };
  const TokenChoice any = choose(100.0, true, true), none = choose(0.0, true, true);
  REQUIRE(any.candidates.size() > 8);
  CHECK(any.chosen == static_cast<int>(any.candidates.size()) - 1);
  CHECK(std::ranges::is_sorted(any.candidates, std::ranges::greater(), &TokenCandidate::work));
  REQUIRE(none.chosen >= 0);  // patches that nobody reads cost nothing
  CHECK(none.candidates[static_cast<std::size_t>(none.chosen)].points_lost == 0.0);
  CHECK(choose(100.0, false, true).candidates.size() < any.candidates.size());
  CHECK_THROWS_WITH(choose(1.0, false, false), Catch::Contains("expected prune, merge, or both"));
  CHECK_THROWS_WITH(choose(101.0, true, false), Catch::Contains("most_points_lost is 101"));
}

TEST_CASE("patches that are chosen blindly cost a vision transformer clearly more") {
  const Model model = Model::from_checkpoint(shipped_vit());
  ImageBatch batch;
  for (unsigned i = 0; i < 16; ++i) batch.images.push_back(prepare_image(sample_picture(i, 256), *model.info().image));
  Workspace workspace({.threads = 2});
  const Tensor whole = Engine(model).logits(batch, workspace);
  const auto distance = [&](const Model& fewer) {
    return 1.0 - mean_row_cosine(Engine(fewer).logits(batch, workspace), whole);
  };
  const Model merged = with_fewer_tokens(model, Reductions{{4, kMerge, 40}, {7, kMerge, 40}, {11, kPrune, 116}}),
              pruned = with_fewer_tokens(model, Reductions{{6, kPrune, 59}, {9, kPrune, 55}, {11, kPrune, 82}});
  CHECK(distance(merged) < 0.02);
  CHECK(distance(chosen_blindly(merged, false)) > 3.0 * distance(merged));
  CHECK(distance(chosen_blindly(pruned, true)) > 1.2 * distance(pruned));
  CHECK(distance(merged) < distance(pruned));
}

}  // namespace octavo::test

// Any bytes are a model file that runs, or an Error.
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

#include "octavo/engine.h"
#include "octavo/error.h"
#include "octavo/tasks.h"

#include <algorithm>

using namespace octavo;

namespace {

void run_on_images(const Engine& engine, Workspace& workspace) {
  const ModelInfo& info = engine.model().info();
  const int width = info.image->width, height = info.image->height;
  if (std::int64_t{width} * height > 1 << 16) return;  // a run must not take the fuzzer's time
  Image image{.width = width, .height = height};
  for (int i = 0; i < 3 * width * height; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i * 37));
  const ImageBatch batch{{image, image}};
  engine.run(batch, workspace);
  if (info.classes > 0) classify(engine, batch, workspace);
  embed(engine, batch, workspace, {.pooling = {Pooling::cls}});
  embed(engine, batch, workspace, {.pooling = {Pooling::mean}});
}

void run_on_tokens(const Engine& engine, Workspace& workspace) {
  const ModelInfo& info = engine.model().info();
  TokenBatch batch;
  for (const int wanted : {1, 20}) {
    Tokens tokens;
    for (int i = 0; i < std::min(wanted, info.max_positions); ++i) {
      tokens.ids.push_back(i * 7 % info.vocab_size);
      tokens.type_ids.push_back(i % std::max(1, info.type_vocab_size));
    }
    batch.sequences.push_back(tokens);
  }
  engine.run(batch, workspace);
  engine.pool(batch, {Pooling::mean, Pooling::max, Pooling::weightedmean}, workspace);
  embed(engine, batch, workspace);
  if (!info.decoder) return;
  engine.logits(batch, workspace);
  KvCache cache(engine.model());
  KvCache* const caches[] = {&cache};
  engine.decode({{batch.sequences[1]}}, caches, workspace);
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  fuzz::Random random(seed);
  return fuzz::give_back(fuzz::mutate_safetensors(fuzz::as_text(data, size), random, most), data, most);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<std::string> isas = available_isas();
  const fuzz::MemoryFile file(fuzz::as_text(data, size));
  try {
    const Model model = Model::from_file(file.path());
    fuzz::expect(!model.summary().empty() && !model.summary_json().empty(), "a model that was read can be described");
    const Engine engine(model, {.isa = isas[size % isas.size()]});
    Workspace workspace({.threads = 1});
    if (model.info().image) {
      run_on_images(engine, workspace);
    } else {
      run_on_tokens(engine, workspace);
    }
  } catch (const Error&) {
  }
  return 0;
}

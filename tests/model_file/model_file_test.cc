// .octavo files: whole after a save, and harmless when damaged.
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"

#include "octavo/error.h"

#include <cstring>
#include <fstream>
#include <iterator>

namespace octavo::test {
namespace {

const TinyBertOptions kSmall = {.layers = 1,
                                .hidden_size = 12,
                                .heads = 2,
                                .head_size = 4,
                                .intermediate_size = 8,
                                .vocab_size = 10,
                                .positions = 6};

/// Loads a damaged file; one that still loads must also run.
void load_and_run(const std::filesystem::path& file) {
  try {
    const Engine engine(Model::from_file(file));
    Workspace workspace({.threads = 1});
    engine.pool({{{.ids = {0}}}}, {Pooling::mean}, workspace);
  } catch (const Error&) {
  }
}

}  // namespace

TEST_CASE("a saved model reads back as the same model, and saving it again gives the same bytes") {
  TemporaryDirectory directory;
  const Model model = quantized_tiny_model({.gamma = -0.01});
  const auto first = directory.path() / "a.octavo", second = directory.path() / "b.octavo";
  model.save(first);
  const Model loaded = Model::from_file(first);
  loaded.save(second);
  CHECK(read_bytes(first) == read_bytes(second));
  CHECK(loaded.summary() == model.summary());
  CHECK(loaded.info().softmax.gamma == -0.01);
  const TokenBatch batch = random_batch(5, 30, 50);
  Workspace workspace({.threads = 1});
  const Tensor a = Engine(model).run(batch, workspace), b = Engine(loaded).run(batch, workspace);
  CHECK(equal_bytes(a, b));
}

TEST_CASE("only quantized models are saved, and nothing is left behind when saving fails") {
  TemporaryDirectory directory;
  CHECK_THROWS_AS(tiny_model().save(directory.path() / "x.octavo"), Error);
  const Model model = quantized_tiny_model(kSmall);
  CHECK_THROWS_AS(model.save(directory.path() / "no" / "such" / "directory.octavo"), Error);
  std::filesystem::create_directory(directory.path() / "taken.octavo");
  CHECK_THROWS_AS(model.save(directory.path() / "taken.octavo"), Error);
  CHECK(std::distance(std::filesystem::directory_iterator(directory.path()), {}) == 1);
}

TEST_CASE("a model file cut at any length is an error") {
  TemporaryDirectory directory;
  const auto file = directory.path() / "m.octavo";
  quantized_tiny_model(kSmall).save(file);
  const std::string bytes = read_bytes(file);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    write_bytes(file, std::string_view(bytes).substr(0, length));
    INFO(length << " of " << bytes.size() << " bytes");
    REQUIRE_THROWS_AS(Model::from_file(file), Error);
  }
}

TEST_CASE("a model file with any header byte changed is an error or a model that runs") {
  TemporaryDirectory directory;
  const auto file = directory.path() / "m.octavo";
  quantized_tiny_model(kSmall).save(file);
  std::string bytes = read_bytes(file);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  for (std::size_t i = 0; i < 8 + header; ++i) {  // one change of each byte; tests/fuzz/ tries many
    const int flip = i % 3 == 0 ? 0x01 : i % 3 == 1 ? 0x08 : 0x80;
    bytes[i] = static_cast<char>(bytes[i] ^ flip);
    write_bytes(file, bytes);
    load_and_run(file);
    bytes[i] = static_cast<char>(bytes[i] ^ flip);
  }
  write_bytes(file, bytes);
  CHECK_NOTHROW(Model::from_file(file));
}

TEST_CASE("a model file with damaged tensor data is an error or a model that runs") {
  TemporaryDirectory directory;
  const auto file = directory.path() / "m.octavo";
  quantized_tiny_model(kSmall).save(file);
  std::string bytes = read_bytes(file);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  for (std::size_t i = 8 + header; i < bytes.size(); i += 3) {
    const char before = bytes[i];
    for (const int value : {0x7f, 0x80, 0xff}) {
      bytes[i] = static_cast<char>(value);
      write_bytes(file, bytes);
      load_and_run(file);
    }
    bytes[i] = before;
  }
}

TEST_CASE("a file of another kind or version is named as such") {
  TemporaryDirectory directory;
  TinyBert().write(directory.path());
  CHECK_THROWS_WITH(Model::from_file(directory.path() / "model.safetensors"), Catch::Contains("format"));
  CHECK_THROWS_AS(Model::from_file(directory.path() / "config.json"), Error);
  CHECK_THROWS_WITH(Model::open(directory.path() / "nothing.octavo"), Catch::Contains("nothing.octavo"));
}

}  // namespace octavo::test

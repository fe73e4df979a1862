// Memory beyond a budget lies in files that nobody sees; calibration gives the same bytes wherever its memory lies.
#include "base/spill_memory.h"

#include "graph/model_data.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_opt.h"

#include "octavo/error.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace octavo::test {
namespace {

constexpr std::size_t kMebibyte = std::size_t{1} << 20;

/// Large enough that second moments, samples of rows and weights are pieces that count.
TinyOptOptions wide() { return {.hidden_size = 192, .intermediate_size = 640, .word_size = 192}; }

Model calibrated(const Model& model, const MemoryOptions& memory, std::int64_t* spilled = nullptr) {
  Calibrator calibrator(model, {}, memory);
  Workspace workspace({.threads = 2});
  for (unsigned i = 1; i <= 3; ++i) calibrator.observe(random_batch(8, 40, 70, i), workspace);
  Model result = calibrator.quantize().model;
  if (spilled != nullptr) *spilled = calibrator.spilled();
  return result;
}

}  // namespace

TEST_CASE("large pieces beyond the budget lie in files without a name, and are given back") {
  const TemporaryDirectory directory;
  SpillMemory memory(3 * kMebibyte, directory.path());
  std::pmr::vector<char> held(2 * kMebibyte, 'a', &memory), small(1000, 'b', &memory);
  CHECK(memory.spilled() == 0);
  {
    std::pmr::vector<char> spilled(2 * kMebibyte, 'c', &memory), fits(kMebibyte, 'd', &memory);
    CHECK(memory.spilled() == 2 * kMebibyte);
    CHECK(directory.names().empty());
    CHECK(std::all_of(spilled.begin(), spilled.end(), [](char x) { return x == 'c'; }));
  }
  CHECK(memory.spilled() == 0);
  held = std::pmr::vector<char>(&memory);
  held.shrink_to_fit();
  const std::pmr::vector<char> again(3 * kMebibyte, 'e', &memory);
  CHECK(memory.spilled() == 0);
}

TEST_CASE("a tensor keeps the memory that it lies in alive") {
  const TemporaryDirectory directory;
  auto memory = std::make_shared<SpillMemory>(0, directory.path());
  Tensor numbers(DType::s32, {1024, 512});
  const std::span<std::int32_t> values = numbers.writable<std::int32_t>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::int32_t>(i * i);
  const Tensor moved = moved_to(memory, numbers);
  CHECK(memory->spilled() == numbers.bytes());
  memory.reset();
  CHECK(moved.shape() == numbers.shape());
  CHECK(std::memcmp(moved.data(), numbers.data(), numbers.bytes()) == 0);
}

TEST_CASE("a directory without room for a file is named") {
  SpillMemory memory(0, "/no/such/directory");
  CHECK_THROWS_WITH(std::pmr::vector<char>(kMebibyte, &memory),
                    "/no/such/directory: cannot hold a temporary file of 1048576 bytes: No such file or directory.");
}

TEST_CASE("calibration without memory for weights and observations gives the same model") {
  const TemporaryDirectory directory;
  const Model model = TinyOpt(wide()).model();
  std::int64_t in_files = 0, none = 0;
  const Model streamed = calibrated(model, {.bytes = 0, .directory = directory.path()}, &in_files);
  const Model held = calibrated(model, {.bytes = 1 << 30, .directory = "/no/such/directory"}, &none);
  CHECK(in_files > 4 * std::int64_t{1 << 20});
  CHECK(none == 0);
  CHECK(directory.names().empty());
  REQUIRE(data_of(streamed).tensors.size() == data_of(held).tensors.size());
  for (const auto& [name, expected] : data_of(held).tensors) {
    CAPTURE(name);
    const Tensor& found = tensor(data_of(streamed).tensors, name);
    CHECK((found.bytes() == expected.bytes() && std::memcmp(found.data(), expected.data(), found.bytes()) == 0));
  }
  CHECK(streamed.summary_json() == held.summary_json());
}

TEST_CASE("a float32 engine gives the same bits with weights made ready once and at each use") {
  const Model model = TinyOpt(wide()).model();
  const TokenBatch batch = random_batch(4, 40, 70, 5);
  Workspace workspace({.threads = 2});
  const Tensor held = Engine(model, {.weight_memory = 1 << 30}).logits(batch, workspace);
  for (const std::int64_t bytes : {0, 500'000}) {
    const Tensor found = Engine(model, {.weight_memory = bytes}).logits(batch, workspace);
    CHECK((found.bytes() == held.bytes() && std::memcmp(found.data(), held.data(), held.bytes()) == 0));
  }
  CHECK_THROWS_WITH(Engine(model, {.weight_memory = -1}),
                    Catch::Contains("a budget of memory is -1 bytes, expected at least 0"));
}

}  // namespace octavo::test

// pytorch_model.bin: both forms, shards, and what is damaged or hostile.
#include "io/torch_file.h"

#include "io/safetensors.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/torch_files.h"

namespace octavo::test {
namespace {

using namespace std::string_literals;

const std::vector<float> kNumbers = {0, 1, 2, 3, 4, 5};

std::map<std::string, Tensor, std::less<>> read(const std::string& bytes) {
  const TemporaryDirectory directory;
  write_bytes(directory / "pytorch_model.bin", bytes);
  return read_torch_file(directory / "pytorch_model.bin");
}

std::string refused(const std::string& bytes) {
  return refusal([&] { read(bytes); });
}

std::string archive_of(const SavedTensor& tensor) {
  return torch_archive(state_pickle({{"w", tensor}}), {{"0", raw(kNumbers)}});
}

/// A pickle that is one value of a dictionary, in an archive.
std::string archive_with(const std::string& value) {
  return torch_archive(whole("}" + pickled("w") + value + "s"), {{"0", raw(kNumbers)}});
}

std::vector<float> values(const Tensor& tensor) { return {tensor.as<float>().begin(), tensor.as<float>().end()}; }

}  // namespace

TEST_CASE(
    "tensors of both forms of torch.save are read, in place, of another type, transposed or a part of a storage") {
  const std::map<std::string, SavedTensor> tensors = {
      {"plain", {}},
      {"transposed", {.shape = {3, 2}, .strides = {1, 3}}},
      {"row", {.first = 3, .shape = {3}, .strides = {1}}},
      {"half", {.storage = "1", .type = "HalfStorage", .elements = 2, .shape = {2}, .strides = {1}}},
      {"ids", {.storage = "2", .type = "LongStorage", .elements = 1, .shape = {}, .strides = {}}}};
  const std::string half = raw(std::vector<std::uint16_t>{0x3c00, 0xc000}), ids = raw(std::vector<std::int64_t>{7});
  for (const std::string& file :
       {torch_archive(state_pickle(tensors), {{"0", raw(kNumbers)}, {"1", half}, {"2", ids}}),
        old_torch_file(state_pickle(tensors, true), {{"0", {6, raw(kNumbers)}}, {"1", {2, half}}, {"2", {1, ids}}})}) {
    const auto found = read(file);
    REQUIRE(found.size() == tensors.size());
    CHECK(found.at("plain").shape() == Tensor::Shape{2, 3});
    CHECK(values(found.at("plain")) == kNumbers);
    CHECK(values(found.at("transposed")) == std::vector<float>{0, 3, 1, 4, 2, 5});
    CHECK(values(found.at("row")) == std::vector<float>{3, 4, 5});
    CHECK(f32_values(found.at("half"), "half") == std::vector<float>{1, -2});
    CHECK(found.at("ids").shape().empty());
    CHECK(found.at("ids").as<std::int64_t>()[0] == 7);
  }
}

TEST_CASE("a pickle that would run something is refused by the name of it, and nothing runs") {
  const TemporaryDirectory directory;
  const std::string command = "touch " + (directory / "ran").string();
  const auto call = [&](const std::string& function) { return archive_with(function + "(" + pickled(command) + "tR"); };
  CHECK_THAT(refused(call("cposix\nsystem\n")),
             Catch::Contains("names posix.system") && Catch::Contains("nothing else"));
  CHECK_THAT(refused(call("cbuiltins\neval\n")), Catch::Contains("names builtins.eval"));
  CHECK_THAT(refused(call(pickled("os") + pickled("system") + "\x93")), Catch::Contains("names os.system"));
  CHECK_THAT(refused(call("ctorch.storage\n_load_from_bytes\n")),
             Catch::Contains("names torch.storage._load_from_bytes"));
  CHECK_THAT(refused(archive_with("(" + pickled(command) + "ios\nsystem\n")), Catch::Contains("has the opcode 105"));
  CHECK_THAT(refused(archive_with("ccollections\nOrderedDict\n)\x81")), Catch::Contains("has the opcode 129"));
  CHECK_THAT(refused(old_torch_file(whole("cposix\nsystem\n(" + pickled(command) + "tR"), {})),
             Catch::Contains("names posix.system"));
  CHECK(directory.names().empty());
}

TEST_CASE("damaged files of torch.save are an Error that names the file and what is wrong") {
  const std::string good = archive_of({}),
                    old = old_torch_file(state_pickle({{"w", {}}}, true), {{"0", {6, raw(kNumbers)}}});
  const std::pair<std::string, const char*> cases[] = {
      {good.substr(0, good.size() / 2), "the zip archive has no end"},
      {good.substr(100), "is no file of torch.save"},
      {torch_archive("\x80\x02}"s, {}), "ends too early"},
      {torch_archive(whole("}s"), {}), "takes a value that is not there"},
      {torch_archive(whole("h\x05"), {}), "recalls a value that is not there"},
      {torch_archive(whole("t"), {}), "takes values without a mark"},
      {torch_archive(whole(pickled("text")), {}), "holds no dictionary"},
      {torch_archive(state_pickle({{"w", {}}}), {}), "has no storage 0"},
      {torch_archive(state_pickle({{"w", {}}}), {{"0", "short"}}),
       "has 5 bytes in storage 0, expected 6 elements of F32"},
      {archive_of({.shape = {1 << 30, 1 << 30}}), "tensor w has more elements than its storage"},
      {archive_of({.first = 1}), "tensor w reaches beyond its storage"},
      {archive_of({.strides = {3}}), "other sizes than strides"},
      {archive_of({.type = "DoubleStorage"}), "names torch.DoubleStorage"},
      {archive_with(pickled(std::int64_t{3})), "holds something else than a tensor under w"},
      {zip_of({{"weights.txt", "none"}}), "without a data.pkl"},
      {zip_of({{"m/data.pkl", state_pickle({})}, {"m/byteorder", "big"}}), "another byte order"},
      {old.substr(0, old.size() - 8), "ends within the storage 0"},
      {whole("}"), "begins with its magic number"},
      {"", "is empty"},
      {"<html>", "is a web page"}};
  for (const auto& [bytes, message] : cases) {
    INFO(message);
    CHECK_THAT(refused(bytes), Catch::Contains("pytorch_model.bin: ") && Catch::Contains(message));
  }
  for (std::size_t length = 0; length < good.size(); ++length) CHECK(refused(good.substr(0, length)) != "no Error");
  for (std::size_t length = 0; length < old.size(); ++length) CHECK(refused(old.substr(0, length)) != "no Error");
}

TEST_CASE("a pickle that nests without end or repeats itself is read or refused, in little memory") {
  CHECK_THAT(refused(torch_archive(whole(")" + std::string(1 << 21, '\x85')), {})),
             Catch::Contains("over a million values"));
  CHECK_THAT(refused(torch_archive(whole(")" + std::string(1 << 19, '\x85')), {})),
             Catch::Contains("holds no dictionary"));
  std::string same = ")q\x01";
  for (int i = 0; i < 1 << 21; ++i) same += "h\x01";
  CHECK_THAT(refused(torch_archive(whole(same), {})), Catch::Contains("over a million values"));
  CHECK_THAT(refused(torch_archive(whole("]q\x01h\x01"
                                         "a"),
                                   {})),
             Catch::Contains("holds no dictionary"));
}

TEST_CASE("a checkpoint's pytorch_model.bin gives the model that its safetensors give, whole or in shards") {
  const TinyBert bert;
  std::map<std::string, Tensor, std::less<>> shards[2];
  nlohmann::json map;
  for (const auto& [name, tensor] : bert.tensors) {
    const std::size_t shard = map.size() % 2;
    shards[shard].emplace(name, tensor);
    map[name] = "pytorch_model-" + std::to_string(shard) + ".bin";
  }
  Workspace workspace({.threads = 1});
  const TokenBatch batch = random_batch(2, 9, 50);
  const Tensor expected = Engine(bert.model()).run(batch, workspace);
  for (const bool in_shards : {false, true}) {
    const TemporaryDirectory directory;
    bert.write(directory.path());
    std::filesystem::remove(directory / "model.safetensors");
    if (in_shards) {
      write_bytes(directory / "pytorch_model.bin.index.json", nlohmann::json{{"weight_map", map}}.dump());
      for (const std::size_t i : {0u, 1u})
        write_bytes(directory / ("pytorch_model-" + std::to_string(i) + ".bin"), torch_archive_of(shards[i]));
    } else {
      write_bytes(directory / "pytorch_model.bin", torch_archive_of(bert.tensors));
    }
    CHECK(equal_bytes(Engine(Model::from_checkpoint(directory.path())).run(batch, workspace), expected));
  }
}

}  // namespace octavo::test

// What stands in place of a checkpoint's files is named as what it is.
#include "io/foreign_content.h"

#include "io/json_object.h"
#include "io/safetensors.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"

#include "octavo/error.h"

#include <fstream>
#include <functional>

namespace octavo::test {
namespace {

using namespace std::string_literals;

const std::string kPointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 90868376\n";

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// What reading a directory's tensors says when it has a file of this name and content.
std::string message(const std::string& name, const std::string& content) {
  const TemporaryDirectory directory;
  std::ofstream(directory.path() / name, std::ios::binary) << content;
  const std::string found = message_of([&] { read_checkpoint_tensors(directory.path()); });
  CHECK(found.starts_with(directory.path().string()));
  return found;
}

}  // namespace

TEST_CASE("weights that are something else are called by its name, with their file") {
  const std::pair<std::string, const char*> kinds[] = {{"", "is empty"},
                                                       {kPointer, "git-lfs pointer"},
                                                       {"<!DOCTYPE html>\n<html></html>", "web page"},
                                                       {"\n <HTML lang=en>", "web page"},
                                                       {"PK\x03\x04 and an archive"s, "zip archive"},
                                                       {"\x80\x02}q\x00(X\x05"s, "Python pickle"},
                                                       {"\x89HDF\r\n\x1a\n and more"s, "HDF5"}};
  for (const auto& [content, word] : kinds) {
    const std::string found = message("model.safetensors", content);
    CHECK_THAT(found, Catch::Contains(word) && Catch::Contains("model.safetensors: is"));
  }
}

TEST_CASE("JSON that is something else is called by its name") {
  CHECK_THAT(message("model.safetensors.index.json", kPointer), Catch::Contains("index.json: is a git-lfs pointer"));
  CHECK_THAT(message_of([] { parse_json("<html>404</html>", "config.json"); }),
             Catch::Contains("config.json: is a web page"));
  CHECK(message_of([] { parse_json("{", "config.json"); }) == "config.json: is not valid JSON");
}

TEST_CASE("a safetensors file whose header has the length that another kind begins with is read") {
  for (const std::size_t length : {std::size_t{0x0280}, std::size_t{0x0380}}) {  // bytes 80 02 and 80 03
    const TemporaryDirectory directory;
    std::string header = "{}";
    header.resize(length, ' ');
    const std::string size = {static_cast<char>(length & 0xff), static_cast<char>(length >> 8), 0, 0, 0, 0, 0, 0};
    std::ofstream(directory.path() / "model.safetensors", std::ios::binary) << size << header;
    CHECK(read_checkpoint_tensors(directory.path()).empty());
  }
}

TEST_CASE("a directory without weights that are read says what it has, and how to convert it") {
  CHECK_THAT(message("tf_model.h5", "\x89HDF"),
             Catch::Contains("has tf_model.h5, expected model.safetensors") && Catch::Contains("save_pretrained"));
  CHECK_THAT(message("adapter_model.safetensors", ""), Catch::Contains("adapter") && Catch::Contains("merge"));
  CHECK_THAT(message("weights.safetensors", ""),
             Catch::Contains("has weights.safetensors, expected model.safetensors"));
  CHECK_THAT(message("model.onnx", ""), Catch::Contains("has model.onnx") && Catch::Contains("was exported from"));
  CHECK_THAT(message("README.md", "# a model"), Catch::Contains("has no model.safetensors, no pytorch_model.bin"));
}

}  // namespace octavo::test

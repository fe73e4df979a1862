// The programs of examples/, run as a user runs them: what they print is what the library answers.
#include "tests/support/small_tokenizers.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/tiny_opt.h"

#include "octavo/text_encoder.h"
#include "octavo/text_generator.h"

#include <cstdio>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <vector>

namespace octavo::test {
namespace {

struct Ended {
  std::string output;  ///< stdout
  int code = 0;
};

/// Runs an example; arguments hold no quotes.
Ended run(const std::string& example, const std::vector<std::string>& arguments) {
  std::string command = (build_dir().parent_path() / "examples" / example).string();
  for (const std::string& argument : arguments) command += " '" + argument + "'";
  std::FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
  REQUIRE(pipe);
  Ended ended;
  char part[4096];
  while (const std::size_t count = std::fread(part, 1, sizeof part, pipe)) ended.output.append(part, count);
  ended.code = WEXITSTATUS(::pclose(pipe));
  return ended;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) result.push_back(line);
  return result;
}

}  // namespace

TEST_CASE("the embed example tells how close texts are") {
  const Ended ended =
      run("embed", {shipped_model().string(), "A cat sleeps.", "The kitten naps on a couch.", "Stocks fell."});
  CHECK(ended.code == 0);
  const std::vector<std::string> found = lines(ended.output);
  REQUIRE(found.size() == 2);
  CHECK(found[0].substr(6) == "  The kitten naps on a couch.");
  CHECK(std::stod(found[0]) > 0.5);
  CHECK(std::stod(found[1]) < 0.3);
  CHECK(run("embed", {"nowhere.octavo", "a", "b"}).code == 1);
  CHECK(run("embed", {}).code == 2);
}

TEST_CASE("the classify example names what pictures show") {
  const std::filesystem::path pictures = source_dir() / "models/pretrained/pictures";
  const Ended ended = run("classify", {shipped_vit().string(), (pictures / "clock.png").string(),
                                       (pictures / "traffic-light.jpg").string()});
  CHECK(ended.code == 0);
  const std::vector<std::string> found = lines(ended.output);
  REQUIRE(found.size() == 8);
  CHECK(found[0] == (pictures / "clock.png").string());
  CHECK_THAT(found[1], Catch::Contains("clock"));
  CHECK_THAT(found[5], Catch::Contains("traffic light"));
}

TEST_CASE("the generate example prints what the library makes") {
  TemporaryDirectory directory;
  TinyOpt opt({.vocab_size = 267});
  opt.config["bos_token_id"] = 256;
  opt.config["eos_token_id"] = 256;
  opt.write(directory.path());
  write_bytes(directory / "tokenizer.json", small_bpe().dump());
  const Ended ended = run("generate", {directory.path().string(), "hello"});
  CHECK(ended.code == 0);
  TextGenerator generator(directory.path());
  const Generation made =
      generator.generate("hello", {.max_new_tokens = 20, .sampling = {.temperature = 0.8, .top_p = 0.95, .seed = 1}});
  CHECK(!made.text.empty());
  CHECK(ended.output == made.text + "\n");
}

TEST_CASE("the calibrate example makes a model file that embeds nearly as the checkpoint does") {
  TemporaryDirectory directory;
  TinyBert().write(directory.path());
  write_bytes(directory / "tokenizer.json", small_tokenizer().dump());
  std::string sentences;
  for (int i = 0; i < 40; ++i)
    sentences += i % 3 == 0 ? "hello a b c\n" : i % 3 == 1 ? "unaffable x!\n" : "c b a hello hello x\n";
  write_bytes(directory / "sentences.txt", sentences);
  const std::string file = (directory / "tiny.octavo").string();
  const Ended ended = run("calibrate", {directory.path().string(), (directory / "sentences.txt").string(), file});
  CHECK(ended.code == 0);
  CHECK_THAT(ended.output, Catch::StartsWith("40 samples, "));
  TextEncoder exact(directory.path()), integer(file);
  CHECK(integer.model().is_quantized());
  const Tensor closeness = exact.similarity(exact.encode({"hello a b c"}), integer.encode({"hello a b c"}));
  CHECK(closeness.as<float>()[0] > 0.99f);
}

}  // namespace octavo::test

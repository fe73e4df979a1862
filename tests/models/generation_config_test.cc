// What a checkpoint says about how its texts go on: end tokens are taken over, the rest is reported by name.
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_opt.h"
#include "tests/support/tokenizer_support.h"

using nlohmann::json;
using octavo::Model;
using octavo::test::refusal;
using octavo::test::TemporaryDirectory;
using octavo::test::TinyOpt;
using octavo::test::write_bytes;

namespace {

Model open(const json& config, const json& generation = {}) {
  const TemporaryDirectory directory;
  TinyOpt opt({.gate = false});
  if (!config.is_null()) opt.config.update(config);
  opt.write(directory.path());
  if (!generation.is_null()) write_bytes(directory / "generation_config.json", generation.dump());
  return Model::from_checkpoint(directory.path());
}

std::string warnings_of(const Model& model) {
  std::string result;
  for (const std::string& warning : model.warnings()) result += warning.substr(warning.rfind('/') + 1) + "\n";
  return result;
}

using Ids = std::vector<std::int32_t>;

}  // namespace

TEST_CASE("eos_token_id is a number or a list, of config.json or before it of generation_config.json") {
  CHECK(open({}).info().decoder->eos_tokens == Ids{2});
  CHECK(open({{"eos_token_id", 7}}).info().decoder->eos_tokens == Ids{7});
  CHECK(open({{"eos_token_id", {7, 9}}}).info().decoder->eos_tokens == Ids{7, 9});
  const Model model = open({{"eos_token_id", 7}, {"bos_token_id", 3}}, {{"eos_token_id", {4, 5}}, {"bos_token_id", 6}});
  CHECK(model.info().decoder->eos_tokens == Ids{4, 5});
  CHECK(model.info().decoder->bos_token == 6);
  CHECK(open({{"eos_token_id", 7}}, json::object()).info().decoder->eos_tokens == Ids{7});
  CHECK(refusal([] {
          open({{"eos_token_id", {7, 70}}});
        }).find("eos_token_id is [7,70], expected an array") != std::string::npos);
}

TEST_CASE("a model file keeps all end tokens") {
  const TemporaryDirectory directory;
  for (const Ids& ends : {Ids{7}, Ids{4, 5}}) {
    octavo::Calibrator calibrator(open({{"eos_token_id", ends}}));
    octavo::Workspace workspace({.threads = 1});
    calibrator.observe(octavo::test::random_batch(16, 40, 70, 1), workspace);
    calibrator.quantize().model.save(directory / "m.octavo");
    CHECK(Model::from_file(directory / "m.octavo").info().decoder->eos_tokens == ends);
  }
}

TEST_CASE("settings that would change what transformers generates are reported by name, neutral ones are not") {
  CHECK(warnings_of(open({}, {{"do_sample", false}, {"num_beams", 1}, {"temperature", 0.7}, {"use_cache", true}}))
            .empty());
  CHECK(warnings_of(open({}, {{"do_sample", true}, {"temperature", 0.7}, {"top_p", 1.0}})) ==
        "generation_config.json: do_sample is true, which octavo does not take over; generation's option temperature "
        "does the same\n"
        "generation_config.json: temperature is 0.7, which octavo does not take over; generation's option temperature "
        "does the same\n");
  CHECK(warnings_of(open({{"num_beams", 4}})) ==
        "config.json: num_beams is 4, which octavo does not take over; generation's option beams does the same\n");
  CHECK(warnings_of(open({}, {{"suppress_tokens", {1, 2}}})) ==
        "generation_config.json: suppress_tokens is [1,2], which octavo does not take over\n");
  CHECK(warnings_of(open({}, {{"sharpen", 2}})) ==
        "generation_config.json: sharpen is not known to octavo, and left aside\n");
}

// `octavo calibrate` prints what the library decides, and decides nothing itself.
#include "commands/commands.h"
#include "data/sample_batches.h"
#include "tests/support/golden_tasks.h"
#include "tests/support/outliers.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/tiny_vit.h"
#include "tests/support/tokenizer_support.h"
#include "tests/tools/support.h"

#include "octavo/calibration.h"

#include <nlohmann/json.hpp>

using namespace octavo::tools;

namespace octavo::test {
namespace {

/// Writes a checkpoint, and the texts to calibrate it on.
void write_inputs(const Scratch& scratch, const TinyBert& bert) {
  setenv("OCTAVO_TOP_UP", "off", 1);  // these samples are few
  std::filesystem::create_directory(scratch / "bert");
  bert.write(scratch / "bert");
  scratch.write("bert/tokenizer.json", small_tokenizer().dump());
  std::string texts;
  for (int i = 0; i < 60; ++i) {
    texts += "a b c " + std::string(static_cast<std::size_t>(i % 7), 'a') + " hello ! x e " + (i % 3 ? "un" : "Hello");
    for (int word = 0; word < i % 11; ++word) texts += word % 2 ? " mask" : " b x";
    texts += "\n";
  }
  scratch.write("texts.txt", texts);
}

int calibrate_words(const Scratch& scratch, std::vector<std::string> words) {
  words.insert(words.begin(), "calibrate");
  std::vector<const char*> pointers;
  for (const std::string& word : words) pointers.push_back(word.c_str());
  const Redirect out(STDOUT_FILENO, scratch.path("printed"));
  return kCalibrate.run(parse(kCalibrate.syntax(), static_cast<int>(pointers.size()), pointers.data()));
}

int calibrate(const Scratch& scratch, const std::vector<std::string>& flags) {
  std::vector<std::string> words = {scratch.path("bert"),    "-d", scratch.path("texts.txt"), "-q", "-o",
                                    scratch.path("m.octavo")};
  words.insert(words.end(), flags.begin(), flags.end());
  return calibrate_words(scratch, words);
}

/// The samples that the command takes from the file, observed as a program would.
Calibrated calibrated(const Scratch& scratch, const CalibrationOptions& options) {
  const Model model = Model::from_checkpoint(scratch / "bert");
  const Samples samples = choose(scratch.path("texts.txt"), {}, model, {});
  Calibrator calibrator(model, options);
  Workspace workspace({.threads = 1});
  const Log log(Verbosity::quiet);
  SampleBatches(model, {}, {}, 1, log).for_each(samples.calibration, "", [&](const auto& batch) {
    calibrator.observe(batch, workspace);
  });
  return calibrator.quantize();
}

/// The bytes of the file that a program writes, with the report that the command's file has.
std::string bytes_with_report(const Scratch& scratch, const Model& made) {
  const std::string report = nlohmann::json::parse(Model::from_file(scratch / "m.octavo").summary_json())
                                 .at("calibration")
                                 .at("report")
                                 .dump();
  made.with_report(report).save(scratch / "own.octavo");
  return scratch.read("own.octavo");
}

}  // namespace

TEST_CASE("a program with default options writes the bytes that the command writes with default flags") {
  const Scratch scratch;
  write_inputs(scratch, bert_with_sink());
  REQUIRE(calibrate(scratch, {"--report", scratch.path("r.json")}) == 0);
  const Calibrated made = calibrated(scratch, {});
  CHECK(made.options.activations.probabilities == ProbabilityType::uint16);  // not the type that needs no decision
  CHECK(bytes_with_report(scratch, made.model) == scratch.read("m.octavo"));
  const auto report = nlohmann::json::parse(scratch.read("r.json")).at("probabilities");
  CHECK(report.at("chosen") == "uint16");
  CHECK(report.at("uint8_error") == made.probabilities.value().uint8_error);
  CHECK(report.at("uint16_error") == made.probabilities.value().uint16_error);
}

TEST_CASE("a program's target and its paper's setting are the command's, too") {
  const Scratch scratch;
  write_inputs(scratch, TinyBert());
  REQUIRE(calibrate(scratch, {"--target-cosine", "0.9999", "--outlier-lanes", "0", "--report",
                              scratch.path("r.json")}) == 0);  // which are a program's own choice
  const Calibrated made = calibrated(scratch, {.precision = {.target_cosine = 0.9999}});
  CHECK(bytes_with_report(scratch, made.model) == scratch.read("m.octavo"));
  const PrecisionChoice& precision = made.precision.value();
  const auto search = nlohmann::json::parse(scratch.read("r.json")).at("search");
  CHECK(search.at("reached") == precision.reached);
  CHECK(search.at("extra_bits").size() == precision.extra_bits.size());
  CHECK(search.at("frontier").size() == precision.frontier.size());

  REQUIRE(calibrate(scratch, {"--paper"}) == 0);
  const Calibrated paper = calibrated(scratch, CalibrationOptions::quantizable_transformers());
  CHECK(bytes_with_report(scratch, paper.model) == scratch.read("m.octavo"));
}

TEST_CASE(
    "a report says how a head's answers agree with float32's, how well both are, and what a bound on points took") {
  const Scratch scratch;
  const auto report = [&](const std::string& name, const std::vector<std::string>& flags) {
    std::filesystem::remove_all(scratch / "bert");
    std::filesystem::create_directory(scratch / "bert");
    GoldenTasks().write(name, scratch / "bert");
    std::vector<std::string> words = {"--ablations", "off", "--report", scratch.path("r.json")};
    words.insert(words.end(), flags.begin(), flags.end());
    const int code = calibrate(scratch, words);  // which may throw
    REQUIRE(code == 0);
    return nlohmann::json::parse(scratch.read("r.json"));
  };
  std::string texts = "text\tclass\n";
  for (int i = 0; i < 80; ++i)
    texts += std::string(i % 2 ? "Maria lives in " : "the cat sat ") + (i % 3 ? "Berlin" : "on a mat") + "\t" +
             (i % 4 ? "good" : "0") + "\n";
  scratch.write("texts.txt", texts);
  const nlohmann::json labelled = report("three_labels", {"--labels", "class", "--max-drop", "2.5"});
  CHECK(labelled.at("samples") == 70);
  CHECK(labelled.at("task").at("answers") == "classes");
  CHECK(labelled.at("task").at("score").at("name") == "accuracy");
  CHECK(labelled.at("task").at("score").at("samples") == 10);
  CHECK(labelled.at("search").at("max_drop") == 2.5);
  CHECK(labelled.at("search").at("frontier").at(0).contains("drop"));
  CHECK_THROWS_WITH(report("three_labels", {"--max-drop", "1"}), Catch::Contains("--labels is missing"));
  CHECK_THROWS_WITH(report("entities", {"--labels", "2"}), Catch::Contains("does not classify texts"));
  const nlohmann::json tokens = report("entities", {"--max-drop", "50"});
  CHECK(tokens.at("task").at("answers") == "token_classes");
  CHECK(tokens.at("task").at("score").is_null());
  CHECK(tokens.at("search").at("reached") == true);
}

TEST_CASE("sublayers that are removed stand in the report and in the file, which is compared with the whole model") {
  const Scratch scratch;
  write_inputs(scratch, TinyBert({.layers = 3}));
  const auto report = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> words = {"--ablations", "off", "--report", scratch.path("r.json")};
    words.insert(words.end(), flags.begin(), flags.end());
    REQUIRE(calibrate(scratch, words) == 0);
    return nlohmann::json::parse(scratch.read("r.json"));
  };
  const nlohmann::json whole = report({}), less = report({"--drop", "2"});
  CHECK(whole.at("sublayers").is_null());
  const nlohmann::json removed = less.at("sublayers").at("removed");
  REQUIRE(removed.size() == 2);
  CHECK(less.at("sublayers").at("sublayers") == 6);
  CHECK(less.at("output_bytes") < whole.at("output_bytes"));
  const double distance = removed[1].at("distance");
  CHECK(1.0 - less.at("cosine_mean").get<double>() > 0.5 * distance);  // to the whole model, not to what is left of it
  CHECK(1.0 - whole.at("cosine_mean").get<double>() < 0.1 * distance);
  CHECK(scratch.read("printed").find("2 of 6 sublayers") != std::string::npos);
  const Model model = Model::from_file(scratch / "m.octavo");
  CHECK(model.info().removed_sublayers == std::vector<std::string>{removed[0].at("name"), removed[1].at("name")});
  CHECK(model.summary().find("without " + removed[1].at("name").get<std::string>()) != std::string::npos);

  // One batch or many, and a bound that both steps fit into: the same choice.
  CHECK(report({"--drop", "2", "--batch-size", "3"}).at("sublayers").at("removed")[1].at("name") ==
        removed[1].at("name"));
  const nlohmann::json until = report({"--drop-until", std::to_string(distance * 1.001)}).at("sublayers");
  REQUIRE(until.at("removed").size() >= 2);
  CHECK(until.at("removed")[1] == removed[1]);
  CHECK_THROWS_WITH(calibrate(scratch, {"--drop", "6"}), Catch::Contains("one attention stays"));
}

TEST_CASE(
    "heads and neurons that are removed, and neurons apart, stand in the report; samples are chosen in either way") {
  const Scratch scratch;
  write_inputs(scratch, TinyBert({.intermediate_size = 192}));
  const auto report = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> words = {"--ablations", "off", "--report", scratch.path("r.json")};
    words.insert(words.end(), flags.begin(), flags.end());
    REQUIRE(calibrate(scratch, words) == 0);
    return nlohmann::json::parse(scratch.read("r.json"));
  };
  const nlohmann::json whole = report({});
  CHECK(whole.at("parts").is_null());
  CHECK(whole.at("outlier_lanes") == 0);
  const nlohmann::json less = report({"--drop-heads", "0.34", "--drop-neurons", "0.2"}), parts = less.at("parts");
  CHECK(parts.at("heads") == 6);
  CHECK(parts.at("neurons") == 384);
  REQUIRE(parts.at("removed").size() == 3);
  CHECK(parts.at("removed")[0].at("count") == 1);
  CHECK(parts.at("removed")[2].at("count") == 64);
  CHECK(less.at("output_bytes") < whole.at("output_bytes"));
  CHECK(1.0 - less.at("cosine_mean").get<double>() > 0.5 * parts.at("removed")[2].at("distance").get<double>());
  CHECK(scratch.read("printed").find("2 of 6 heads and 64 of 384 neurons") != std::string::npos);

  const nlohmann::json lanes = report({"--outlier-lanes", "16"});
  CHECK(lanes.at("outlier_lanes") == 16);
  CHECK(lanes.at("cosine_mean") > 0.99);
  const nlohmann::json target = report({"--target-cosine", "0.9999"});
  CHECK(target.at("outlier_lanes") == 128);
  CHECK(target.dump().find(".apart") != std::string::npos);
  CHECK(report({"--target-cosine", "0.9999", "--outlier-lanes", "0"}).dump().find(".apart") == std::string::npos);

  const nlohmann::json chosen = report({"--sample-choice", "covering", "--samples", "8"});
  CHECK(chosen.at("samples") == 8);
  CHECK(report({"--sample-choice", "covering", "--samples", "8"}).at("cosine_mean") == chosen.at("cosine_mean"));
  CHECK_THROWS_WITH(calibrate(scratch, {"--ffn-width", "0.5"}), Catch::Contains("matformer_factor"));
  CHECK_THROWS_WITH(calibrate(scratch, {"--drop-heads", "0.9"}), Catch::Contains("some of each sublayer stay"));
}

TEST_CASE("tokens that are removed stand in the report and in the file, and where all stay nothing differs") {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "vit");
  TinyVit({.layers = 4}).write(scratch / "vit");
  const auto file = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> words = {scratch.path("vit"),
                                      "-o",
                                      scratch.path("m.octavo"),
                                      "-q",
                                      "--ablations",
                                      "off",
                                      "--report",
                                      scratch.path("r.json"),
                                      "--samples",
                                      "24"};
    words.insert(words.end(), flags.begin(), flags.end());
    REQUIRE(calibrate_words(scratch, words) == 0);
    return scratch.read("m.octavo");
  };
  const auto report = [&] { return nlohmann::json::parse(scratch.read("r.json")).at("tokens_removed"); };
  const std::string whole = file({});
  CHECK(report().is_null());
  CHECK(file({"--token-prune", "1,1@0,2"}) == whole);
  CHECK(report().is_null());

  CHECK(file({"--token-merge", "4,4@0,1", "--token-prune", "0@3"}) != whole);
  const nlohmann::json chosen = report().at("chosen");
  CHECK(report().at("max_points_lost").is_null());
  CHECK(chosen.at("reductions").dump() ==
        R"([{"kind":"merge","layer":0,"removed":4},{"kind":"merge","layer":1,"removed":4},)"
        R"({"kind":"prune","layer":3,"removed":8}])");
  CHECK(chosen.at("work") < 0.8);
  const Model model = Model::from_file(scratch / "m.octavo");
  CHECK(model.summary().find("ReduceTokens blocks.1.attn.proj.tokens [48] of 9 tokens") != std::string::npos);
  CHECK(scratch.read("printed").find("merges 4 behind layer 0") != std::string::npos);

  file({"--token-merge", "auto:100", "--token-prune", "auto:100"});
  const nlohmann::json search = report();
  CHECK(search.at("max_points_lost") == 100.0);
  CHECK(search.at("candidates").size() > 4);
  CHECK(search.at("chosen") == search.at("candidates").back());
  const std::vector<std::string> too_many = {scratch.path("vit"), "-o", scratch.path("m.octavo"), "-q",
                                             "--token-merge",     "9@0"};
  CHECK_THROWS_WITH(calibrate_words(scratch, too_many), Catch::Contains("removes 9 of 16 patches"));
}

}  // namespace octavo::test

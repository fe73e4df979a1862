// Lines of files, and the choice among them for calibration.
#include "data/samples.h"

#include "data/sample_batches.h"
#include "tests/support/golden_tasks.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_vit.h"
#include "tests/tools/support.h"

#include "octavo/error.h"
#include "octavo/masking.h"

#include <set>

using namespace octavo;
using namespace octavo::tools;
using octavo::test::refusal;
using octavo::test::Scratch;

namespace {

Samples choose(const std::string& file, const SampleOptions& options) {
  LineReader reader(file);
  return choose_samples(reader, options);
}

std::string numbered_lines(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += "line " + std::to_string(i) + "\n";
  return text;
}

}  // namespace

TEST_CASE("lines end with LF or CRLF, the last one also with the file, and a byte-order mark is no text") {
  const Scratch scratch;
  LineReader reader(scratch.write("a.txt", "\xEF\xBB\xBFone\r\n\ntwo \xFF\nthree"));
  CHECK(reader.next() == "one");
  CHECK(reader.next() == "");
  CHECK(reader.next() == "two \xFF");
  CHECK(reader.next() == "three");
  CHECK(reader.line() == 4);
  CHECK(reader.fraction() == 1.0);
  CHECK_FALSE(reader.next());
}

TEST_CASE("prompts come before the lines of the file") {
  const Scratch scratch;
  Inputs inputs({"first", ""}, scratch.write("a.txt", "second\n"));
  CHECK(inputs.next() == "first");
  CHECK(inputs.next() == "");
  CHECK(inputs.next() == "second");
  CHECK_FALSE(inputs.next());
}

TEST_CASE("a file that cannot be read is named") {
  const Scratch scratch;
  CHECK(refusal([&] { LineReader{scratch.path("none")}; }) ==
        scratch.path("none") + ": cannot open it: No such file or directory.");
  CHECK(refusal([&] { LineReader{scratch.path("")}; }).ends_with("is a directory, expected a text file."));
}

TEST_CASE("the choice depends on seed and file only, and calibration and held-out samples are different lines") {
  const Scratch scratch;
  const std::string file = scratch.write("a.txt", numbered_lines(1000));
  const Samples samples = choose(file, {.columns = {}, .count = 100, .seed = 7});
  CHECK(samples.usable == 1000);
  CHECK(samples.calibration.size() == 100);
  CHECK(samples.held_out.size() == 64);
  std::set<std::string> all(samples.calibration.begin(), samples.calibration.end());
  all.insert(samples.held_out.begin(), samples.held_out.end());
  CHECK(all.size() == 164);
  CHECK(choose(file, {.columns = {}, .count = 100, .seed = 7}).calibration == samples.calibration);
  CHECK(choose(file, {.columns = {}, .count = 100, .seed = 8}).calibration != samples.calibration);
}

TEST_CASE("every sample of a file has the same chance") {
  const Scratch scratch;
  const std::string file = scratch.write("a.txt", numbered_lines(200));
  std::vector<int> chosen(200);
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    for (const std::string& line : choose(file, {.columns = {}, .count = 50, .seed = seed}).calibration) {
      ++chosen[std::stoul(line.substr(5))];
    }
  }
  // 500 draws of 50 in 200: 125 each, with a standard deviation of 9.7; six of them is out of reach by chance.
  for (const int count : chosen) CHECK(std::abs(count - 125) < 58);
}

TEST_CASE("labels go with their samples, are no texts, and hold more samples out without changing the others") {
  const Scratch scratch;
  std::string plain, labelled;
  for (int i = 0; i < 900; ++i) {
    plain += "line " + std::to_string(i) + "\n";
    labelled += std::to_string(i) + "\tline " + std::to_string(i) + "\n";
  }
  const SampleOptions options{.columns = {}, .count = 100, .seed = 7};
  SampleOptions with_labels = options;
  with_labels.label_column = 1;
  with_labels.read_label = [](const std::string& cell, const std::string&) { return std::stod(cell); };
  const Samples found = choose(scratch.write("a.tsv", labelled), with_labels),
                expected = choose(scratch.write("a.txt", plain), options);
  CHECK(found.calibration == expected.calibration);
  CHECK(found.held_out.size() == 512);
  CHECK(std::equal(expected.held_out.begin(), expected.held_out.end(), found.held_out.begin()));
  CHECK(expected.held_out_labels.empty());
  REQUIRE(found.held_out_labels.size() == 512);
  REQUIRE(found.calibration_labels.size() == 100);
  const std::set<std::string> all(found.held_out.begin(), found.held_out.end());
  CHECK(all.size() == 512);
  for (std::size_t i = 0; i < 512; ++i)
    CHECK(found.held_out[i] == "line " + std::to_string(static_cast<int>(found.held_out_labels[i])));
}

TEST_CASE("a small file gives up an eighth, and one of less than eight samples nothing") {
  const Scratch scratch;
  const Samples some = choose(scratch.write("a.txt", numbered_lines(80)), {});
  CHECK(some.calibration.size() == 70);
  CHECK(some.held_out.size() == 10);
  const Samples few = choose(scratch.write("b.txt", numbered_lines(7)), {});
  CHECK(few.calibration.size() == 7);
  CHECK(few.held_out.empty());
}

TEST_CASE("lines and cells without text are skipped and counted") {
  const Scratch scratch;
  const Samples samples = choose(scratch.write("a.tsv", "a\tb\n\n \t\r\nc\t\n"), {.columns = {1, 2}});
  CHECK(samples.usable == 3);
  CHECK(samples.empty == 3);
}

TEST_CASE("a .tsv without columns means its first one, other files whole lines") {
  const Scratch scratch;
  CHECK(choose(scratch.write("a.tsv", "a\tb\n"), {}).calibration == std::vector<std::string>{"a"});
  CHECK(choose(scratch.write("a.txt", "a\tb\n"), {}).calibration == std::vector<std::string>{"a\tb"});
  CHECK(choose(scratch.write("a.txt", "a\tb\n"), {.columns = {2}}).calibration == std::vector<std::string>{"b"});
}

TEST_CASE("a missing column names file and line, and a file without text is refused") {
  const Scratch scratch;
  const std::string file = scratch.write("a.tsv", "a\tb\nc\n");
  CHECK(refusal([&] { choose(file, {.columns = {2}}); }) ==
        file + ":2: has 1 tab-separated columns, expected column 2.");
  const std::string empty = scratch.write("b.txt", "\n \n");
  CHECK(refusal([&] { choose(empty, {}); }) == empty + ": has no line with text, expected calibration samples.");
}

namespace {

/// The first of a model's built-in samples as it sees them.
TokenBatch built_in_tokens(const Model& model, std::size_t count) {
  std::vector<std::string> samples = built_in_samples(model, {});
  samples.resize(count);
  const Log log(Verbosity::quiet);
  TokenBatch tokens;
  SampleBatches batches(model, {}, {}, 1, log);
  batches.for_each(samples, "", [&](const auto& batch) {
    if constexpr (std::is_same_v<decltype(batch), const TokenBatch&>)
      tokens.sequences.insert(tokens.sequences.end(), batch.sequences.begin(), batch.sequences.end());
  });
  return tokens;
}

Model golden_model(const std::string& name) { return octavo::test::GoldenTasks().model(name); }

/// The model of natural language inference, with its classes in capitals.
Model with_capitals() {
  const octavo::test::TemporaryDirectory directory;
  octavo::test::GoldenTasks().write("entailment", directory.path());
  auto config = nlohmann::json::parse(octavo::test::read_bytes(directory / "config.json"));
  config["id2label"] = {{"0", "Contradiction"}, {"1", "Neutral"}, {"2", "Entailment"}};
  octavo::test::write_bytes(directory / "config.json", config.dump());
  return Model::from_checkpoint(directory.path());
}

}  // namespace

TEST_CASE(
    "built-in samples are what a model takes: pairs for questions, masked tokens, texts and pairs for a classifier") {
  const auto pairs = [](const std::vector<std::string>& samples) {
    return std::count_if(samples.begin(), samples.end(),
                         [](const auto& sample) { return sample.find('\t') != sample.npos; });
  };
  const auto questions = built_in_samples(golden_model("questions"), {});
  CHECK(pairs(questions) == std::ssize(questions));
  for (const Model& model : {golden_model("entailment"), with_capitals()}) {
    const auto inferences = built_in_samples(model, {});
    CHECK(pairs(inferences) == std::ssize(inferences));
  }
  const auto classified = built_in_samples(golden_model("three_labels"), {});
  CHECK(2 * pairs(classified) == std::ssize(classified));
  const Model masked = golden_model("masks");
  CHECK(pairs(built_in_samples(masked, {})) == 0);
  std::size_t tokens = 0, hidden = 0;
  for (const Tokens& sequence : built_in_tokens(masked, 100).sequences) {
    tokens += sequence.ids.size();
    hidden += static_cast<std::size_t>(std::count(sequence.ids.begin(), sequence.ids.end(), mask_token_of(masked)));
    CHECK(std::ssize(sequence.ids) <= masked.info().max_length);
  }
  CHECK(hidden > tokens / 40);  // many are unknown to this small vocabulary, and those stay
  CHECK(hidden < tokens / 5);
}

TEST_CASE("a model of pictures gets built-in pictures of its size") {
  const Model model = octavo::test::TinyVit({.gate = false}).model();
  const Log log(Verbosity::quiet);
  std::size_t pictures = 0;
  SampleBatches batches(model, {}, {}, 1, log);
  std::vector<std::string> samples = built_in_samples(model, {});
  samples.resize(5);
  batches.for_each(samples, "", [&](const auto& batch) {
    if constexpr (std::is_same_v<decltype(batch), const ImageBatch&>) {
      for (const Image& image : batch.images) CHECK(image.width == model.info().image->width);
      pictures += batch.images.size();
    }
  });
  CHECK(pictures == 5);
}

TEST_CASE("texts without a question become questions and contexts, and given pairs stay") {
  const std::vector<std::string> given = {"what ?\ta cat", "a dog. It barks."}, alone = {"a dog"};
  CHECK(with_questions(given) == given);
  CHECK(with_questions(alone) == alone);
  CHECK(with_questions({"It rains.", "A dog barks."}) == std::vector<std::string>{"It rains.\tIt rains. A dog barks."});
}

// Lines of files, and the choice among them for calibration.
#include "data/samples.h"

#include "tests/tools/support.h"

#include "octavo/error.h"

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

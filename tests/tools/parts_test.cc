// The small parts of the command: numbers, the progress line.
#include "cli/escaped.h"
#include "cli/numbers.h"
#include "cli/progress.h"
#include "data/open_model.h"
#include "report/bench_result.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"

#include "octavo/error.h"

#include <algorithm>
#include <limits>

using namespace octavo;
using namespace octavo::tools;

namespace {

std::string number(float value) {
  std::string text;
  append_number(text, value);
  return text;
}

}  // namespace

TEST_CASE("the size of a checkpoint is that of its safetensors files, or else of what PyTorch wrote") {
  const test::TemporaryDirectory directory;
  const auto write = [&](const char* name, std::size_t bytes) {
    test::write_bytes(directory / name, std::string(bytes, 'x'));
  };
  write("pytorch_model.bin", 7);
  CHECK(weight_bytes(directory.path()) == 7);
  write("model-00001-of-00002.safetensors", 20);
  write("model-00002-of-00002.safetensors", 10);
  CHECK(weight_bytes(directory.path()) == 30);
}

TEST_CASE("text in a column has neither tabs nor line ends, and can be told from what it was escaped to") {
  CHECK(escaped("a b\xc3\xa9") == "a b\xc3\xa9");
  CHECK(escaped("a\tb\nc\rd\\te") == "a\\tb\\nc\\rd\\\\te");
}

TEST_CASE("a float is printed as the shortest number that reads back as the same float") {
  CHECK(number(0.1f) == "0.1");
  CHECK(number(-2.0f) == "-2");
  for (const float value : {1.0f / 3, std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max(),
                            16777217.0f, -1.1754942e-38f}) {
    CHECK(std::strtof(number(value).c_str(), nullptr) == value);
  }
}

TEST_CASE("numbers are written with what stands between them, and what is not a number is an Error in any format") {
  std::string text;
  append_numbers(text, std::vector<float>{0.5f, -2.0f}, ',');
  append_numbers(text, std::vector<float>{}, ' ');
  append_numbers(text, std::vector<std::int8_t>{-128, 127}, ' ');
  append_numbers(text, std::vector<std::uint8_t>{0, 255}, ' ');
  CHECK(text == "0.5,-2-128 1270 255");
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    CHECK_THROWS_AS(append_numbers(text, std::vector<float>{bad}, ' '), octavo::Error);
  }
}

TEST_CASE("the progress line tells share, count, speed and what is left") {
  CHECK(progress_line(50, 0.25, 10) == "[======>                 ]  25 %  50 done, 5/s, 0:30 left");
  CHECK(progress_line(200, 1.0, 10) == "[========================] 100 %  200 done, 20/s, 0:00 left");
  CHECK(progress_line(0, 0.0, 0) == "[>                       ]   0 %  0 done, 0/s");
  CHECK(progress_line(7, {}, 2) == "7 done, 3.5/s");
}

TEST_CASE("statistics of a single sample and of many") {
  const Statistics one = statistics_of({7.0});
  CHECK((one.min == 7.0 && one.mean == 7.0 && one.deviation == 0.0 && one.p50 == 7.0 && one.p99 == 7.0));
  std::vector<double> hundred;
  for (int i = 100; i > 0; --i) hundred.push_back(i);
  const Statistics s = statistics_of(hundred);
  CHECK((s.min == 1.0 && s.mean == 50.5 && s.p50 == 50.0 && s.p90 == 90.0 && s.p99 == 99.0));
  CHECK(s.deviation == Approx(29.0115).epsilon(1e-4));
}

TEST_CASE("a table of times names its columns once, and quotes what has a comma") {
  const BenchResult row{.model = "a,b",
                        .precision = "int8",
                        .isa = "scalar",
                        .batch = 2,
                        .length = 8,
                        .sequences = 2,
                        .tokens = 16,
                        .milliseconds = {2.0, 4.0}};
  const std::string csv = to_text({row, row}, BenchFormat::csv);
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 3);
  CHECK(csv.find("\n\"a,b\",int8,") != std::string::npos);
  CHECK(csv.find(",750.000,6000.000,") != std::string::npos);  // the mean of rates, not the rate of the mean
}

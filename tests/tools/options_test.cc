// Flags, their environment twins, and what a wrong one is told.
#include "cli/options.h"

#include "tests/support/support.h"

#include <cstdlib>

using namespace octavo::tools;

namespace {

Arguments parse_words(std::vector<const char*> words, int max_positionals = 0) {
  const Syntax syntax = {.usage = "",
                         .about = "",
                         .example = "",
                         .flags = {{"p,prompt", "", "TEXT"},
                                   {"t,threads", "", "N"},
                                   {"batch-size", "", "N", "32"},
                                   {"column", "", "N"},
                                   {"pooling", "", "NAME"},
                                   {"normalize", ""},
                                   {"no-normalize", ""}},
                         .max_positionals = max_positionals};
  words.insert(words.begin(), "octavo");
  return parse(syntax, static_cast<int>(words.size()), words.data());
}

std::string usage_error(const auto& statement) {
  try {
    statement();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no UsageError";
}

class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

}  // namespace

TEST_CASE("a flag wins over the environment, which wins over the default") {
  CHECK(parse_words({}).integer("batch-size", 1, 99) == 32);
  const Variable variable("OCTAVO_BATCH_SIZE", "8");
  CHECK(parse_words({}).integer("batch-size", 1, 99) == 8);
  CHECK(parse_words({"--batch-size", "4"}).integer("batch-size", 1, 99) == 4);
  CHECK(parse_words({"--batch-size", "4", "--batch-size=5"}).integer("batch-size", 1, 99) == 5);
}

TEST_CASE("an empty environment variable counts as unset") {
  const Variable variable("OCTAVO_THREADS", "");
  CHECK_FALSE(parse_words({}).integer("threads", 1, 99));
}

TEST_CASE("texts keep their commas, their order, and the empty text") {
  const Arguments arguments = parse_words({"-p", "Hello, world", "--prompt", "", "-p", "-x"});
  CHECK(arguments.texts("prompt") == std::vector<std::string>{"Hello, world", "", "-x"});
}

TEST_CASE("a list of integers may be repeated flags or commas") {
  CHECK(parse_words({"--column", "1,3", "--column", "2"}).integers("column", 1, 9) ==
        std::vector<std::int64_t>{1, 3, 2});
  CHECK(parse_words({}).integers("column", 1, 9).empty());
  CHECK_THROWS_AS(parse_words({"--column", "1,"}).integers("column", 1, 9), UsageError);
}

TEST_CASE("a number lies within its limits or strictly between them, and the message says which") {
  const auto within = [](const char* text) { return parse_words({"--threads", text}).number("threads", 0.01, 100.0); };
  const auto between = [](const char* text) {
    return parse_words({"--threads", text}).number_between("threads", 0.0, 1.0);
  };
  CHECK(within("0.01") == 0.01);
  CHECK(within("1e2") == 100.0);
  CHECK(between("0.5") == 0.5);
  for (const char* text : {"0", "100.1", "", "nan", "1x", " 1"}) CHECK_THROWS_AS(within(text), UsageError);
  for (const char* text : {"0", "1", "nan", "0.5 "}) CHECK_THROWS_AS(between(text), UsageError);
  CHECK(usage_error([&] { within("0"); }) == "--threads is '0', expected a number from 0.01 to 100");
  CHECK(usage_error([&] { between("1"); }) == "--threads is '1', expected a number above 0 and below 1");
  CHECK(parse_words({}).number("threads", 0.0, 1.0) == std::nullopt);
}

TEST_CASE("a number of bytes has a unit of 1024 or none") {
  const auto bytes = [](const char* text) { return parse_words({"--threads", text}).bytes("threads"); };
  CHECK(bytes("0") == 0);
  CHECK(bytes("12345") == 12345);
  CHECK(bytes("3K") == 3072);
  CHECK(bytes("500M") == std::int64_t{500} << 20);
  CHECK(bytes("4G") == std::int64_t{4} << 30);
  CHECK(bytes("1T") == std::int64_t{1} << 40);
  for (const char* text : {"-1", "M", "4GB", "1.5G", "4 G", "4k", "8388608T", "99999999999999999999"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(bytes(text), UsageError);
  }
  CHECK(usage_error([&] { bytes("4GB"); }) == "--threads is '4GB', expected a number of bytes, such as 500M or 4G");
  CHECK(parse_words({}).bytes("threads") == std::nullopt);
}

TEST_CASE("of two opposite switches the last one decides, and a switch wins over the environment") {
  const auto normalize = [](std::vector<const char*> words) {
    return parse_words(std::move(words)).either("normalize", "no-normalize", true);
  };
  CHECK(normalize({}));
  CHECK_FALSE(normalize({"--no-normalize"}));
  CHECK(normalize({"--no-normalize", "--normalize"}));
  CHECK_FALSE(normalize({"--normalize", "--no-normalize"}));
  CHECK_FALSE(normalize({"--normalize=false"}));
  const Variable variable("OCTAVO_NO_NORMALIZE", "1");
  CHECK_FALSE(normalize({}));
  CHECK(normalize({"--normalize"}));
}

TEST_CASE("a wrong value is named with the flag or the variable that holds it") {
  CHECK(usage_error([] {
          parse_words({"-t", "0"}).integer("threads", 1, 64);
        }) == "--threads is '0', expected an integer from 1 to 64");
  CHECK(usage_error([] {
          parse_words({"-t", "65"}).integer("threads", 1, 64);
        }) == "--threads is '65', expected an integer from 1 to 64");
  CHECK(usage_error([] { parse_words({"--threads=4x"}).integer("threads", 1, 64); }) ==
        "--threads is '4x', expected an integer from 1 to 64");
  CHECK(usage_error([] { parse_words({"--normalize=maybe"}).on("normalize"); }) ==
        "--normalize is 'maybe', expected true or false");
  CHECK(usage_error([] {
          parse_words({"--pooling", "max"}).word("pooling", {"mean", "cls"});
        }) == "--pooling is 'max', expected one of mean, cls");
  const Variable variable("OCTAVO_THREADS", "many");
  CHECK(usage_error([] { parse_words({}).integer("threads", 1, 64); }) ==
        "OCTAVO_THREADS is 'many', expected an integer from 1 to 64");
}

TEST_CASE("a flag without effect is refused where it stands on the command line, beside another or without it") {
  const auto parse_with = [](const Rule& rule, std::vector<const char*> words) {
    words.insert(words.begin(), "octavo");
    const Syntax syntax = {
        .usage = "",
        .about = "",
        .example = "",
        .flags = {{"temp", "", "T", "0"}, {"k,top-k", "", "K", "0"}, {"json", ""}, {"form", "", "F", "a"}},
        .rules = {rule}};
    return usage_error([&] { parse(syntax, static_cast<int>(words.size()), words.data()); });
  };
  const Rule without = {{"top-k", "json"}, Rule::When::without, "temp"};
  CHECK(parse_with(without, {"-k", "5"}) == "--top-k has no effect without --temp");
  CHECK(parse_with(without, {"--json", "--temp", "0.0"}) == "--json has no effect without --temp");
  CHECK(parse_with(without, {"-k", "5", "--temp", "1"}) == "no UsageError");
  CHECK(parse_with(without, {"--json=false", "-h"}) == "no UsageError");
  CHECK(parse_with(without, {"--json=false"}) == "no UsageError");
  const Rule beside = {{"temp"}, Rule::When::beside, "form=b"};
  CHECK(parse_with(beside, {"--temp", "1", "--form", "b"}) == "--temp has no effect beside --form b");
  CHECK(parse_with(beside, {"--temp", "1", "--form", "c"}) == "no UsageError");
  CHECK(parse_with({{"temp"}, Rule::When::beside, "json"}, {"--json", "--temp", "1"}) ==
        "--temp has no effect beside --json");
  const Variable variable("OCTAVO_TOP_K", "5");
  CHECK(parse_with(without, {}) == "no UsageError");
}

TEST_CASE("behind -- no word is a flag, unless -- is a flag's value") {
  using Words = std::vector<std::string>;
  CHECK(parse_words({"--threads", "2", "--", "-n.png", "--"}, 2).positionals() == Words{"-n.png", "--"});
  CHECK(parse_words({"a", "--", "--threads"}, 2).positionals() == Words{"a", "--threads"});
  CHECK(parse_words({"-p", "--", "a"}, 1).text("prompt") == "--");
  CHECK(parse_words({"-p", "--", "--", "-a"}, 1).positionals() == Words{"-a"});
  CHECK(usage_error([] { parse_words({"-z", "--", "-a"}, 2); }) == "unknown option '-z'");
  CHECK(usage_error([] { parse_words({"--", "-a"}); }) == "unexpected argument '-a'");
}

TEST_CASE("unknown options, missing values and extra words are refused by name") {
  CHECK(usage_error([] { parse_words({"--equalize", "none"}, 1); }) == "unknown option '--equalize'");
  CHECK(usage_error([] { parse_words({"--equalize=none"}); }) == "unknown option '--equalize=none'");
  CHECK(usage_error([] { parse_words({"-z"}); }) == "unknown option '-z'");
  CHECK(usage_error([] { parse_words({"--threads"}); }) == "option '--threads' needs a value");
  CHECK(usage_error([] { parse_words({"one", "two"}, 1); }) == "unexpected argument 'two'");
  CHECK(usage_error([] { parse_words({}).required("prompt"); }) == "--prompt is missing");
}

// Tests of JSON objects read key by key: what is accepted, and the message that names file, key, value and expectation.
#include "io/json_object.h"

#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"

#include "octavo/error.h"

#include <limits>

using octavo::Error;
using octavo::JsonObject;
using octavo::test::refusal;

namespace {

const JsonObject& object() {
  static const JsonObject object = JsonObject::parse(
      R"({"int": 7, "min": -9223372036854775808, "max": 18446744073709551615, "real": 2.5, "text": "word", "yes": true,
          "null": null, "numbers": [1, 2, 3], "mixed": [1, "two"], "section": {"int": 3}, "list": [{"int": 1}, {}]})",
      "f.json");
  return object;
}

}  // namespace

TEST_CASE("values are given as they stand in the object") {
  CHECK(object().integer("int", 7, 7) == 7);
  CHECK(object().integer("min", std::numeric_limits<std::int64_t>::min(), 0) ==
        std::numeric_limits<std::int64_t>::min());
  CHECK(object().number("real", 2.5, 2.5) == 2.5);
  CHECK(object().number("int", 0, 10) == 7.0);
  CHECK(object().text("text") == "word");
  CHECK(object().flag("yes"));
  CHECK(object().integers("numbers", 1, 3) == std::vector<int>{1, 2, 3});
  CHECK(object().section("section").integer("int", 0, 9) == 3);
  CHECK(object().list("list").size() == 2);
  CHECK(object().list("list")[0].integer("int", 0, 9) == 1);
}

TEST_CASE("a default stands for a key that is absent or null, never for a wrong value") {
  for (const char* key : {"absent", "null"}) {
    CHECK_FALSE(object().has(key));
    CHECK(object().integer_or(key, 1, 9, 42) == 42);
    CHECK(object().number_or(key, 1, 9, 0.5) == 0.5);
    CHECK(object().text_or(key, "other") == "other");
    CHECK(object().flag_or(key, true));
    CHECK_FALSE(object().section(key).has("int"));
  }
  CHECK(object().integer_or("int", 1, 9, 42) == 7);
  CHECK_THROWS_AS(object().integer_or("int", 8, 9, 42), Error);
  CHECK_THROWS_AS(object().number_or("text", 1, 9, 42), Error);
  CHECK_THROWS_AS(object().text_or("int", "other"), Error);
  CHECK_THROWS_AS(object().flag_or("int", true), Error);
}

TEST_CASE("a missing key is an Error that names file, key and expectation") {
  CHECK(refusal([] { object().integer("absent", 1, 9); }) ==
        "f.json: absent is missing, expected an integer from 1 to 9");
  CHECK(refusal([] { object().number("absent", 0.5, 9); }) ==
        "f.json: absent is missing, expected a number from 0.5 to 9");
  CHECK(refusal([] { object().text("null"); }) == "f.json: null is missing, expected a string");
  CHECK(refusal([] { object().flag("absent"); }) == "f.json: absent is missing, expected true or false");
  CHECK(refusal([] { object().list("absent"); }) == "f.json: absent is missing, expected an array of objects");
  CHECK(refusal([] { object().integers("absent", 1, 9); }) ==
        "f.json: absent is missing, expected an array of integers");
}

TEST_CASE("a value of the wrong type is an Error that shows the value") {
  CHECK(refusal([] { object().integer("real", 1, 9); }) == "f.json: real is 2.5, expected an integer from 1 to 9");
  CHECK(refusal([] { object().integer("yes", 0, 9); }) == "f.json: yes is true, expected an integer from 0 to 9");
  CHECK(refusal([] { object().number("text", 0, 1); }) == "f.json: text is \"word\", expected a number from 0 to 1");
  CHECK(refusal([] { object().text("int"); }) == "f.json: int is 7, expected a string");
  CHECK(refusal([] { object().flag("int"); }) == "f.json: int is 7, expected true or false");
  CHECK(refusal([] { object().section("int"); }) == "f.json: int is 7, expected an object");
  CHECK(refusal([] { object().list("section"); }) == "f.json: section is {\"int\":3}, expected an array of objects");
  CHECK(refusal([] { object().list("mixed"); }) == "f.json: mixed[0]: is a JSON number, expected an object");
  CHECK(refusal([] { object().integers("mixed", 0, 9); }) ==
        "f.json: mixed is [1,\"two\"], expected an array, each an integer from 0 to 9");
  CHECK(refusal([] { object().integers("int", 0, 9); }) == "f.json: int is 7, expected an array of integers");
}

TEST_CASE("a number out of its range is an Error, up to the ends of 64 bits") {
  CHECK(refusal([] { object().integer("int", 8, 9); }) == "f.json: int is 7, expected an integer from 8 to 9");
  CHECK(refusal([] { object().integer("int", -9, 6); }) == "f.json: int is 7, expected an integer from -9 to 6");
  CHECK(refusal([] { object().integer("int", -9, -1); }) != "no Error");
  CHECK(refusal([] { object().integer("max", 0, std::numeric_limits<std::int64_t>::max()); }) ==
        "f.json: max is 18446744073709551615, expected an integer from 0 to 9223372036854775807");
  CHECK(refusal([] { object().integer("min", 0, 9); }) != "no Error");
  CHECK(refusal([] { object().number("real", 3, 4); }) == "f.json: real is 2.5, expected a number from 3 to 4");
  CHECK(refusal([] { object().integers("numbers", 2, 3); }) ==
        "f.json: numbers is [1,2,3], expected an array, each an integer from 2 to 3");
}

TEST_CASE("messages say where in the file an object lies, and shorten long values") {
  CHECK(refusal([] { object().section("section").text("int"); }) == "f.json: section: int is 3, expected a string");
  CHECK(refusal([] { object().list("list")[1].text("int"); }) == "f.json: list[1]: int is missing, expected a string");
  const JsonObject long_one(nlohmann::json{{"key", std::string(79, 'x')}}, "f.json");
  CHECK(refusal([&] { long_one.flag("key"); }) ==
        "f.json: key is \"" + std::string(79, 'x') + "..., expected true or false");
  const JsonObject ill_formed(nlohmann::json{{"key", "\xff"}}, "f.json");
  CHECK(refusal([&] { ill_formed.flag("key"); }) == "f.json: key is \"\\ufffd\", expected true or false");
}

TEST_CASE("a key that is not among the allowed ones is an Error unless it is null") {
  const JsonObject two(nlohmann::json{{"a", 1}, {"b", 2}, {"c", nullptr}}, "f.json");
  CHECK_NOTHROW(two.allow_only({"b", "a", "d"}));
  CHECK(refusal([&] { two.allow_only({"a", "d"}); }) == "f.json: b is 2, expected only the keys a, d");
}

TEST_CASE("text that is not one JSON object, or says something twice, is an Error that names the file") {
  const auto parse = [](const std::string& text) { return refusal([&] { JsonObject::parse(text, "f.json"); }); };
  for (const char* text : {" ", "{", "{}}", "{\"a\":}", "{\"a\" 1}", "{'a':1}", "{\"a\":\"\xff\"}", "{\"a\":1e999}"}) {
    CAPTURE(text);
    CHECK(parse(text) == "f.json: is not valid JSON");
  }
  CHECK(parse("") == "f.json: is empty, expected JSON");
  CHECK(parse("[1]") == "f.json: is a JSON array, expected an object");
  CHECK(parse("7") == "f.json: is a JSON number, expected an object");
  CHECK(parse(R"({"a":1,"b":{"a":1},"a":1})") == "f.json: has the key \"a\" twice in one object, expected once");
  CHECK(parse(R"({"b":[{"a":1,"a":2}]})") == "f.json: has the key \"a\" twice in one object, expected once");
  CHECK(parse(R"({"a":[{"a":1},{"a":2}]})") == "no Error");
  const auto nested = [&](std::size_t depth) {
    return parse("{\"a\":" + std::string(depth - 1, '[') + "1" + std::string(depth - 1, ']') + "}");
  };
  CHECK(nested(64) == "no Error");
  CHECK(nested(65) == "f.json: is nested more than 64 levels deep");
  CHECK(nested(1000000) == "f.json: is nested more than 64 levels deep");
}

TEST_CASE("read() gives the object of a file, and its Errors name the file") {
  const octavo::test::TemporaryDirectory directory;
  const std::string path = (directory / "f.json").string();
  CHECK(refusal([&] { JsonObject::read(path); }) == path + ": cannot be read");
  CHECK(refusal([&] { JsonObject::read(directory.path()); }) == directory.path().string() + ": cannot be read");
  octavo::test::write_bytes(path, "{\"a\": 1}");
  CHECK(JsonObject::read(path).integer("a", 0, 9) == 1);
  CHECK(refusal([&] { JsonObject::read(path).text("a"); }) == path + ": a is 1, expected a string");
  CHECK(refusal([&] { JsonObject::read(path, "config").text("a"); }) == "config: a is 1, expected a string");
}

TEST_CASE("keys that nobody asked for are known, also through copies and sections") {
  const JsonObject object =
      JsonObject::parse(R"({"read": 1, "left": 2, "nothing": null, "section": {"a": 1, "b": 2}})", "f.json");
  const JsonObject copy = object;
  CHECK(object.integer("read", 0, 9) == 1);
  const JsonObject section = copy.section("section");
  CHECK(section.has("a"));
  CHECK(object.unread() == std::vector<std::string>{"left"});
  CHECK(section.unread() == std::vector<std::string>{"b"});
}

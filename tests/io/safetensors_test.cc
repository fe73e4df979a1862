// Tests of safetensors files: what is read, what is refused, what is written.
#include "io/safetensors.h"

#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

using octavo::DType;
using octavo::Error;
using octavo::read_safetensors;
using octavo::SafetensorsFile;
using octavo::Tensor;
using octavo::test::read_bytes;
using octavo::test::TemporaryDirectory;
using octavo::test::write_bytes;

namespace {

using Catch::Contains;

using Tensors = std::map<std::string, Tensor, std::less<>>;
using Metadata = std::map<std::string, std::string, std::less<>>;

/// The bytes of a file with this header, exactly as long as it is.
std::string file_bytes(const std::string& header, const std::string& data = "") {
  std::string length(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> 8 * i & 0xff);
  return length + header + data;
}

SafetensorsFile read(const TemporaryDirectory& directory, const std::string& bytes) {
  write_bytes(directory / "x.safetensors", bytes);
  return read_safetensors(directory / "x.safetensors");
}

/// The message with which a file of this header and so many bytes of data is refused.
std::string refusal(const std::string& header, std::size_t data_bytes = 0) {
  const TemporaryDirectory directory;
  try {
    read(directory, file_bytes(header, std::string(data_bytes, 'd')));
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

/// A tensor of any dtype, its bytes counting up.
Tensor counting(DType dtype, const Tensor::Shape& shape) {
  const Tensor empty(dtype, shape);
  const auto bytes = std::make_shared<std::vector<std::uint8_t>>(empty.bytes());
  for (std::size_t i = 0; i < bytes->size(); ++i) (*bytes)[i] = static_cast<std::uint8_t>(i + 1);
  return {dtype, shape, bytes, bytes->data()};
}

Tensors one_of_each() {
  return {{"zero-d", counting(DType::f32, {})},    {"matrix", counting(DType::f32, {4, 8})},
          {"half", counting(DType::f16, {3})},     {"brain", counting(DType::bf16, {5})},
          {"long", counting(DType::s64, {3})},     {"int", counting(DType::s32, {7})},
          {"short", counting(DType::s16, {2, 3})}, {"bytes", counting(DType::s8, {64, 3})},
          {"codes", counting(DType::u8, {9})},     {"flags", counting(DType::boolean, {2})},
          {"empty", counting(DType::f32, {0, 4})}, {"na\"me\n\u00e9", counting(DType::u8, {1})}};
}

bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         (a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0);
}

}  // namespace

TEST_CASE("what is written is read back: every dtype, shape, name and metadata") {
  const TemporaryDirectory directory;
  const Tensors tensors = one_of_each();
  const Metadata metadata = {{"format", "pt"}, {"quote", "\"{}\n\u20ac"}, {"", ""}};
  octavo::write_safetensors(directory / "x.safetensors", tensors, metadata);
  const SafetensorsFile file = read_safetensors(directory / "x.safetensors");
  REQUIRE(file.metadata == metadata);
  REQUIRE(file.tensors.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    CAPTURE(name);
    REQUIRE(same(file.tensors.at(name), tensor));
  }
}

TEST_CASE("tensors outlive the file's other tensors, and a file that replaces theirs") {
  const TemporaryDirectory directory;
  octavo::write_safetensors(directory / "x.safetensors", one_of_each(), {});
  const Tensor kept = read_safetensors(directory / "x.safetensors").tensors.at("matrix");
  octavo::write_safetensors(directory / "x.safetensors", {{"matrix", Tensor(DType::f32, {4, 8})}}, {});
  REQUIRE(same(kept, counting(DType::f32, {4, 8})));
  REQUIRE(same(read_safetensors(directory / "x.safetensors").tensors.at("matrix"), Tensor(DType::f32, {4, 8})));
}

TEST_CASE("written data needs no copies: multiples of 64 bytes are 64-byte aligned, the rest as its elements") {
  const TemporaryDirectory directory;
  octavo::write_safetensors(directory / "x.safetensors", one_of_each(), {{"padding", "1234567"}});
  const std::string bytes = read_bytes(directory / "x.safetensors");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  REQUIRE((8 + length) % 64 == 0);
  const auto header = nlohmann::json::parse(bytes.substr(8, length));
  for (const auto& [name, tensor] : read_safetensors(directory / "x.safetensors").tensors) {
    CAPTURE(name);
    const std::size_t unit = tensor.bytes() % 64 == 0 ? 64 : octavo::size_of(tensor.dtype());
    REQUIRE(header[name]["data_offsets"][0].get<std::uint64_t>() % unit == 0);
    REQUIRE(reinterpret_cast<std::uintptr_t>(tensor.data()) % unit == 0);
  }
}

TEST_CASE("equal tensors make equal bytes") {
  const TemporaryDirectory directory;
  octavo::write_safetensors(directory / "a", one_of_each(), {{"k", "v"}});
  octavo::write_safetensors(directory / "b", one_of_each(), {{"k", "v"}});
  REQUIRE(read_bytes(directory / "a") == read_bytes(directory / "b"));
}

TEST_CASE("a file by hand is read as the format says") {
  const TemporaryDirectory directory;
  const SafetensorsFile file = read(
      directory, file_bytes(R"({"__metadata__":{"format":"pt"},"b":{"dtype":"I16","shape":[1,2],"data_offsets":[4,8]},)"
                            R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   )",
                            std::string("\x00\x00\x80\x3f\x01\x00\xff\xff", 8)));
  REQUIRE(file.metadata == Metadata{{"format", "pt"}});
  REQUIRE(file.tensors.at("a").as<float>()[0] == 1.0f);
  REQUIRE(file.tensors.at("b").shape() == Tensor::Shape{1, 2});
  REQUIRE(file.tensors.at("b").as<std::int16_t>()[0] == 1);
  REQUIRE(file.tensors.at("b").as<std::int16_t>()[1] == -1);
  REQUIRE(read(directory, file_bytes("{}")).tensors.empty());
}

TEST_CASE("data at an odd place is still aligned to its elements in memory") {
  const TemporaryDirectory directory;
  for (const char* padding : {"", " ", "  ", "   "}) {
    const SafetensorsFile file =
        read(directory, file_bytes(std::string(R"({"c":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                               R"("f":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})") +
                                       padding,
                                   std::string("\x07\x00\x00\x80\x3f", 5)));
    REQUIRE(reinterpret_cast<std::uintptr_t>(file.tensors.at("f").data()) % 4 == 0);
    REQUIRE(file.tensors.at("f").as<float>()[0] == 1.0f);
    REQUIRE(file.tensors.at("c").as<std::uint8_t>()[0] == 7);
  }
}

TEST_CASE("a header that does not fit its data is refused by the tensor's name, what was found and what was expected") {
  REQUIRE_THAT(refusal(R"({"layer.weight":{"dtype":"F32","shape":[768,768],"data_offsets":[0,100]}})", 100),
               Contains("x.safetensors: tensor layer.weight has 100 bytes, expected 2359296 for F32 [768, 768]"));
  REQUIRE_THAT(refusal(R"({"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})", 8),
               Contains("tensor w has dtype F64, expected one of F32, F16"));
  REQUIRE_THAT(refusal(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", 6),
               Contains("tensor w starts at byte 2 of the data, expected 0"));
  REQUIRE_THAT(refusal(R"({"v":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                       R"("w":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
                       6),
               Contains("tensor w starts at byte 2 of the data, expected 4"));
  REQUIRE_THAT(refusal(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 5),
               Contains("the tensors end at byte 4 of the data, expected its end at 5"));
  REQUIRE_THAT(refusal(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 3),
               Contains("tensor w has data_offsets [0, 4], expected them in order and within the 3 bytes"));
  REQUIRE_THAT(refusal(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", 4), Contains("data_offsets [4, 0]"));
  REQUIRE_THAT(refusal(R"({"w":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})"),
               Contains("tensor w has shape [4294967296, 4294967296], whose size does not fit"));
}

TEST_CASE("a header of another form is refused, and the message says where") {
  REQUIRE_THAT(refusal("[]"), Contains("the header does not start with {"));
  REQUIRE_THAT(refusal(""), Contains("the header does not start with {"));
  REQUIRE_THAT(refusal("{"), Contains("the header is not valid JSON at its byte"));
  REQUIRE_THAT(refusal("{} x"), Contains("not valid JSON"));
  REQUIRE_THAT(refusal("{\"\xff\":1}"), Contains("not valid JSON"));
  REQUIRE_THAT(refusal(R"({"w":3})"), Contains("tensor w is 3, expected an object"));
  REQUIRE_THAT(refusal(R"({"w":[]})"), Contains("tensor w is an array, expected an object"));
  REQUIRE_THAT(refusal(R"({"w":{"dtype":"U8","shape":[0]}})"), Contains("tensor w has no data_offsets"));
  REQUIRE_THAT(refusal(R"({"w":{}})"), Contains("tensor w has no dtype"));
  REQUIRE_THAT(refusal(R"({"w":{"dtype":8}})"), Contains("tensor w: dtype is 8, expected a string"));
  REQUIRE_THAT(refusal(R"({"w":{"shape":4}})"), Contains("tensor w: shape is 4, expected an array"));
  REQUIRE_THAT(refusal(R"({"w":{"shape":[-4]}})"), Contains("tensor w: shape has -4, expected non-negative"));
  REQUIRE_THAT(refusal(R"({"w":{"shape":[4.0]}})"), Contains("tensor w: shape has 4.0"));
  REQUIRE_THAT(refusal(R"({"w":{"shape":[9223372036854775808]}})"), Contains("shape has 9223372036854775808"));
  REQUIRE_THAT(refusal(R"({"w":{"shape":[[4]]}})"), Contains("tensor w: shape has an array"));
  REQUIRE_THAT(refusal(R"({"w":{"data_offsets":[0,null]}})"), Contains("tensor w: data_offsets has null"));
  REQUIRE_THAT(refusal(R"({"w":{"data_offsets":[0,1,2]}})"), Contains("tensor w: data_offsets has 2"));
  REQUIRE_THAT(refusal(R"({"w":{"data_offsets":[0]}})"), Contains("tensor w: data_offsets has fewer than 2"));
  REQUIRE_THAT(refusal(R"({"w":{"strides":[1]}})"), Contains("tensor w has the unknown key strides"));
  REQUIRE_THAT(refusal(R"({"__metadata__":"x"})"), Contains("__metadata__ is a string, expected an object"));
  REQUIRE_THAT(refusal(R"({"__metadata__":{"k":1}})"), Contains("__metadata__: k is 1, expected a string"));
  REQUIRE_THAT(refusal(R"({"__metadata__":{"k":{}}})"), Contains("__metadata__: k is an object"));
}

TEST_CASE("no key of a header may come twice") {
  const std::string entry = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  REQUIRE(refusal(R"({"w":)" + entry + "}") == "accepted");
  REQUIRE_THAT(refusal(R"({"w":)" + entry + R"(,"w":)" + entry + "}"), Contains("the header names w twice"));
  REQUIRE_THAT(refusal(R"({"w":{"dtype":"U8","dtype":"U8"}})"), Contains("tensor w has the key dtype twice"));
  REQUIRE_THAT(refusal(R"({"__metadata__":{"k":"1","k":"2"}})"), Contains("__metadata__ has the key k twice"));
  REQUIRE_THAT(refusal(R"({"__metadata__":{},"__metadata__":{}})"), Contains("names __metadata__ twice"));
}

TEST_CASE("a deeply nested header is refused without using the stack") {
  std::string objects = R"({"w":)", arrays = R"({"w":{"shape":)";
  for (int i = 0; i < 1'000'000; ++i) objects += R"({"w":)";
  REQUIRE_THAT(refusal(objects), Contains("tensor w"));
  REQUIRE_THAT(refusal(arrays + std::string(1'000'000, '[')), Contains("tensor w: shape has an array"));
}

TEST_CASE("a header length beyond the file or the format is refused") {
  const TemporaryDirectory directory;
  REQUIRE_THROWS_WITH(read(directory, std::string("\x05\0\0\0\0\0\0\0{}", 10)),
                      Contains("the header length is 5, but only 2 bytes follow it"));
  REQUIRE_THROWS_WITH(read(directory, std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10)),
                      Contains("the header length is 18446744073709551615, expected at most 100000000"));
  REQUIRE_THROWS_WITH(read(directory, "1234567"), Contains("has 7 bytes, expected at least the 8"));
}

TEST_CASE("a file that is missing, empty or not a file is refused by its name") {
  const TemporaryDirectory directory;
  REQUIRE_THROWS_WITH(read_safetensors(directory / "absent"), Contains("absent: cannot open the file: No such file"));
  REQUIRE_THROWS_WITH(read_safetensors(directory.path()),
                      Contains(directory.path().string() + ": is a directory, expected a file"));
  REQUIRE_THROWS_WITH(read(directory, ""), Contains("x.safetensors: is empty, expected a safetensors file"));
  REQUIRE_THROWS_WITH(read_safetensors("/dev/null"), Contains("/dev/null: is not a regular file"));
}

TEST_CASE("a file cut at any length is refused") {
  const TemporaryDirectory directory;
  octavo::write_safetensors(directory / "whole", one_of_each(), {{"format", "pt"}});
  const std::string whole = read_bytes(directory / "whole");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    REQUIRE_THROWS_AS(read(directory, whole.substr(0, length)), Error);
  }
  REQUIRE_THROWS_AS(read(directory, whole + '\0'), Error);
}

TEST_CASE("any byte of a header may be wrong: Error or a valid load") {
  const TemporaryDirectory directory;
  octavo::write_safetensors(directory / "whole", {{"a", counting(DType::f32, {2, 3})}, {"b", counting(DType::s8, {5})}},
                            {{"format", "pt"}});
  std::string bytes = read_bytes(directory / "whole");
  const std::size_t header_end = bytes.size() - 29;
  int refused = 0;
  for (std::size_t i = 0; i < header_end; ++i) {
    const char original = bytes[i];
    for (const int flip : {0x01, 0x02, 0x10, 0x20, 0x80, 0xff}) {
      bytes[i] = static_cast<char>(original ^ flip);
      try {
        unsigned sum = 0;  // reads all that a valid load promises
        for (const auto& [name, tensor] : read(directory, bytes).tensors)
          for (std::size_t k = 0; k < tensor.bytes(); ++k) sum += static_cast<const std::uint8_t*>(tensor.data())[k];
        REQUIRE(sum > 0);
      } catch (const Error&) {
        ++refused;
      }
    }
    bytes[i] = original;
  }
  REQUIRE(refused > static_cast<int>(header_end));
  REQUIRE(read(directory, bytes).tensors.size() == 2);
}

TEST_CASE("a failed write leaves no file behind, and an existing one untouched") {
  const TemporaryDirectory directory;
  REQUIRE_THROWS_WITH(octavo::write_safetensors(directory / "no/such/x.safetensors", one_of_each(), {}),
                      Contains("no/such/x.safetensors: cannot create") && Contains("No such file or directory"));
  std::filesystem::create_directory(directory / "taken");
  REQUIRE_THROWS_WITH(octavo::write_safetensors(directory / "taken", one_of_each(), {}),
                      Contains("taken: is a directory"));
  REQUIRE_THROWS_AS(octavo::write_safetensors(directory / "", one_of_each(), {}), Error);
  REQUIRE_THROWS_WITH(octavo::write_safetensors(directory / std::string(256, 'n'), one_of_each(), {}),
                      Contains("File name too long"));
  write_bytes(directory / "old", "old");
  REQUIRE_THROWS_AS(octavo::write_safetensors(directory / "old", {{"\xff", Tensor(DType::u8, {1})}}, {}), Error);
  REQUIRE_THROWS_AS(octavo::write_safetensors(directory / "old", {{"__metadata__", Tensor(DType::u8, {1})}}, {}),
                    Error);
  REQUIRE(read_bytes(directory / "old") == "old");
  REQUIRE(directory.names() == std::set<std::string>{"taken", "old"});
  REQUIRE_THROWS_WITH(octavo::write_safetensors("/dev/null", one_of_each(), {}), Contains("is not a regular file"));
}

TEST_CASE("a write replaces the old file and leaves only the new one") {
  const TemporaryDirectory directory;
  const std::string longest(255, 'n');
  for (const std::string& name : {std::string("x.safetensors"), longest}) {
    write_bytes(directory / name, "old");
    octavo::write_safetensors(directory / name, one_of_each(), {});
    REQUIRE(read_safetensors(directory / name).tensors.size() == one_of_each().size());
  }
  REQUIRE(directory.names() == std::set<std::string>{"x.safetensors", longest});
}

TEST_CASE("a checkpoint is one file, or exactly what its index names") {
  const TemporaryDirectory directory;
  REQUIRE_THROWS_WITH(octavo::read_checkpoint_tensors(directory.path()),
                      Contains("has no model.safetensors, no pytorch_model.bin and no index of shards"));
  octavo::write_safetensors(directory / "one.safetensors", {{"a", counting(DType::u8, {1})}}, {});
  octavo::write_safetensors(directory / "two.safetensors",
                            {{"b", counting(DType::u8, {2})}, {"unnamed", counting(DType::u8, {3})}}, {});
  const auto read_with = [&](const std::string& index) {
    write_bytes(directory / "model.safetensors.index.json", index);
    return octavo::read_checkpoint_tensors(directory.path());
  };

  SECTION("shards are joined") {
    const Tensors tensors =
        read_with(R"({"metadata":{"total_size":3},"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
    REQUIRE(tensors.size() == 2);
    REQUIRE(tensors.at("a").elements() == 1);
    REQUIRE(tensors.at("b").elements() == 2);
  }
  SECTION("one file goes before an index") {
    octavo::write_safetensors(directory / "model.safetensors", {{"whole", counting(DType::u8, {1})}}, {});
    REQUIRE(read_with(R"({"weight_map":{"a":"one.safetensors"}})").contains("whole"));
  }
  SECTION("every shard must exist and hold what the index says") {
    REQUIRE_THROWS_WITH(read_with(R"({"weight_map":{"a":"three.safetensors"}})"),
                        Contains("three.safetensors: cannot open the file"));
    REQUIRE_THROWS_WITH(read_with(R"({"weight_map":{"b":"one.safetensors"}})"),
                        Contains("one.safetensors: has no tensor b, which model.safetensors.index.json expects there"));
  }
  SECTION("a shard lies in the checkpoint's directory") {
    for (const char* name : {"../one.safetensors", "/etc/passwd", "sub/one.safetensors", "..", ".", "", "a\\\\b",
                             "one.safetensors\\u0000"})
      REQUIRE_THROWS_WITH(read_with(R"({"weight_map":{"a":")" + std::string(name) + "\"}}"),
                          Contains("must give the name of a file in the same directory for a, found"));
  }
  SECTION("a malformed index is refused") {
    REQUIRE_THROWS_WITH(read_with("{"), Contains("model.safetensors.index.json: is not valid JSON"));
    REQUIRE_THROWS_WITH(read_with("[]"), Contains("has no object weight_map"));
    REQUIRE_THROWS_WITH(read_with("{}"), Contains("has no object weight_map"));
    REQUIRE_THROWS_WITH(read_with(R"({"weight_map":[]})"), Contains("has no object weight_map"));
    REQUIRE_THROWS_WITH(read_with(R"({"weight_map":{"a":1}})"), Contains("weight_map names no file for a"));
    REQUIRE_THROWS_WITH(read_with(R"({"weight_map":{"a":"one.safetensors","a":"one.safetensors"}})"),
                        Contains("has the key \"a\" twice"));
    REQUIRE_THROWS_AS(read_with(std::string(1'000'000, '[')), Error);
  }
}

TEST_CASE("a real checkpoint in several shards is read whole", "[shared]") {
  const auto directory = octavo::test::find_model("all-MiniLM-L6-v2-gated-mlp");
  if (!directory) return;
  const Tensors tensors = octavo::read_checkpoint_tensors(*directory);
  const auto index = nlohmann::json::parse(read_bytes(*directory / "model.safetensors.index.json"));
  REQUIRE(tensors.size() == index["weight_map"].size());
  std::size_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += tensor.bytes();
  REQUIRE(bytes <= index["metadata"]["total_size"].get<std::size_t>());
  REQUIRE(octavo::to_f32(tensors.at("embeddings.word_embeddings.weight"), "words").shape() ==
          Tensor::Shape{30522, 384});
}

TEST_CASE("half precision becomes exactly the same number in f32") {
  /// By the formula: sign, exponent and mantissa of a format with so many mantissa bits.
  const auto number = [](int code, int mantissa_bits, int bias) {
    const int exponent = code >> mantissa_bits & ((1 << (15 - mantissa_bits)) - 1);
    const double fraction = std::ldexp(code & ((1 << mantissa_bits) - 1), -mantissa_bits);
    const double value = exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
    return std::copysign(value, code & 0x8000 ? -1.0 : 1.0);
  };
  for (const auto& [dtype, mantissa_bits, bias] : {std::tuple{DType::f16, 10, 15}, {DType::bf16, 7, 127}}) {
    const auto finite = std::make_shared<std::vector<std::uint16_t>>();
    const int exponent_mask = (1 << (15 - mantissa_bits)) - 1;
    for (int code = 0; code < 65536; ++code) {
      if ((code >> mantissa_bits & exponent_mask) != exponent_mask) finite->push_back(static_cast<std::uint16_t>(code));
    }
    const Tensor::Shape shape = {2, static_cast<std::int64_t>(finite->size() / 2)};
    const Tensor found = octavo::to_f32(Tensor(dtype, shape, finite, finite->data()), "t");
    REQUIRE(found.shape() == shape);
    for (std::size_t i = 0; i < finite->size(); ++i) {
      const float value = found.as<float>()[i];
      const double expected = number((*finite)[i], mantissa_bits, bias);
      if (value != expected || std::signbit(value) != std::signbit(expected))
        FAIL("code " << (*finite)[i] << ": " << value << ", expected " << expected);
    }
  }
}

TEST_CASE("f32 stays the same memory, and integers are no floats") {
  const Tensor tensor(DType::f32, {3});
  REQUIRE(octavo::to_f32(tensor, "t").data() == tensor.data());
  REQUIRE_THROWS_WITH(octavo::to_f32(Tensor(DType::s8, {3}), "layer.weight"),
                      "Tensor layer.weight holds I8, expected F32, F16 or BF16.");
}

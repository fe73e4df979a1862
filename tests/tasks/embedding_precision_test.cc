// Embeddings in fewer bits: the numbers that sentence-transformers 6.2's quantize_embeddings gives.
#include "octavo/embedding_precision.h"

#include "octavo/error.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <limits>
#include <string>

namespace octavo {
namespace {

constexpr int kColumns = 10;

Tensor rows_of(const std::vector<float>& values) {
  Tensor tensor(DType::f32, {std::ssize(values) / kColumns, kColumns});
  std::ranges::copy(values, tensor.writable<float>().begin());
  return tensor;
}

/// A column of equal numbers, one of almost equal ones, zeros of both kinds.
Tensor embeddings() {
  return rows_of({-0.5f, 0.25f, 0.1f,  0,     1,    -1,    0.3f,  0.2f, 0.7f,  3,  //
                  0.5f,  0.75f, -0.2f, 0,     -1,   1,     0.31f, 0.1f, -0.7f, 3,  //
                  0.1f,  0.3f,  0.05f, 1e-9f, 0.5f, -0.2f, -0.3f, 0.4f, 0.0f,  3});
}

std::string text_of(const Tensor& tensor) {
  std::string text(name_of(tensor.dtype()));
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const int value = tensor.dtype() == DType::s8 ? tensor.as<std::int8_t>()[at] : tensor.as<std::uint8_t>()[at];
    text += (i % tensor.columns() == 0 ? " | " : " ") + std::to_string(value);
  }
  return text;
}

}  // namespace

TEST_CASE("int8 and uint8 are steps between the lowest and the highest number of each column") {
  ColumnRanges ranges;
  ranges.include(embeddings());
  CHECK(text_of(quantize_embeddings(embeddings(), EmbeddingPrecision::int8, ranges)) ==
        "I8 | -128 -128 127 -128 126 -128 122 -43 127 -128 | 126 126 -128 -128 -128 126 127 -128 -128 -128"
        " | 25 -103 84 127 63 -27 -128 127 -1 -128");
  CHECK(text_of(quantize_embeddings(embeddings(), EmbeddingPrecision::uint8, ranges)) ==
        "U8 | 0 0 255 0 254 0 250 85 255 0 | 254 254 0 0 0 254 255 0 0 0 | 153 25 212 255 191 101 0 255 127 0");
}

TEST_CASE("what lies outside of given ranges becomes their first or last step") {
  ColumnRanges ranges;
  std::vector<float> calibration(2 * kColumns, 0.0f);
  std::fill(calibration.begin() + kColumns, calibration.end(), 0.4f);
  ranges.include(rows_of(calibration));
  CHECK(text_of(quantize_embeddings(embeddings(), EmbeddingPrecision::int8, ranges)) ==
        "I8 | -128 31 -65 -128 127 -128 63 -1 127 127 | 127 127 -128 -128 -128 127 69 -65 -128 127"
        " | -65 63 -97 -128 127 -128 -128 127 -128 127");
}

TEST_CASE("binary embeddings have a bit for each number above 0, and bytes that are filled up with zeros") {
  CHECK(text_of(quantize_embeddings(embeddings(), EmbeddingPrecision::binary)) == "I8 | -21 64 | 71 -64 | 121 -64");
  CHECK(text_of(quantize_embeddings(embeddings(), EmbeddingPrecision::ubinary)) == "U8 | 107 192 | 199 64 | 249 64");
  CHECK(quantize_embeddings(Tensor(DType::f32, {0, 9}), EmbeddingPrecision::binary).shape() == Tensor::Shape{0, 2});
}

TEST_CASE("ranges grow with what they include, and those of other embeddings are refused") {
  const Tensor all = embeddings();
  ColumnRanges whole, parts;
  whole.include(all);
  for (std::int64_t i = 2; i >= 0; --i) {
    const std::span<const float> row = all.row<float>(i);
    parts.include(rows_of({row.begin(), row.end()}));
  }
  CHECK(parts.lowest == whole.lowest);
  CHECK(parts.highest == whole.highest);
  CHECK_THROWS_WITH(whole.include(Tensor(DType::f32, {1, 9})),
                    Catch::Contains("have 9 numbers") && Catch::Contains("10"));
  CHECK_THROWS_WITH(quantize_embeddings(embeddings(), EmbeddingPrecision::int8), Catch::Contains("ranges are of 0"));
  CHECK_THROWS_WITH(whole.include(rows_of(std::vector<float>(10, std::numeric_limits<float>::infinity()))),
                    Catch::Contains("not a number"));
}

}  // namespace octavo

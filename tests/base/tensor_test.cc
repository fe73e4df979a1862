// Tests of Tensor: shapes, ownership, element types.
#include "octavo/tensor.h"

#include "tests/support/support.h"

#include "octavo/error.h"

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>

using octavo::DType;
using octavo::Error;
using octavo::Tensor;

TEST_CASE("a tensor made from a shape owns zeroed, 64-byte aligned memory") {
  for (const std::int64_t columns : {1, 7, 16, 1000}) {
    const Tensor tensor(DType::f32, {3, columns});
    REQUIRE(tensor.elements() == 3 * columns);
    REQUIRE(tensor.bytes() == static_cast<std::size_t>(12 * columns));
    REQUIRE(tensor.rows() == 3);
    REQUIRE(tensor.columns() == columns);
    REQUIRE(reinterpret_cast<std::uintptr_t>(tensor.data()) % 64 == 0);
    for (const float value : tensor.as<float>()) REQUIRE(value == 0.0f);
  }
}

TEST_CASE("rows times columns is the number of elements for every shape") {
  const auto check = [](const Tensor::Shape& shape, std::int64_t rows, std::int64_t columns) {
    const Tensor tensor(DType::s8, shape);
    REQUIRE(tensor.rows() == rows);
    REQUIRE(tensor.columns() == columns);
    REQUIRE(tensor.elements() == rows * columns);
    REQUIRE(tensor.data() != nullptr);
  };
  check({}, 1, 1);
  check({5}, 1, 5);
  check({2, 3, 4}, 6, 4);
  check({0, 4}, 0, 4);
  check({4, 0}, 4, 0);
  const Tensor none;
  REQUIRE(none.elements() == 0);
  REQUIRE(none.columns() == 0);
  REQUIRE(none.bytes() == 0);
}

TEST_CASE("element types have the sizes and names of safetensors") {
  const auto check = [](DType dtype, std::size_t size, const std::string& name) {
    REQUIRE(octavo::size_of(dtype) == size);
    REQUIRE(octavo::name_of(dtype) == name);
    REQUIRE(Tensor(dtype, {3}).bytes() == 3 * size);
  };
  check(DType::f32, 4, "F32");
  check(DType::f16, 2, "F16");
  check(DType::bf16, 2, "BF16");
  check(DType::s64, 8, "I64");
  check(DType::s32, 4, "I32");
  check(DType::s16, 2, "I16");
  check(DType::s8, 1, "I8");
  check(DType::u8, 1, "U8");
  check(DType::boolean, 1, "BOOL");
}

TEST_CASE("copies share what was written") {
  Tensor tensor(DType::s32, {2, 2});
  tensor.writable<std::int32_t>()[3] = 42;
  const Tensor copy = tensor;
  REQUIRE(copy.as<std::int32_t>()[3] == 42);
  REQUIRE(copy.data() == tensor.data());
}

TEST_CASE("elements are only given as the type they are stored as") {
  Tensor tensor(DType::f16, {4});
  REQUIRE_THROWS_WITH(tensor.as<float>(), "The tensor holds F16, expected F32.");
  REQUIRE_THROWS_AS(tensor.writable<std::int16_t>(), Error);
  REQUIRE_THROWS_AS(Tensor(DType::boolean, {4}).as<std::uint8_t>(), Error);
}

TEST_CASE("a view or a shared tensor cannot be written") {
  auto owner = std::make_shared<std::array<std::int8_t, 6>>();
  (*owner)[4] = 9;
  const void* data = owner->data();
  Tensor view(DType::s8, {2, 3}, std::move(owner), data);
  REQUIRE(view.as<std::int8_t>()[4] == 9);
  REQUIRE_THROWS_AS(view.writable<std::int8_t>(), Error);

  Tensor tensor(DType::s8, {2});
  {
    const Tensor copy = tensor;
    REQUIRE_THROWS_AS(tensor.writable<std::int8_t>(), Error);
  }
  REQUIRE_NOTHROW(tensor.writable<std::int8_t>());
}

TEST_CASE("a view keeps its owner alive") {
  auto owner = std::make_shared<int>(3);
  const std::weak_ptr<int> watch = owner;
  auto view = std::make_unique<Tensor>(DType::s32, Tensor::Shape{1}, owner, owner.get());
  owner.reset();
  REQUIRE(view->as<std::int32_t>()[0] == 3);
  view.reset();
  REQUIRE(watch.expired());
}

TEST_CASE("impossible shapes are refused") {
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  REQUIRE_THROWS_AS(Tensor(DType::f32, {2, -1}), Error);
  REQUIRE_THROWS_AS(Tensor(DType::s8, {kHuge, 2}), Error);
  REQUIRE_THROWS_AS(Tensor(DType::s64, {kHuge}), Error);
  REQUIRE_THROWS_AS(Tensor(DType::f32, {-1}, nullptr, nullptr), Error);
}

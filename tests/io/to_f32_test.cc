// What is no number is refused where weights become float32.
#include "io/safetensors.h"
#include "tests/support/support.h"

#include "octavo/error.h"

#include <array>
#include <limits>

namespace octavo::test {
namespace {

/// [70, 100] of ones in halves, with these bits at one place.
Tensor halves(DType dtype, std::uint16_t one, std::size_t index, std::uint16_t bits) {
  const auto values = std::make_shared<std::vector<std::uint16_t>>(7000, one);
  (*values)[index] = bits;
  return {dtype, {70, 100}, values, values->data()};
}

}  // namespace

TEST_CASE("a tensor with a NaN or an infinity is an error that names it, the element and which of the two") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();
  for (const std::size_t index : {std::size_t{0}, std::size_t{4095}, std::size_t{4096}, std::size_t{6999}}) {
    const std::string place = "[" + std::to_string(index / 100) + ", " + std::to_string(index % 100) + "]";
    for (const float bad : {kNan, -kNan, kInfinity, -kInfinity}) {
      Tensor tensor(DType::f32, {70, 100});
      tensor.writable<float>()[index] = bad;
      const std::string what = std::isnan(bad) ? "not a number" : "infinite";
      CHECK_THROWS_WITH(to_f32(tensor, "a.weight"), Catch::Contains("tensor a.weight is " + what + " at " + place));
      CHECK_THROWS_WITH(f32_values(tensor, "a.weight"), Catch::Contains("a.weight"));
    }
    for (const auto& [dtype, one, infinity] :
         {std::tuple<DType, std::uint16_t, std::uint16_t>{DType::f16, 0x3c00, 0x7c00}, {DType::bf16, 0x3f80, 0x7f80}}) {
      for (const int sign : {0, 0x8000}) {
        const auto bits = static_cast<std::uint16_t>(infinity | sign);
        CHECK_THROWS_WITH(to_f32(halves(dtype, one, index, bits), "w"), Catch::Contains("infinite at " + place));
        CHECK_THROWS_WITH(to_f32(halves(dtype, one, index, bits | 1), "w"),
                          Catch::Contains("not a number at " + place));
        CHECK(to_f32(halves(dtype, one, index, static_cast<std::uint16_t>(bits - 1)), "w").elements() == 7000);
      }
    }
  }
}

TEST_CASE("the largest and smallest numbers of float32 are numbers") {
  Tensor tensor(DType::f32, {4});
  const std::array<float, 4> values = {std::numeric_limits<float>::max(), std::numeric_limits<float>::lowest(),
                                       std::numeric_limits<float>::denorm_min(), -0.0f};
  std::copy(values.begin(), values.end(), tensor.writable<float>().begin());
  CHECK(to_f32(tensor, "w").data() == tensor.data());
}

}  // namespace octavo::test

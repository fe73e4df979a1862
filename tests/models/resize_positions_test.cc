// A table of positions at another size, against torch's interpolate().
#include "models/parts/resize_positions.h"

#include "tests/support/compare.h"
#include "tests/support/support.h"

namespace octavo::test {
namespace {

/// The table [[1, 2, 4], [3, 9, 5], [-2, 0, 7]] behind a row that stays, at another size.
std::vector<float> resized(int width, int height, bool antialias) {
  const std::vector<float> values = {100, 1, 2, 4, 3, 9, 5, -2, 0, 7};
  Tensor table(DType::f32, {1, 10, 1});
  std::ranges::copy(values, table.writable<float>().begin());
  const Tensor result =
      resize_positions(table, {.prefix = 1, .from = 3, .width = width, .height = height, .antialias = antialias});
  CHECK(result.shape() == Tensor::Shape{1 + width * height, 1});
  CHECK(result.as<float>()[0] == 100);
  return {result.as<float>().begin() + 1, result.as<float>().end()};
}

}  // namespace

TEST_CASE("positions are resized as torch's bicubic interpolation does, smaller and larger") {
  CHECK(largest_difference(resized(2, 2, false), std::vector{2.1350555f, 4.1786499f, -0.2496643f, 5.7168732f}) < 1e-5);
  CHECK(largest_difference(resized(5, 4, false),
                           std::vector{0.7948986f,  0.9301902f,  1.4975586f,  3.0312855f, 4.1615667f,  //
                                       2.3833950f,  4.8473792f,  7.4663086f,  5.9358334f, 4.1274695f,  //
                                       0.9276097f,  3.4499013f,  6.5258789f,  6.4681168f, 5.7638178f,  //
                                       -2.5233245f, -2.2551305f, -0.6459961f, 4.2445378f, 7.8913522f}) < 1e-5);
}

TEST_CASE("positions are resized as torch's bicubic interpolation with antialiasing does, smaller and larger") {
  CHECK(largest_difference(resized(2, 2, true), std::vector{2.9404941f, 4.5757232f, 0.9729005f, 5.4664583f}) < 1e-5);
  CHECK(largest_difference(resized(5, 4, true),
                           std::vector{0.8397635f,  1.0510693f,  1.6343284f,  3.1694143f, 4.1223598f,  //
                                       2.2711403f,  4.2660246f,  7.0187092f,  5.5722804f, 4.2953210f,  //
                                       0.9074609f,  2.9920628f,  6.1318989f,  6.1447368f, 5.7928586f,  //
                                       -2.3963671f, -1.9721543f, -0.4701493f, 4.5279021f, 7.6761470f}) < 1e-5);
}

}  // namespace octavo::test

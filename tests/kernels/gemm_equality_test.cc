// GEMM kernels of every instruction set against the scalar ones.
#include "system/gemm_problem.h"
#include "tests/kernels/kernel_support.h"

#include <cstddef>
#include <vector>

namespace octavo::test {
namespace {

using namespace octavo::problems;

// All six products of one shape and kind of operands, with random constants within the contract, by weights of 8 bits
// and of 4.
void require_equal_products(GemmOptions options, Random& random) {
  INFO("rows " << options.shape->rows << ", columns " << options.shape->columns << ", depth " << options.shape->depth);
  INFO("shift " << options.shift.value_or(0) << ", fills " << static_cast<int>(options.a) << ", "
                << static_cast<int>(options.b) << ", " << static_cast<int>(options.bias));
  for (const bool four_bit : {false, true}) {
    options.four_bit = four_bit;
    for (const auto& make : kGemmProblems) {
      INFO("product " << &make - kGemmProblems << (four_bit ? ", 4 bits" : ""));
      GemmProblem problem = make(options, random);
      require_scalar_bytes(problem);
    }
  }
}

const std::vector<GemmOptions> kOperands = {{.a = Fill::uniform, .b = Fill::uniform, .bias = Fill::uniform},
                                            {.a = Fill::zero, .b = Fill::uniform, .bias = Fill::extremes},
                                            {.a = Fill::highest, .b = Fill::extremes, .bias = Fill::uniform},
                                            {.a = Fill::highest, .b = Fill::lowest, .bias = Fill::lowest},
                                            {.a = Fill::highest, .b = Fill::highest, .bias = Fill::highest},
                                            {.a = Fill::highest, .b = Fill::lowest, .bias = Fill::uniform},
                                            {.a = Fill::extremes, .b = Fill::extremes, .bias = Fill::extremes}};

}  // namespace

TEST_CASE("every instruction set gives the scalar products bit for bit, at all shapes") {
  Random random(13);
  std::size_t turn = 0;
  for (const int rows : {1, 2, 3, 7, 8, 9, 13, 15, 16, 17, 33}) {
    for (const int columns : {32, 64, 96}) {
      for (const int depth : {64, 128, 320, 1536}) {
        GemmOptions options = kOperands[turn++ % kOperands.size()];
        options.shape = {rows, columns, depth};
        options.shift = 33 + static_cast<int>(random() % 16);
        require_equal_products(options, random);
        require_equal_products({.shape = options.shape}, random);
      }
    }
  }
}

TEST_CASE("every instruction set gives the scalar products bit for bit, at the greatest depths") {
  Random random(15);
  for (const GemmShape& shape : {GemmShape{70, 96, 16384}, GemmShape{40, 32, 32768}}) {
    require_equal_products({.shape = shape, .shift = 41, .a = Fill::uniform, .b = Fill::uniform, .bias = Fill::uniform},
                           random);
  }
}

TEST_CASE("every instruction set gives the scalar products bit for bit, of more rows than stay in a cache") {
  Random random(16);
  for (const GemmShape& shape : {GemmShape{800, 64, 1024}, GemmShape{150, 96, 1088}, GemmShape{1700, 32, 512}}) {
    require_equal_products({.shape = shape, .shift = 41, .a = Fill::uniform, .b = Fill::uniform, .bias = Fill::uniform},
                           random);
  }
}

TEST_CASE("every instruction set gives the scalar products bit for bit, at all shifts and extremes") {
  Random random(14);
  for (int shift = 33; shift <= 62; ++shift) {
    for (GemmOptions options : kOperands) {
      options.shape = {11, 64, 192};
      options.shift = shift;
      require_equal_products(options, random);
    }
  }
}

TEST_CASE("every instruction set gives the scalar products bit for bit, whatever the operands") {
  Random random(17);
  for (const Kernel& kernel : gemm_kernels()) {
    for (int i = 0; i < 200; ++i) {
      CAPTURE(kernel.name, i);
      Problem problem = kernel.make(random);
      require_scalar_bytes(problem);
    }
  }
}

}  // namespace octavo::test

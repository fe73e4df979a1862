// Row kernels of every instruction set against the scalar ones.
#include "system/rowwise_problem.h"
#include "tests/kernels/kernel_support.h"

namespace octavo::test {
namespace {

using namespace octavo::problems;

constexpr int kColumns[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 384, 768, 1000, 8192};

}  // namespace

TEST_CASE("every instruction set gives the scalar LayerNorm bit for bit") {
  Random random(25);
  for (const int columns : kColumns) {
    for (const int rows : {1, 2, 15, 16, 17, 33}) {
      for (int repeat = 0; repeat < (columns < 1000 ? 12 : 3); ++repeat) {
        LayerNormProblem problem = random_layer_norm({.rows = rows, .columns = columns}, random);
        CAPTURE(rows, columns, repeat, problem.args.epsilon, problem.args.u8.shift, problem.args.s16.shift);
        require_scalar_bytes(problem);
      }
    }
  }
}

TEST_CASE("every instruction set gives the scalar embedding sum bit for bit") {
  Random random(26);
  for (const int columns : kColumns) {
    for (const int tables : {1, 2, 3, 4}) {
      for (int repeat = 0; repeat < 6; ++repeat) {
        CAPTURE(columns, tables, repeat);
        EmbeddingProblem problem(1 + repeat * 3, columns, tables, random);
        require_scalar_bytes(problem);
      }
    }
  }
}

TEST_CASE("every instruction set gives the scalar column sum bit for bit") {
  Random random(28);
  for (const int columns : kColumns) {
    for (const int rows : {1, 2, 7, 64}) {
      for (int repeat = 0; repeat < 4; ++repeat) {
        CAPTURE(columns, rows, repeat);
        Problem problem = random_column_sum({.rows = rows, .columns = columns}, random);
        require_scalar_bytes(problem);
      }
    }
  }
}

}  // namespace octavo::test

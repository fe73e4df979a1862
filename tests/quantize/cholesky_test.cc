// The Cholesky factor on threads: it is one, and the same for every number of threads.
#include "quantize/cholesky.h"

#include "tests/support/support.h"

#include <cmath>
#include <random>
#include <vector>

namespace octavo::test {
namespace {

/// Column-major, symmetric and positive definite.
std::vector<double> matrix(int size) {
  const auto n = static_cast<std::size_t>(size);
  std::mt19937 random(static_cast<unsigned>(size));
  std::normal_distribution<double> normal;
  std::vector<double> x(n * n), a(n * n);
  for (double& each : x) each = normal(random);
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t k = 0; k < n; ++k) a[j * n + i] += x[i * n + k] * x[j * n + k];
    }
    a[j * n + j] += 1.0;
  }
  return a;
}

/// Largest error of R^T R.
double error(const std::vector<double>& factor, const std::vector<double>& a, int size) {
  const auto n = static_cast<std::size_t>(size);
  double worst = 0.0;
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = 0; i <= j; ++i) {
      double product = 0.0;
      for (std::size_t k = 0; k <= i; ++k) product += factor[i * n + k] * factor[j * n + k];
      worst = std::max(worst, std::abs(product - a[j * n + i]));
    }
  }
  return worst;
}

}  // namespace

TEST_CASE("the factor's square is the matrix, in any size, with the same bits on any number of threads") {
  for (const int size : {1, 64, 128, 129, 300}) {
    CAPTURE(size);
    const auto n = static_cast<std::size_t>(size);
    const std::vector<double> a = matrix(size);
    std::vector<double> expected;
    for (const int threads : {1, 2, 3}) {
      ThreadPool pool(threads);
      std::vector<double> found = a;
      for (std::size_t j = 0; j < n; ++j) {
        for (std::size_t i = j + 1; i < n; ++i) found[j * n + i] = -1e9;  // below the diagonal: not to be read
      }
      REQUIRE(cholesky(pool, found, size));
      CHECK(error(found, a, size) < 1e-10 * size);
      if (threads == 1) expected = found;
      CHECK(found == expected);
    }
  }
}

TEST_CASE("a matrix that is not positive definite is refused") {
  ThreadPool pool(2);
  std::vector<double> a = matrix(300);
  a[290 * 300 + 290] = -1.0;
  CHECK_FALSE(cholesky(pool, a, 300));
}

}  // namespace octavo::test

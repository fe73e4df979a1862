#include "quantize/cholesky.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include <algorithm>

namespace octavo {
namespace {

constexpr Eigen::Index kBlock = 128;

/// Calls task(first, columns) for stripes of the columns from `begin` to `end`.
template <typename Task>
void for_stripes(ThreadPool& pool, Eigen::Index begin, Eigen::Index end, const Task& task) {
  pool.run(static_cast<int>((end - begin + kBlock - 1) / kBlock), [&](int index, int) {
    const Eigen::Index first = begin + index * kBlock;
    task(first, std::min(kBlock, end - first));
  });
}

}  // namespace

/// By blocks of rows from the top: the diagonal block's factor, then the block's other columns, then what they take
/// from the rows below.
bool cholesky(ThreadPool& pool, std::span<double> values, int size) {
  Eigen::Map<Eigen::MatrixXd> a(values.data(), size, size);
  for (Eigen::Index top = 0; top < size; top += kBlock) {
    const Eigen::Index rows = std::min(kBlock, size - top), below = top + rows;
    auto diagonal = a.block(top, top, rows, rows);
    const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>, Eigen::Upper> block(diagonal);
    if (block.info() != Eigen::Success) return false;
    for_stripes(pool, below, size, [&](Eigen::Index first, Eigen::Index columns) {
      auto stripe = a.block(top, first, rows, columns);
      diagonal.triangularView<Eigen::Upper>().transpose().solveInPlace(stripe);
    });
    for_stripes(pool, below, size, [&](Eigen::Index first, Eigen::Index columns) {
      const Eigen::Index height = first + columns - below;
      a.block(below, first, height, columns).noalias() -=
          a.block(top, below, rows, height).transpose() * a.block(top, first, rows, columns);
    });
  }
  return true;
}

}  // namespace octavo

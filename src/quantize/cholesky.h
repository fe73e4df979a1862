// The Cholesky factor of a large matrix, on threads.
#pragma once

#include "base/thread_pool.h"

#include <span>

namespace octavo {

/// `a` is [size, size], column-major. Puts the upper triangle R, R^T R = a, on and above its diagonal, of which nothing
/// else is read; below, `a` is left as it is. The same bits for every number of threads. False when `a` is not positive
/// definite; it is then of no use.
bool cholesky(ThreadPool& pool, std::span<double> a, int size);

}  // namespace octavo

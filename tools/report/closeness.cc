// Cosines in double precision.
#include "report/closeness.h"

#include "octavo/error.h"
#include "octavo/tasks.h"

#include <algorithm>

namespace octavo::tools {

void Closeness::add(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) throw Error("Two sets of vectors to compare differ in shape.");
  const std::span<const float> values_a = a.as<float>(), values_b = b.as<float>();
  const auto columns = static_cast<std::size_t>(a.columns());
  for (std::size_t at = 0; at < values_a.size(); at += columns) {
    const double value = similarity(values_a.subspan(at, columns), values_b.subspan(at, columns));
    lowest_ = count_ == 0 ? value : std::min(lowest_, value);
    sum_ += value;
    ++count_;
  }
}

}  // namespace octavo::tools

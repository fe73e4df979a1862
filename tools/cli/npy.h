// NumPy's .npy format, version 1.0: a float32 matrix whose number of rows is known at the end.
#pragma once

#include "cli/output.h"

#include <cstdint>
#include <span>

namespace octavo::tools {

class NpyWriter {
 public:
  NpyWriter(Output& output, std::int64_t columns);

  /// Any number of whole rows of finite numbers.
  void write(std::span<const float> values);

  /// Puts the number of rows into the header. The output is then complete, and not yet committed.
  void finish();

 private:
  std::string header(std::int64_t rows) const;

  Output& output_;
  std::int64_t columns_;
  std::int64_t values_ = 0;
};

}  // namespace octavo::tools

// NumPy's .npy format, version 1.0: a matrix whose number of rows is known at the end.
#pragma once

#include "cli/output.h"

#include "octavo/tensor.h"

#include <cstdint>
#include <string>

namespace octavo::tools {

class NpyWriter {
 public:
  /// Of numbers of this type: f32, s8 or u8.
  NpyWriter(Output& output, std::int64_t columns, DType dtype = DType::f32);

  /// Any number of whole rows of finite numbers.
  void write(const Tensor& rows);

  /// Puts the number of rows into the header. The output is then complete, and not yet committed.
  void finish();

 private:
  std::string header(std::int64_t rows) const;

  Output& output_;
  std::int64_t columns_;
  DType dtype_;
  std::int64_t rows_ = 0;
};

/// Reads a float32 matrix, f32 [rows, columns]. Throws octavo::Error naming the file when it is anything else.
Tensor read_npy(const std::string& file);

}  // namespace octavo::tools

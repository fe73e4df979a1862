// A header of 128 bytes, then the numbers, little-endian and row by row.
#include "cli/npy.h"

#include "cli/numbers.h"

#include <bit>

namespace octavo::tools {

static_assert(std::endian::native == std::endian::little, "values are written as they lie in memory");

NpyWriter::NpyWriter(Output& output, std::int64_t columns) : output_(output), columns_(columns) {
  output_.write(header(0));
}

void NpyWriter::write(std::span<const float> values) {
  require_finite(values);
  output_.write({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  values_ += std::ssize(values);
}

void NpyWriter::finish() { output_.overwrite_start(header(columns_ == 0 ? 0 : values_ / columns_)); }

/// Padded with spaces to the same length for any number of rows.
std::string NpyWriter::header(std::int64_t rows) const {
  constexpr std::size_t kPreamble = 10, kTotal = 128;
  std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                     std::to_string(columns_) + "), }";
  text.resize(kTotal - kPreamble - 1, ' ');
  text += '\n';
  const char length[2] = {static_cast<char>(kTotal - kPreamble), 0};
  return std::string("\x93NUMPY\x01\x00", 8) + std::string(length, 2) + text;
}

}  // namespace octavo::tools

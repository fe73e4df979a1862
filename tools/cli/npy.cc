// A header of 128 bytes, then the numbers, little-endian and row by row.
#include "cli/npy.h"

#include "cli/numbers.h"

#include "octavo/error.h"

#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>
#include <regex>

namespace octavo::tools {
namespace {

static_assert(std::endian::native == std::endian::little, "values are written as they lie in memory");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kPreamble = 10;  // magic, two bytes of version, two of the header's length

std::string description(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "<f4";
    case DType::s8:
      return "|i1";
    case DType::u8:
      return "|u1";
    default:
      throw Error("numbers are " + std::string(name_of(dtype)) + ", expected F32, I8 or U8 for a .npy file");
  }
}

}  // namespace

NpyWriter::NpyWriter(Output& output, std::int64_t columns, DType dtype)
    : output_(output), columns_(columns), dtype_(dtype) {
  output_.write(header(0));
}

void NpyWriter::write(const Tensor& rows) {
  if (rows.dtype() == DType::f32) require_finite(rows.as<float>());
  output_.write({static_cast<const char*>(rows.data()), rows.bytes()});
  rows_ += rows.rows();
}

void NpyWriter::finish() { output_.overwrite_start(header(rows_)); }

/// Padded with spaces to the same length for any number of rows.
std::string NpyWriter::header(std::int64_t rows) const {
  constexpr std::size_t kTotal = 128;
  std::string text = "{'descr': '" + description(dtype_) + "', 'fortran_order': False, 'shape': (" +
                     std::to_string(rows) + ", " + std::to_string(columns_) + "), }";
  text.resize(kTotal - kPreamble - 1, ' ');
  text += '\n';
  const char length[2] = {static_cast<char>(kTotal - kPreamble), 0};
  return std::string(kMagic) + std::string("\x01\x00", 2) + std::string(length, 2) + text;
}

Tensor read_npy(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw Error(file + ": cannot be read");
  const std::string bytes((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  if (bytes.size() < kPreamble || !bytes.starts_with(kMagic) || bytes[6] != 1)
    throw Error(file + ": is no .npy file of version 1.0");
  const std::size_t begin =
      kPreamble + static_cast<unsigned char>(bytes[8]) + 256U * static_cast<unsigned char>(bytes[9]);
  const std::string header = bytes.substr(kPreamble, std::min(begin, bytes.size()) - kPreamble);
  static const std::regex kMatrix(R"('descr': '<f4', 'fortran_order': False, 'shape': \((\d{1,9}), (\d{1,9})\))");
  std::smatch shape;
  if (!std::regex_search(header, shape, kMatrix))
    throw Error(file + ": its header is " + header.substr(0, 100) + ", expected a float32 matrix, row by row");
  const std::int64_t rows = std::stoll(shape[1]), columns = std::stoll(shape[2]);
  const std::size_t data = bytes.size() - std::min(begin, bytes.size());
  if (static_cast<std::uint64_t>(rows) * static_cast<std::uint64_t>(columns) * sizeof(float) != data) {
    throw Error(file + ": has " + std::to_string(data) + " bytes of numbers, expected " + std::to_string(rows) + " x " +
                std::to_string(columns) + " float32");
  }
  Tensor result(DType::f32, {rows, columns});
  if (data > 0) std::memcpy(result.writable<float>().data(), bytes.data() + begin, data);
  return result;
}

}  // namespace octavo::tools

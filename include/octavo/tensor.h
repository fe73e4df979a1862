// A row-major array of numbers with shared, possibly mapped, bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace octavo {

/// Element types, named as safetensors names them (F32, F16, BF16, I64, I32, I16, I8, U8, BOOL).
enum class DType { f32, f16, bf16, s64, s32, s16, s8, u8, boolean };

/// Counts the bytes of one element.
std::size_t size_of(DType dtype);

/// Names a type as a safetensors header does: "F32", "BF16", ...
std::string_view name_of(DType dtype);

/// Tells the DType whose elements are held as T.
template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return DType::s64;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return DType::s32;
  else if constexpr (std::is_same_v<T, std::int16_t>)
    return DType::s16;
  else if constexpr (std::is_same_v<T, std::int8_t>)
    return DType::s8;
  else {
    static_assert(std::is_same_v<T, std::uint8_t>);
    return DType::u8;
  }
}

/// A row-major array. Copies are cheap and share the bytes. Data is 64-byte aligned when the tensor owns it.
class Tensor {
 public:
  using Shape = std::vector<std::int64_t>;

  /// Has no elements.
  Tensor() = default;

  /// Makes a tensor that owns zero-filled memory. Throws Error when the size overflows or a dimension is negative.
  Tensor(DType dtype, Shape shape);

  /// Makes a view of `data`, which `owner` keeps alive.
  Tensor(DType dtype, Shape shape, std::shared_ptr<const void> owner, const void* data);

  /// Tells the type of the elements.
  DType dtype() const { return dtype_; }

  /// Tells the dimensions, slowest first.
  const Shape& shape() const { return shape_; }

  /// Counts the elements; 1 for a scalar of shape [], 0 for a default-constructed tensor.
  std::int64_t elements() const { return elements_; }

  /// Tells the last dimension; 1 for a scalar.
  std::int64_t columns() const { return shape_.empty() ? elements_ : shape_.back(); }

  /// Tells the product of all dimensions but the last; 1 for a scalar.
  std::int64_t rows() const;

  /// Counts the bytes of all elements.
  std::size_t bytes() const { return static_cast<std::size_t>(elements_) * size_of(dtype_); }

  /// Points to the first element.
  const void* data() const { return data_; }

  /// Gives the elements, row by row. Throws Error when the tensor does not hold T.
  template <typename T>
  std::span<const T> as() const {
    require(dtype_of<T>());
    return {static_cast<const T*>(data_), static_cast<std::size_t>(elements_)};
  }

  /// Gives the elements of one row, columns() of them. Throws Error when the tensor does not hold T or has no such row.
  template <typename T>
  std::span<const T> row(std::int64_t index) const {
    require_row(index);
    const auto count = static_cast<std::size_t>(columns());
    return as<T>().subspan(static_cast<std::size_t>(index) * count, count);
  }

  /// Gives the elements for writing; only for a tensor that owns its memory, before it is shared.
  template <typename T>
  std::span<T> writable() {
    require(dtype_of<T>());
    require_owned();
    return {static_cast<T*>(const_cast<void*>(data_)), static_cast<std::size_t>(elements_)};
  }

 private:
  void require(DType expected) const;
  void require_owned() const;
  void require_row(std::int64_t index) const;

  DType dtype_ = DType::f32;
  Shape shape_;
  std::int64_t elements_ = 0;
  bool owned_ = false;
  std::shared_ptr<const void> owner_;
  const void* data_ = nullptr;
};

}  // namespace octavo

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

/// Bytes of one element.
std::size_t size_of(DType dtype);

/// "F32", "BF16", ...: the name in a safetensors header.
std::string_view name_of(DType dtype);

/// The DType whose elements are held as T.
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

  Tensor() = default;

  /// Owns zero-filled memory. Throws Error when the size overflows or a dimension is negative.
  Tensor(DType dtype, Shape shape);

  /// A view of `data`, which `owner` keeps alive.
  Tensor(DType dtype, Shape shape, std::shared_ptr<const void> owner, const void* data);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }

  /// Number of elements; 1 for a scalar of shape [], 0 for a default-constructed tensor.
  std::int64_t elements() const { return elements_; }

  /// Last dimension (1 for a scalar), and the product of the others.
  std::int64_t columns() const { return shape_.empty() ? elements_ : shape_.back(); }
  std::int64_t rows() const;

  std::size_t bytes() const { return static_cast<std::size_t>(elements_) * size_of(dtype_); }
  const void* data() const { return data_; }

  /// The elements. Throws Error when the tensor does not hold T.
  template <typename T>
  std::span<const T> as() const {
    require(dtype_of<T>());
    return {static_cast<const T*>(data_), static_cast<std::size_t>(elements_)};
  }

  /// The elements for writing; only for a tensor that owns its memory, before it is shared.
  template <typename T>
  std::span<T> writable() {
    require(dtype_of<T>());
    require_owned();
    return {static_cast<T*>(const_cast<void*>(data_)), static_cast<std::size_t>(elements_)};
  }

 private:
  void require(DType expected) const;
  void require_owned() const;

  DType dtype_ = DType::f32;
  Shape shape_;
  std::int64_t elements_ = 0;
  bool owned_ = false;
  std::shared_ptr<const void> owner_;
  const void* data_ = nullptr;
};

}  // namespace octavo

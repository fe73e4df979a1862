// How a Tensor gets its memory, and what it refuses.
#include "octavo/tensor.h"

#include "octavo/error.h"

#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <utility>

namespace octavo {
namespace {

constexpr std::align_val_t kAlignment{64};

std::int64_t count_elements(DType dtype, const Tensor::Shape& shape) {
  std::int64_t elements = 1;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0)
      throw Error("A tensor dimension is " + std::to_string(dimension) + ", expected a non-negative number.");
    if (__builtin_mul_overflow(elements, dimension, &elements))
      throw Error("A tensor shape has more elements than a 64-bit number can count.");
  }
  if (elements > std::numeric_limits<std::int64_t>::max() / static_cast<std::int64_t>(size_of(dtype)))
    throw Error("A tensor of " + std::to_string(elements) + " elements of " + std::string(name_of(dtype)) +
                " has more bytes than a 64-bit number can count.");
  return elements;
}

std::shared_ptr<void> allocate_zeroed(std::size_t bytes) {
  // An empty tensor owns memory too, so that its data is never null.
  const std::size_t size = bytes == 0 ? 1 : bytes;
  void* memory = ::operator new(size, kAlignment);
  std::memset(memory, 0, size);
  return {memory, [](void* p) { ::operator delete(p, kAlignment); }};
}

}  // namespace

std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::s64:
      return 8;
    case DType::f32:
    case DType::s32:
      return 4;
    case DType::f16:
    case DType::bf16:
    case DType::s16:
      return 2;
    case DType::s8:
    case DType::u8:
    case DType::boolean:
      return 1;
  }
  throw Error("There is no element type with number " + std::to_string(static_cast<int>(dtype)) + ".");
}

std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "F32";
    case DType::f16:
      return "F16";
    case DType::bf16:
      return "BF16";
    case DType::s64:
      return "I64";
    case DType::s32:
      return "I32";
    case DType::s16:
      return "I16";
    case DType::s8:
      return "I8";
    case DType::u8:
      return "U8";
    case DType::boolean:
      return "BOOL";
  }
  throw Error("There is no element type with number " + std::to_string(static_cast<int>(dtype)) + ".");
}

Tensor::Tensor(DType dtype, Shape shape)
    : dtype_(dtype), shape_(std::move(shape)), elements_(count_elements(dtype, shape_)), owned_(true) {
  owner_ = allocate_zeroed(bytes());
  data_ = owner_.get();
}

Tensor::Tensor(DType dtype, Shape shape, std::shared_ptr<const void> owner, const void* data)
    : dtype_(dtype),
      shape_(std::move(shape)),
      elements_(count_elements(dtype, shape_)),
      owner_(std::move(owner)),
      data_(data) {}

std::int64_t Tensor::rows() const {
  std::int64_t rows = 1;
  for (std::size_t i = 0; i + 1 < shape_.size(); ++i) rows *= shape_[i];
  return rows;
}

void Tensor::require(DType expected) const {
  if (dtype_ == expected) return;
  throw Error("The tensor holds " + std::string(name_of(dtype_)) + ", expected " + std::string(name_of(expected)) +
              ".");
}

void Tensor::require_row(std::int64_t index) const {
  if (index >= 0 && index < rows()) return;
  throw Error("There is no row " + std::to_string(index) + " in a tensor of " + std::to_string(rows()) + " rows.");
}

void Tensor::require_owned() const {
  if (!owned_) throw Error("The tensor is a view of memory that it does not own, so it cannot be written.");
  if (owner_.use_count() > 1) throw Error("The tensor is shared with its copies, so it can no longer be written.");
}

}  // namespace octavo

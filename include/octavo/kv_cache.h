// What a decoder remembers of one sequence, so that its next token costs one row and not the whole text again.
#pragma once

#include "octavo/model.h"

#include <cstddef>
#include <memory>

namespace octavo {

/// Keys and values of one sequence's tokens: in 8 bits with the static scales of a quantized model. A float32 model,
/// which is a reference, remembers the tokens and computes them anew. Copies are independent.
class KvCache {
 public:
  /// Makes an empty cache for at most `capacity` tokens; 0: as many as the model takes. Memory is used as it fills.
  /// Throws Error when the model is no decoder, the capacity is above info().max_positions, or the model's gates need
  /// the whole sequence (conditional_per_head).
  explicit KvCache(const Model& model, int capacity = 0);
  ~KvCache();
  KvCache(const KvCache& other);
  KvCache& operator=(const KvCache& other);
  KvCache(KvCache&&) noexcept;
  KvCache& operator=(KvCache&&) noexcept;

  /// Counts the tokens that it holds.
  int length() const;

  /// Counts the tokens that it has room for, those that it holds included.
  int capacity() const;

  /// Forgets the tokens from `length` on. Throws Error when there are not that many.
  void truncate(int length);

  /// Counts the bytes of keys and values of a full cache.
  std::size_t bytes() const;

  struct Data;

 private:
  friend struct Access;
  std::unique_ptr<Data> data_;
};

}  // namespace octavo

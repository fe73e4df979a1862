// A batch as the executors see it: all tokens in one list, and where each sequence starts.
#pragma once

#include "runtime/kv_cache_data.h"

#include "octavo/batch.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace octavo {

/// Checked token rows of a batch. No padding: sequence i is rows start[i] .. start[i + 1] - 1.
struct RaggedBatch {
  std::vector<std::int32_t> ids = {}, types = {}, positions = {};  ///< one per row; none in a batch of images
  std::vector<std::int32_t> start = {};                            ///< sequences + 1 of them
  std::vector<const std::uint8_t*> pixels = {};                    ///< of each image, RGB row by row
  std::vector<KvCache::Data*> caches = {};  ///< of each sequence, whose rows stand behind what it holds; or none
  std::vector<std::int32_t> prompts = {};   ///< first rows of each sequence that pooling leaves out; empty: none
  int prefix = 0;                           ///< first rows of each image that a mean leaves out
  int image_width = 0;                      ///< pixels
  std::vector<std::int32_t> sizes = {};     ///< tokens that each row stands for; empty: one

  int rows() const { return start.back(); }
  int sequences() const { return static_cast<int>(start.size()) - 1; }
  int length(int sequence) const { return start[sequence + 1] - start[sequence]; }
  /// Rows of a value whose rows are of this kind, where `chosen` tokens are.
  int rows(RowKind kind, std::size_t chosen) const {
    return kind == RowKind::token ? rows() : kind == RowKind::sequence ? sequences() : static_cast<int>(chosen);
  }
  /// The same of a value, whose sequences may have lost tokens that the batch has.
  int rows(const Value& value, std::size_t chosen) const {
    return rows(value.rows, chosen) - value.removed * sequences();
  }
  std::ptrdiff_t image_stride() const { return std::ptrdiff_t{3} * image_width; }
  const std::uint8_t* pixel(int image, int x, int y) const {
    return pixels[static_cast<std::size_t>(image)] + y * image_stride() + std::ptrdiff_t{3} * x;
  }
  int prompt(int sequence) const { return prompts.empty() ? 0 : prompts[static_cast<std::size_t>(sequence)]; }
  /// Tokens of a sequence that are not in the batch but in its cache, before those that are.
  int past(int sequence) const { return caches.empty() ? 0 : caches[static_cast<std::size_t>(sequence)]->length; }
};

/// Checks a batch against the model: every sequence has tokens, ids and types are in range, none is longer than
/// info.max_positions. Throws Error naming the sequence, what was found and what was expected.
RaggedBatch make_ragged(const TokenBatch& batch, const ModelInfo& info);

/// The same of tokens that go behind those of caches, one per sequence. Also throws Error when a cache is null, given
/// twice, or does not have room.
RaggedBatch make_ragged(const TokenBatch& batch, std::span<KvCache* const> caches, const Model& model);

/// Checks a batch of images: each has the size that the model takes. Its pixels are not copied.
RaggedBatch make_ragged(const ImageBatch& batch, const ModelInfo& info);

/// `count` sequences of a batch without caches, from `first` on; images' pixels are not copied.
RaggedBatch sequences_of(const RaggedBatch& batch, int first, int count);

/// The places of rows where each image has lost so many tokens; what was read of the images is not there.
RaggedBatch without_tokens(const RaggedBatch& batch, int removed);

}  // namespace octavo

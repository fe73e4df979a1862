// Embeddings rounded to fewer bits on their way to a writer.
#pragma once

#include "cli/log.h"
#include "report/embedding_writer.h"

#include "octavo/embedding_precision.h"

#include <memory>

namespace octavo::tools {

struct Rounding {
  EmbeddingPrecision precision = EmbeddingPrecision::float32;
  ColumnRanges ranges = {};  ///< empty: of all embeddings together

  bool needs_ranges() const { return precision == EmbeddingPrecision::int8 || precision == EmbeddingPrecision::uint8; }

  /// The type of the rounded numbers, and how many of them `columns` become.
  DType dtype() const;
  std::int64_t columns(std::int64_t columns) const;
};

/// Hands rounded embeddings to `next`. Where it has to find ranges it keeps all embeddings until finish(), which throws
/// octavo::Error when there is one alone.
std::unique_ptr<EmbeddingWriter> rounding_writer(std::unique_ptr<EmbeddingWriter> next, Rounding rounding,
                                                 const Log& log);

}  // namespace octavo::tools

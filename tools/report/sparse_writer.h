// The forms in which sparse embeddings are written.
#pragma once

#include "cli/output.h"
#include "report/embedding_writer.h"

#include "octavo/tasks.h"

#include <cstdint>
#include <vector>

namespace octavo::tools {

/// A line for each input, in order: "7:0.4 12:1.5", or {"index":0,"tokens":9,"embedding":[{"id":7,"value":0.4},...]}.
class SparseWriter {
 public:
  SparseWriter(Output& output, MatrixFormat format) : output_(output), json_(format == MatrixFormat::json) {}

  /// The tokens of each input of a batch, and its embedding.
  void write(const std::vector<std::size_t>& tokens, const std::vector<std::vector<SparseValue>>& embeddings);

 private:
  Output& output_;
  bool json_;
  std::int64_t index_ = 0;
};

}  // namespace octavo::tools

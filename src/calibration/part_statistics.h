// What the inputs of sums are column by column: neurons, and the context of heads.
#pragma once

#include "float/float_executor.h"

#include "octavo/parts.h"

#include <map>
#include <string>
#include <vector>

namespace octavo {

/// By column, over all rows.
struct ColumnActivity {
  std::vector<float> largest = {};  ///< magnitude
  std::vector<double> sum = {}, square = {};
  std::int64_t rows = 0;
};

struct PartObserver::Data {
  explicit Data(Engine engine);

  void observe(const RaggedBatch& batch, Workspace& workspace);

  Engine reference;
  std::map<std::string, ColumnActivity, std::less<>> activities;  ///< by name of the value
};

}  // namespace octavo

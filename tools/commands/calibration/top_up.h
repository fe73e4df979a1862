// Are samples few or narrow? Built-in ones tell, and stand beside them where they are.
#pragma once

#include "data/sample_batches.h"
#include "report/calibration_report.h"

#include "octavo/calibration.h"

#include <string>
#include <vector>

namespace octavo::tools {

class TopUp {
 public:
  TopUp(const Model& model, const std::optional<std::int64_t>& max_length);

  /// How far built-in samples go beyond what was observed: Calibrator::excess().
  double excess(const Calibrator& calibrator, SampleBatches& batches, Workspace& workspace) const;

  /// Whether samples with this excess are few or narrow.
  bool is_needed(double excess) const;

  /// How many built-in samples are added.
  std::int64_t size() const { return std::ssize(added_); }

  /// The samples and the added ones in turn, so that what looks at the first sees both. Behind labelled samples, since
  /// there what looks at the first looks at their labels.
  Samples mixed(Samples samples) const;

  /// Built-in samples that are not added, to measure closeness on.
  const std::vector<std::string>& held_out() const { return held_out_; }

 private:
  double most_excess_;
  std::vector<std::string> probe_, added_, held_out_;
};

}  // namespace octavo::tools

// The right classes of inputs, and how often an answer had them.
#pragma once

#include "octavo/tasks.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace octavo::tools {

class ClassLabels {
 public:
  /// Reads lines of an input's name, a tab, and its class. A name may be a path or the last part of one. Throws
  /// octavo::Error naming the line that is not so.
  ClassLabels(const std::string& file, int classes);

  /// Counts an answer; one of an input without a label is left out.
  void count(const std::string& input, const std::vector<ClassScore>& scores);

  std::int64_t counted() const { return counted_; }
  double top1() const { return share(first_); }  ///< 0 to 1
  double top5() const { return share(five_); }

  /// "top-1 82.0 %, top-5 95.6 % of 250 pictures".
  std::string text() const;

 private:
  double share(std::int64_t right) const {
    return counted_ == 0 ? 0.0 : static_cast<double>(right) / static_cast<double>(counted_);
  }

  std::map<std::string, int, std::less<>> classes_;
  std::int64_t counted_ = 0, first_ = 0, five_ = 0;
};

}  // namespace octavo::tools

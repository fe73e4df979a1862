// What a model's losses of single tokens come to.
#pragma once

#include <cstdint>
#include <string>

namespace octavo::tools {

/// exp of the mean of losses.
class Perplexity {
 public:
  void add(double loss);
  std::int64_t tokens() const { return tokens_; }
  double value() const;

  /// By the deviation of single tokens' losses.
  double standard_error() const;

  /// Throws octavo::Error when the exponential is too large for a number.
  void require_number() const;

 private:
  double mean() const { return sum_ / static_cast<double>(tokens_); }
  std::int64_t tokens_ = 0;
  double sum_ = 0.0, squares_ = 0.0;
};

/// "PPL = 16.0213 +- 0.0700"
std::string to_text(const Perplexity& perplexity);

}  // namespace octavo::tools

#include "report/perplexity.h"

#include "cli/numbers.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>

namespace octavo::tools {

void Perplexity::add(double loss) {
  ++tokens_;
  sum_ += loss;
  squares_ += loss * loss;
}

double Perplexity::value() const { return std::exp(mean()); }

double Perplexity::standard_error() const {
  if (tokens_ < 2) return 0.0;
  const double n = static_cast<double>(tokens_), variance = std::max(squares_ / n - mean() * mean(), 0.0);
  return value() * std::sqrt(variance / (n - 1.0));
}

void Perplexity::require_number() const {
  if (std::isfinite(value()) && std::isfinite(standard_error())) return;
  throw Error("the mean loss per token is " + fixed(mean(), 2) + ", whose exponential is too large for a number.");
}

std::string to_text(const Perplexity& perplexity) {
  return "PPL = " + fixed(perplexity.value(), 4) + " +- " + fixed(perplexity.standard_error(), 4);
}

}  // namespace octavo::tools

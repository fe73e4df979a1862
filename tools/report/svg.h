// Small plots as inline SVG.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace octavo::tools {

/// Text for HTML and SVG, with &, <, > and quotes escaped.
std::string escape_html(const std::string& text);

struct Bar {
  std::string label;
  double low = 0.0, high = 0.0;  ///< from, to; a plain bar starts at 0
  std::string text;              ///< printed beside it
};

enum class BarScale { linear, logarithmic };  ///< logarithmic: of `high`, which is positive

/// Horizontal bars, one under the other.
std::string bar_chart(const std::vector<Bar>& bars, BarScale scale);

/// Shares 0..1 of rows and columns as shades, with row labels.
std::string heat_map(const std::vector<std::string>& labels, const std::vector<std::vector<double>>& rows);

/// The first `most` rows and columns of a matrix [size][size] of values 0..1; exact zeros have a colour of their own.
std::string probability_map(std::span<const float> values, int size, int most);

}  // namespace octavo::tools

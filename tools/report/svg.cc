#include "report/svg.h"

#include "cli/numbers.h"
#include "report/analysis_report.h"

#include <algorithm>
#include <cmath>

namespace octavo::tools {
namespace {

constexpr double kLabel = 92.0, kPlot = 238.0, kText = 90.0, kRow = 15.0;
constexpr int kShades = 10;

std::string open(double width, double height, const char* kind) {
  return std::string("<svg class=\"") + kind + "\" role=\"img\" viewBox=\"0 0 " + fixed(width, 0) + " " +
         fixed(height, 0) + "\" xmlns=\"http://www.w3.org/2000/svg\">";
}

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
  return "<text x=\"" + fixed(x, 1) + "\" y=\"" + fixed(y, 1) + "\" text-anchor=\"" + anchor + "\">" +
         escape_html(text) + "</text>";
}

std::string rectangle(double x, double y, double width, double height, const std::string& kind) {
  return "<rect x=\"" + fixed(x, 1) + "\" y=\"" + fixed(y, 1) + "\" width=\"" + fixed(std::max(width, 0.5), 1) +
         "\" height=\"" + fixed(height, 1) + "\" class=\"" + kind + "\"/>";
}

/// Position of a value on the plot, 0..1.
struct Axis {
  double low = 0.0, high = 1.0;
  bool logarithmic = false;
  double operator()(double value) const {
    const double v = logarithmic ? std::log10(std::max(value, 1e-9)) : value;
    return std::clamp((v - low) / (high - low), 0.0, 1.0);
  }
};

Axis axis_of(const std::vector<Bar>& bars, BarScale scale) {
  Axis axis{.low = 0.0, .high = 0.0, .logarithmic = scale == BarScale::logarithmic};
  for (const Bar& bar : bars) {
    axis.low = std::min(axis.low, axis.logarithmic ? std::floor(std::log10(std::max(bar.high, 1e-9))) : bar.low);
    axis.high = std::max(axis.high, axis.logarithmic ? std::log10(std::max(bar.high, 1e-9)) : bar.high);
  }
  if (!(axis.high > axis.low)) axis.high = axis.low + 1.0;
  return axis;
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string bar_chart(const std::vector<Bar>& bars, BarScale scale) {
  const Axis axis = axis_of(bars, scale);
  const double height = kRow * static_cast<double>(bars.size()) + 4.0;
  std::string svg = open(kLabel + kPlot + kText, height, "bars");
  const double zero = kLabel + kPlot * (axis.logarithmic ? 0.0 : axis(0.0));
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const double y = kRow * static_cast<double>(i) + 2.0;
    const double from = axis.logarithmic ? 0.0 : axis(bars[i].low), to = axis(bars[i].high);
    svg += text_at(kLabel - 6.0, y + 10.5, "end", bars[i].label);
    svg += rectangle(kLabel + kPlot * from, y + 1.5, kPlot * (to - from), kRow - 4.0, "bar");
    svg += text_at(kLabel + kPlot + 5.0, y + 10.5, "start", bars[i].text);
  }
  svg += "<line class=\"zero\" x1=\"" + fixed(zero, 1) + "\" x2=\"" + fixed(zero, 1) + "\" y1=\"0\" y2=\"" +
         fixed(height, 1) + "\"/>";
  return svg + "</svg>";
}

std::string heat_map(const std::vector<std::string>& labels, const std::vector<std::vector<double>>& rows) {
  std::size_t columns = 1;
  for (const auto& row : rows) columns = std::max(columns, row.size());
  const double cell = (kPlot + kText) / static_cast<double>(columns);
  std::string svg = open(kLabel + kPlot + kText, 18.0 * static_cast<double>(rows.size()), "heat");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double y = 18.0 * static_cast<double>(i);
    svg += text_at(kLabel - 6.0, y + 12.5, "end", labels[i]);
    for (std::size_t j = 0; j < rows[i].size(); ++j) {
      const double x = kLabel + cell * static_cast<double>(j);
      const int shade = static_cast<int>(std::lround(rows[i][j] * kShades));
      svg += rectangle(x + 0.5, y + 0.5, cell - 1.0, 17.0, "s" + std::to_string(shade));
      svg += "<text class=\"" + std::string(shade > 5 ? "on" : "off") + "\" x=\"" + fixed(x + cell / 2.0, 1) +
             "\" y=\"" + fixed(y + 12.0, 1) + "\" text-anchor=\"middle\">" + fixed(100.0 * rows[i][j], 0) + "</text>";
    }
  }
  return svg + "</svg>";
}

std::string probability_map(std::span<const float> values, int size, int most) {
  const int shown = std::min(size, most);
  std::string paths[kShades + 1];
  for (int i = 0; i < shown; ++i) {
    for (int j = 0; j < shown; ++j) {
      const float p =
          values[static_cast<std::size_t>(i) * static_cast<std::size_t>(size) + static_cast<std::size_t>(j)];
      if (p == 0.0f) continue;
      const int shade = std::clamp(static_cast<int>(std::ceil(std::sqrt(p) * kShades)), 1, kShades);
      paths[shade] += "M" + std::to_string(j) + " " + std::to_string(i) + "h1v1h-1z";
    }
  }
  std::string svg = open(shown, shown, "map") + "<rect width=\"100%\" height=\"100%\" class=\"nothing\"/>";
  for (int shade = 1; shade <= kShades; ++shade) {
    if (!paths[shade].empty()) svg += "<path class=\"s" + std::to_string(shade) + "\" d=\"" + paths[shade] + "\"/>";
  }
  return svg + "</svg>";
}

}  // namespace octavo::tools

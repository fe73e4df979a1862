#include "report/analysis_report.h"

#include "cli/numbers.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <numeric>

namespace octavo::tools {
namespace {

constexpr std::size_t kWorst = 10;

std::string cell(std::string text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}
std::string word(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

std::string line(const ValueAnalysis& value) {
  std::string text = word(value.name, 48) + cell(fixed(value.low, 3), 11) + cell(fixed(value.high, 3), 11) +
                     cell(fixed(value.inf_norm, 2), 10) + cell(fixed(value.kurtosis, 1), 11);
  if (value.compared)
    text += cell(fixed(value.sqnr, 1), 8) + cell(fixed(value.cosine, 4), 9) + cell(percent(value.saturated, 2), 10);
  return text + "\n";
}

double mean(const std::vector<double>& shares) {
  return std::accumulate(shares.begin(), shares.end(), 0.0) /
         static_cast<double>(std::max<std::size_t>(shares.size(), 1));
}

std::string line(const AttentionAnalysis& attention) {
  const std::string codes = attention.zero_codes.empty() ? "" : percent(mean(attention.zero_codes));
  std::string text = word(attention.name, 48) + cell(percent(mean(attention.zeros)), 11) + cell(codes, 11) +
                     cell(fixed(attention.row_sum, 3), 11) +
                     cell(attention.sink.empty() ? "" : percent(mean(attention.sink)), 11);
  if (attention.gated) {
    text += cell(fixed(attention.gate, 3), 10) + "   " + fixed(attention.gate_low, 3) + " to " +
            fixed(attention.gate_high, 3) + cell(percent(attention.gate_closed), 11) +
            cell(percent(attention.gate_open), 11);
  }
  return text + "\n";
}

}  // namespace

std::string layer_of(const std::string& name) {
  const auto digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    const auto end = std::find_if_not(name.begin() + static_cast<std::ptrdiff_t>(dot) + 1, name.end(), digit);
    const std::string number(name.begin() + static_cast<std::ptrdiff_t>(dot) + 1, end);
    if (!number.empty() && end != name.end() && *end == '.') return number;
  }
  return "";
}

std::string percent(double share, int digits) { return fixed(100.0 * share, digits) + " %"; }

std::string to_text(const Analysis& analysis, const AnalysisSubject& subject) {
  std::string text = subject.model + " against " + subject.quantized + ", " + std::to_string(analysis.sequences) +
                     " samples, " + std::to_string(analysis.tokens) + " tokens of " + subject.data + "\n\n";
  text += "largest inf-norm of an FFN output  " + fixed(analysis.max_inf_norm, 2) + "\n";
  text += "mean kurtosis                      " + fixed(analysis.kurtosis, 2) + "\n";
  text += "probabilities exactly zero         " + percent(analysis.zeros) + "\n";
  text += "cosine of embeddings to float32    mean " + fixed(analysis.cosine, 4) + ", lowest " +
          fixed(analysis.lowest_cosine, 4) + "\n\n";
  text += word("value", 48) + cell("low", 11) + cell("high", 11) + cell("inf-norm", 10) + cell("kurtosis", 11) +
          cell("SQNR dB", 8) + cell("cosine", 9) + cell("saturated", 10) + "\n";
  for (const ValueAnalysis& value : analysis.values) text += line(value);
  text += "\n" + word("attention", 48) + cell("zeros", 11) + cell("of codes", 11) + cell("row sum", 11) +
          cell("sink", 11) + cell("gate", 10) + "   10 % to 90 %  below 0.1  above 0.9\n";
  for (const AttentionAnalysis& attention : analysis.attention) text += line(attention);
  if (analysis.sensitivity.empty()) return text;
  text += "\n" + word("quantized alone, worst first", 58) + cell("cosine", 9) + cell("lowest", 9) + "   what helps\n";
  for (std::size_t i = 0; i < std::min(kWorst, analysis.sensitivity.size()); ++i) {
    const Sensitivity& worst = analysis.sensitivity[i];
    text += word(worst.name, 58) + cell(fixed(worst.cosine, 5), 9) + cell(fixed(worst.lowest_cosine, 4), 9) + "   " +
            worst.remedy + "\n";
  }
  return text;
}

std::string to_json(const Analysis& analysis, const AnalysisSubject& subject) {
  using nlohmann::json;
  json values = json::array(), attention = json::array(), sensitivity = json::array();
  for (const ValueAnalysis& value : analysis.values) {
    json entry = {{"name", value.name},
                  {"kind", value.kind},
                  {"low", value.low},
                  {"high", value.high},
                  {"inf_norm", value.inf_norm},
                  {"kurtosis", value.kurtosis},
                  {"in_kurtosis", value.in_kurtosis}};
    if (value.compared) {
      entry["sqnr_db"] = value.sqnr;
      entry["cosine"] = value.cosine;
      entry["saturated"] = value.saturated;
    }
    values.push_back(std::move(entry));
  }
  for (const AttentionAnalysis& each : analysis.attention) {
    json entry = {{"name", each.name}, {"zeros", each.zeros}, {"row_sum", each.row_sum}};
    if (!each.zero_codes.empty()) entry["zero_codes"] = each.zero_codes;
    if (!each.sink.empty()) entry["sink"] = each.sink;
    if (each.gated)
      entry["gate"] = {{"mean", each.gate},
                       {"p10", each.gate_low},
                       {"p90", each.gate_high},
                       {"below", each.gate_closed},
                       {"above", each.gate_open}};
    attention.push_back(std::move(entry));
  }
  for (const Sensitivity& each : analysis.sensitivity) {
    sensitivity.push_back({{"name", each.name},
                           {"kind", each.kind},
                           {"weights", each.weights},
                           {"cosine", each.cosine},
                           {"lowest_cosine", each.lowest_cosine},
                           {"remedy", each.remedy}});
  }
  return json{{"model", subject.model},
              {"quantized", subject.quantized},
              {"data", subject.data},
              {"samples", analysis.sequences},
              {"tokens", analysis.tokens},
              {"max_inf_norm", analysis.max_inf_norm},
              {"kurtosis", analysis.kurtosis},
              {"zeros", analysis.zeros},
              {"cosine_mean", analysis.cosine},
              {"cosine_lowest", analysis.lowest_cosine},
              {"values", std::move(values)},
              {"attention", std::move(attention)},
              {"sensitivity", std::move(sensitivity)}}
             .dump(-1, ' ', false, json::error_handler_t::replace) +
         "\n";
}

}  // namespace octavo::tools

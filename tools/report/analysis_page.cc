#include "report/analysis_page.h"

#include "cli/numbers.h"
#include "report/svg.h"

#include <algorithm>
#include <functional>

namespace octavo::tools {
namespace {

constexpr int kMapTokens = 32;
constexpr std::size_t kWorst = 12;

constexpr const char* kStyle = R"css(
:root{--ink:#1d2733;--dim:#5b6875;--line:#d8dee5;--bar:#2f6f9f;--paper:#fff;--none:#f6e3c0}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:76rem;font:16px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.15rem;margin:1.6rem 0 .3rem;border-top:1px solid var(--line);padding-top:.8rem}
h3{font-size:.95rem;margin:.6rem 0 .2rem}p{margin:.3rem 0;color:var(--dim);max-width:60rem}
.tiles,.plots,.maps{display:grid;gap:.8rem}
.tiles{grid-template-columns:repeat(auto-fit,minmax(10rem,1fr))}
.plots{grid-template-columns:repeat(auto-fit,minmax(18rem,1fr))}
.maps{grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr))}
.tile{border:1px solid var(--line);border-radius:.4rem;padding:.5rem .7rem}
.tile b{display:block;font-size:1.35rem}.tile span,figcaption{color:var(--dim);font-size:.82rem}
figure{margin:0;break-inside:avoid}
svg{width:100%;height:auto;display:block}svg text{font:10px system-ui,sans-serif;fill:var(--ink)}
svg .bar{fill:var(--bar)}svg .zero{stroke:var(--dim);stroke-width:.7}svg text.on{fill:#fff}svg.map{border:1px solid var(--line)}
.nothing{fill:var(--none)}
.s0{fill:#f2f5f8}.s1{fill:#dfe9f1}.s2{fill:#c8dae8}.s3{fill:#b0cbdf}.s4{fill:#97bbd5}.s5{fill:#7daacb}
.s6{fill:#6398c0}.s7{fill:#4a86b4}.s8{fill:#3574a5}.s9{fill:#205f91}.s10{fill:#0b4674}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.8rem;width:100%}
th,td{padding:.15rem .5rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child,td.word,th.word{text-align:left}td.word{white-space:normal;min-width:11rem}
.key i{display:inline-block;width:.9em;height:.9em;vertical-align:-.1em;background:var(--none);border:1px solid var(--line)}
@media print{body{font-size:11px;max-width:none;padding:0}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.scroll{overflow:visible}table{font-size:8px}h2{break-after:avoid}.maps{grid-template-columns:repeat(6,1fr)}}
)css";

std::string label(const std::string& name) {
  const std::string layer = layer_of(name);
  return layer.empty() ? "embeddings" : "layer " + layer;
}

std::string tile(const std::string& value, const std::string& what) {
  return "<div class=\"tile\"><b>" + escape_html(value) + "</b><span>" + escape_html(what) + "</span></div>";
}

std::string figure(const std::string& title, const std::string& svg) {
  return "<figure><h3>" + escape_html(title) + "</h3>" + svg + "</figure>";
}

std::string tiles(const Analysis& analysis) {
  return "<div class=\"tiles\">" + tile(fixed(analysis.max_inf_norm, 1), "largest inf-norm of an FFN output") +
         tile(fixed(analysis.kurtosis, 1), "mean kurtosis (a Gaussian has 3)") +
         tile(percent(analysis.zeros), "of the attention probabilities are exactly zero") +
         tile(fixed(analysis.cosine, 4), "mean cosine of embeddings to float32") +
         tile(fixed(analysis.lowest_cosine, 4), "lowest cosine of an embedding") + "</div>";
}

using MakeBar = std::function<Bar(const ValueAnalysis&)>;

/// One chart per kind of value that has more than one.
std::string charts(const Analysis& analysis, BarScale scale, const std::vector<std::string>& kinds, const MakeBar& make,
                   const std::function<bool(const ValueAnalysis&)>& wanted) {
  std::string html = "<div class=\"plots\">";
  for (const std::string& kind : kinds) {
    std::vector<Bar> bars;
    for (const ValueAnalysis& value : analysis.values) {
      if (value.kind == kind && wanted(value)) bars.push_back(make(value));
    }
    if (!bars.empty()) html += figure(kind, bar_chart(bars, scale));
  }
  return html + "</div>";
}

std::string ranges(const Analysis& analysis) {
  return "<h2>Ranges</h2><p>From the smallest to the largest value. A range that a few outliers stretch leaves few of "
         "the 256 codes to "
         "everything else.</p>" +
         charts(
             analysis, BarScale::linear, {"FFN output", "residual sum", "LayerNorm", "activation"},
             [](const ValueAnalysis& v) {
               return Bar{label(v.name), v.low, v.high, fixed(v.low, 1) + " .. " + fixed(v.high, 1)};
             },
             [](const ValueAnalysis&) { return true; });
}

std::string kurtosis(const Analysis& analysis) {
  return "<h2>Kurtosis</h2><p>Logarithmic; mean over sequences of the fourth moment over the squared variance. The "
         "heavier the tails, the "
         "more outliers.</p>" +
         charts(
             analysis, BarScale::logarithmic, {"FFN output", "LayerNorm"},
             [](const ValueAnalysis& v) {
               return Bar{label(v.name), 0.0, v.kurtosis, fixed(v.kurtosis, 1)};
             },
             [](const ValueAnalysis& v) { return v.in_kurtosis; });
}

std::string errors(const Analysis& analysis, const AnalysisSubject& subject) {
  return "<h2>Quantization errors</h2><p>Signal to quantization noise in dB of " + escape_html(subject.quantized) +
         " against float32, with all errors up to that value. 6 dB are one bit.</p>" +
         charts(
             analysis, BarScale::linear,
             {"LayerNorm", "query", "key", "value", "context", "activation", "residual sum"},
             [](const ValueAnalysis& v) {
               return Bar{label(v.name), std::min(v.sqnr, 0.0), std::max(v.sqnr, 0.0), fixed(v.sqnr, 1) + " dB"};
             },
             [](const ValueAnalysis& v) { return v.compared; });
}

std::string sensitivity(const Analysis& analysis) {
  if (analysis.sensitivity.empty()) return "";
  std::string html =
      "<h2>What hurts</h2><p>Each value quantized alone, everything else in float32: what is left of the embeddings' "
      "cosine, worst "
      "first.</p><div class=\"scroll\"><table><tr><th>quantized alone</th><th>1 - cosine</th><th>lowest cosine</th><th "
      "class=\"word\">what helps</th></tr>";
  for (std::size_t i = 0; i < std::min(kWorst, analysis.sensitivity.size()); ++i) {
    const Sensitivity& each = analysis.sensitivity[i];
    html += "<tr><td>" + escape_html(each.name) + "</td><td>" + fixed(1.0 - each.cosine, 5) + "</td><td>" +
            fixed(each.lowest_cosine, 4) + "</td><td class=\"word\">" + escape_html(each.remedy) + "</td></tr>";
  }
  return html + "</table></div>";
}

std::string attention(const Analysis& analysis) {
  std::vector<std::string> labels;
  std::vector<std::string> with_sinks;
  std::vector<std::vector<double>> zeros, sinks;
  std::vector<Bar> gates;
  for (const AttentionAnalysis& each : analysis.attention) {
    labels.push_back(label(each.name));
    zeros.push_back(each.zeros);
    if (!each.sink.empty()) {
      with_sinks.push_back(label(each.name));
      sinks.push_back(each.sink);
    }
    if (each.gated) {
      gates.push_back({label(each.name), each.gate_low, each.gate_high,
                       "mean " + fixed(each.gate, 2) + ", " + percent(each.gate_closed, 0) + " below 0.1, " +
                           percent(each.gate_open, 0) + " above 0.9"});
    }
  }
  std::string html = "<h2>Attention</h2><div class=\"plots\">" +
                     figure("probabilities that are exactly zero, % per head", heat_map(labels, zeros));
  if (!sinks.empty()) html += figure("what sinks take, % per head", heat_map(with_sinks, sinks));
  if (!gates.empty()) html += figure("gates: 10th to 90th percentile", bar_chart(gates, BarScale::linear));
  return html + "</div>";
}

std::string maps(const Analysis& analysis, const std::vector<std::string>& tokens) {
  std::string words;
  for (std::size_t i = 0; i < std::min<std::size_t>(tokens.size(), kMapTokens); ++i)
    words += (i ? " " : "") + tokens[i];
  std::string html =
      "<h3>Maps of a few heads</h3><p class=\"key\">Rows are queries, columns keys of: " + escape_html(words) +
      ". The darker the larger; <i></i> is exactly zero.</p><div class=\"maps\">";
  for (const AttentionMap& map : analysis.maps) {
    html += "<figure>" + probability_map(map.probabilities, map.length, kMapTokens) + "<figcaption>" + label(map.name) +
            ", head " + std::to_string(map.head) + "</figcaption></figure>";
  }
  return html + "</div>";
}

std::string table(const Analysis& analysis) {
  std::string html =
      "<h2>All values</h2><div "
      "class=\"scroll\"><table><tr><th>value</th><th>kind</th><th>low</th><th>high</th><th>inf-norm</th>"
      "<th>kurtosis</th><th>SQNR dB</th><th>cosine</th><th>saturated</th></tr>";
  for (const ValueAnalysis& value : analysis.values) {
    html += "<tr><td>" + escape_html(value.name) + "</td><td>" + value.kind + "</td>";
    for (const std::string& text :
         {fixed(value.low, 3), fixed(value.high, 3), fixed(value.inf_norm, 2), fixed(value.kurtosis, 1),
          value.compared ? fixed(value.sqnr, 1) : "", value.compared ? fixed(value.cosine, 4) : "",
          value.compared ? percent(value.saturated, 2) : ""}) {
      html += "<td>" + text + "</td>";
    }
    html += "</tr>";
  }
  return html + "</table></div>";
}

}  // namespace

std::string to_page(const Analysis& analysis, const AnalysisSubject& subject, const std::vector<std::string>& tokens) {
  const std::string title = escape_html(subject.model);
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width,initial-scale=1\"><title>" +
         title + "</title><style>" + kStyle + "</style></head><body><h1>" + title + "</h1><p>" +
         escape_html(subject.quantized) + " against float32, " + std::to_string(analysis.sequences) + " samples, " +
         std::to_string(analysis.tokens) + " tokens of " + escape_html(subject.data) + "</p>" + tiles(analysis) +
         sensitivity(analysis) + ranges(analysis) + kurtosis(analysis) + errors(analysis, subject) +
         attention(analysis) + maps(analysis, tokens) + table(analysis) + "</body></html>\n";
}

}  // namespace octavo::tools

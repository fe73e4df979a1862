#include "report/bench_result.h"

#include "cli/numbers.h"

#include "octavo/engine.h"
#include "octavo/version.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <regex>
#include <utility>

namespace octavo::tools {
namespace {

using Json = nlohmann::ordered_json;

/// Per second, of each repetition.
std::vector<double> rates(const BenchResult& result, std::int64_t count) {
  std::vector<double> rates;
  for (const double time : result.milliseconds) rates.push_back(1e3 * static_cast<double>(count) / time);
  return rates;
}

std::string mean_and_deviation(const std::vector<double>& samples) {
  const Statistics s = statistics_of(samples);
  return fixed(s.mean, 1) + " ± " + fixed(s.deviation, 1);
}

/// Names and texts of a row's cells; numbers alone where a program reads them.
std::vector<std::pair<std::string, std::string>> cells(const BenchResult& r, bool for_people) {
  const Statistics latency = statistics_of(r.latencies());
  const std::vector<double> sequences = rates(r, r.sequences), tokens = rates(r, r.tokens);
  const auto rate = [&](const std::vector<double>& samples) {
    return for_people ? mean_and_deviation(samples) : fixed(statistics_of(samples).mean, 3);
  };
  const int digits = for_people ? 2 : 4;
  return {{"model", r.model},
          {"precision", r.precision},
          {for_people ? "size" : "size_bytes", for_people ? megabytes(r.size) : std::to_string(r.size)},
          {for_people ? "params" : "parameters",
           for_people ? fixed(static_cast<double>(r.parameters) / 1e6, 1) + " M" : std::to_string(r.parameters)},
          {"isa", r.isa},
          {"threads", std::to_string(r.threads)},
          {"test", r.test()},
          {for_people ? "sequences/s" : "sequences_per_s", rate(sequences)},
          {for_people ? "tokens/s" : "tokens_per_s", rate(tokens)},
          {for_people ? "min ms" : "min_ms", fixed(latency.min, digits)},
          {for_people ? "p50" : "p50_ms", fixed(latency.p50, digits)},
          {for_people ? "p90" : "p90_ms", fixed(latency.p90, digits)},
          {for_people ? "p99" : "p99_ms", fixed(latency.p99, digits)},
          {for_people ? "peak MB" : "peak_memory_mb", fixed(r.peak_memory_mb, 1)},
          {for_people ? "load ms" : "load_ms", fixed(r.load_ms, 1)},
          {for_people ? "first ms" : "first_ms", fixed(r.first_ms, 1)}};
}

/// A cell that a comma or quotation mark would cut in two.
std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

std::string to_csv(const std::vector<BenchResult>& results) {
  std::string text;
  for (const BenchResult& result : results) {
    std::string names, row;
    for (const auto& [name, cell] : cells(result, false)) {
      names += (names.empty() ? "" : ",") + name;
      row += (row.empty() ? "" : ",") + csv_cell(cell);
    }
    text += (text.empty() ? names + "\n" : "") + row + "\n";
  }
  return text;
}

/// One table per row, in their order.
std::string profiles(const std::vector<BenchResult>& results) {
  std::string text;
  for (const BenchResult& r : results) {
    if (r.profile.empty()) continue;
    double total = 0;
    for (const ProfileLine& line : r.profile) total += line.milliseconds;
    text += "\n" + r.model + ", " + r.isa + ", " + std::to_string(r.threads) +
            (r.threads == 1 ? " thread, " : " threads, ") + r.test() +
            "\n\n| op | value | times | ms | share |\n| --- | --- | --- | --- | --- |\n";
    for (const ProfileLine& line : r.profile) {
      text += "| " + line.op + " | " + line.name + " | " + std::to_string(line.count) + " | " +
              fixed(line.milliseconds, 3) + " | " + fixed(100 * line.milliseconds / total, 1) + " % |\n";
    }
    text += "| all | | | " + fixed(total, 3) + " | 100 % |\n";
  }
  return text;
}

std::string to_markdown(const std::vector<BenchResult>& results) {
  std::string text = cpu_name() + ", octavo " OCTAVO_VERSION "\n\n";
  for (std::size_t i = 0; i < results.size(); ++i) {
    std::string names = "|", rule = "|", row = "|";
    for (const auto& [name, cell] : cells(results[i], true)) {
      names += " " + name + " |";
      rule += " --- |";
      row += " " + cell + " |";
    }
    if (i == 0) text += names + "\n" + rule + "\n";
    text += row + "\n";
  }
  return text + profiles(results);
}

Json profile_object(const BenchResult& r) {
  Json lines = Json::array();
  for (const ProfileLine& line : r.profile) {
    lines.push_back({{"op", line.op}, {"name", line.name}, {"count", line.count}, {"ms", line.milliseconds}});
  }
  return lines;
}

Json to_object(const BenchResult& r) {
  const Statistics latency = statistics_of(r.latencies());
  const auto rate = [&](std::int64_t count) { return statistics_of(rates(r, count)); };
  Json object = {{"model", r.model},
                 {"precision", r.precision},
                 {"size_bytes", r.size},
                 {"parameters", r.parameters},
                 {"isa", r.isa},
                 {"threads", r.threads},
                 {"batch", r.batch},
                 {"length", r.length},
                 {"decode", r.decode},
                 {"sequences", r.sequences},
                 {"tokens", r.tokens},
                 {"sequences_per_s", rate(r.sequences).mean},
                 {"sequences_per_s_deviation", rate(r.sequences).deviation},
                 {"tokens_per_s", rate(r.tokens).mean},
                 {"tokens_per_s_deviation", rate(r.tokens).deviation},
                 {"latency_ms",
                  {{"min", latency.min},
                   {"mean", latency.mean},
                   {"p50", latency.p50},
                   {"p90", latency.p90},
                   {"p99", latency.p99},
                   {"samples", r.latencies()}}},
                 {"peak_memory_mb", r.peak_memory_mb},
                 {"load_ms", r.load_ms},
                 {"first_ms", r.first_ms}};
  if (!r.profile.empty()) object["profile"] = profile_object(r);
  return object;
}

std::string dump(const Json& object) { return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace

std::vector<ProfileLine> profile_of(const std::vector<OpTime>& times, double passes) {
  std::vector<ProfileLine> lines;
  static const std::regex number("(^|\\.)[0-9]+(?=\\.)");
  for (const OpTime& time : times) {
    const std::string name = std::regex_replace(time.name, number, "$1*");
    auto line = std::find_if(lines.begin(), lines.end(),
                             [&](const ProfileLine& l) { return l.op == time.op && l.name == name; });
    if (line == lines.end()) line = lines.insert(lines.end(), {.op = time.op, .name = name});
    ++line->count;
    line->milliseconds += 1e3 * time.seconds / passes;
  }
  return lines;
}

std::string BenchResult::test() const {
  if (length == 0) return "file";
  const std::string shape = std::to_string(length) + " x " + std::to_string(batch);
  return decode > 0 ? "decode " + std::to_string(decode) + " after " + shape : "len " + shape;
}

std::vector<double> BenchResult::latencies() const {
  std::vector<double> latencies = milliseconds;
  for (double& time : latencies) time /= static_cast<double>(std::max<std::int64_t>(decode, 1));
  return latencies;
}

Statistics statistics_of(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const auto count = static_cast<double>(samples.size());
  const auto percentile = [&](double p) { return samples[static_cast<std::size_t>(std::ceil(p * count)) - 1]; };
  Statistics result{.min = samples.front(),
                    .mean = std::accumulate(samples.begin(), samples.end(), 0.0) / count,
                    .deviation = 0,
                    .p50 = percentile(0.5),
                    .p90 = percentile(0.9),
                    .p99 = percentile(0.99)};
  for (const double x : samples) result.deviation += (x - result.mean) * (x - result.mean);
  result.deviation = samples.size() > 1 ? std::sqrt(result.deviation / (count - 1)) : 0.0;
  return result;
}

std::string to_text(const std::vector<BenchResult>& results, BenchFormat format) {
  if (format == BenchFormat::markdown) return to_markdown(results);
  if (format == BenchFormat::csv) return to_csv(results);
  std::string lines;
  Json list = Json::array();
  for (const BenchResult& result : results) {
    lines += dump(to_object(result));
    list.push_back(to_object(result));
  }
  if (format == BenchFormat::json_lines) return lines;
  return dump({{"cpu", cpu_name()}, {"build", "octavo " OCTAVO_VERSION ", " OCTAVO_COMPILER}, {"results", list}});
}

}  // namespace octavo::tools

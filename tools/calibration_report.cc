// The report as a table and as JSON.
#include "calibration_report.h"

#include "numbers.h"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace octavo::tools {
namespace {

std::string fixed(double value, int digits) {
  std::string text;
  append_fixed(text, value, digits);
  return text;
}

}  // namespace

std::string to_text(const CalibrationReport& report) {
  const std::string which = report.held_out ? " held-out samples" : " calibration samples";
  return report.output + "\n  calibrated on  " + std::to_string(report.samples) + " samples, " +
         std::to_string(report.tokens) + " tokens\n  cosine         mean " + fixed(report.closeness.mean(), 5) +
         ", lowest " + fixed(report.closeness.lowest(), 5) + ": INT8 against float32, " + report.compared + " of " +
         std::to_string(report.closeness.count()) + which + "\n  size           " + megabytes(report.output_bytes) +
         ", checkpoint " + megabytes(report.checkpoint_bytes) + "\n  time           calibrate " +
         fixed(report.calibrate_seconds, 1) + " s, quantize and write " + fixed(report.quantize_seconds, 1) +
         " s, compare " + fixed(report.compare_seconds, 1) + " s\n";
}

std::string to_json(const CalibrationReport& report) {
  const nlohmann::ordered_json object = {
      {"output", report.output},
      {"samples", report.samples},
      {"tokens", report.tokens},
      {"compared", report.closeness.count()},
      {"held_out", report.held_out},
      {"cosine_mean", report.closeness.mean()},
      {"cosine_lowest", report.closeness.lowest()},
      {"output_bytes", report.output_bytes},
      {"checkpoint_bytes", report.checkpoint_bytes},
      {"calibrate_seconds", report.calibrate_seconds},
      {"quantize_seconds", report.quantize_seconds},
      {"compare_seconds", report.compare_seconds},
  };
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::uintmax_t weight_bytes(const std::string& checkpoint) {
  const std::filesystem::path whole = std::filesystem::path(checkpoint) / "model.safetensors";
  if (std::filesystem::exists(whole)) return std::filesystem::file_size(whole);
  std::uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(checkpoint)) {
    if (entry.path().extension() == ".safetensors") bytes += entry.file_size();
  }
  return bytes;
}

}  // namespace octavo::tools

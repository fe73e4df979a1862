// The report as a table, as JSON and as a page.
#include "report/calibration_report.h"

#include "cli/numbers.h"
#include "report/tokens_report.h"

#include <nlohmann/json.hpp>

namespace octavo::tools {
namespace {

using Json = nlohmann::ordered_json;

std::string mean_and_lowest(const Closeness& closeness) {
  return "mean " + fixed(closeness.mean(), 5) + ", lowest " + fixed(closeness.lowest(), 5);
}

std::string verdict(const Convergence& convergence) {
  if (convergence.samples_before == 0) return "too few samples to tell whether more would change the ranges";
  const std::string counts = "after " + std::to_string(convergence.samples_before) + " samples the others changed " +
                             std::to_string(convergence.changed) + " of " + std::to_string(convergence.values) +
                             " ranges by over 1 %";
  if (convergence.changed == 0) return counts + "; more would change little";
  return counts + ", " + convergence.most_changed + " most, by " + fixed(100.0 * convergence.largest_change, 0) +
         " %; " +
         (10 * convergence.changed > convergence.values ? "more samples would change ranges"
                                                        : "more would change little");
}

Json ablations(const CalibrationReport& report) {
  Json list = Json::array();
  for (const Ablation& each : report.without) {
    list.push_back({{"without", each.technique},
                    {"cosine_mean", each.closeness.mean()},
                    {"cosine_lowest", each.closeness.lowest()}});
  }
  return list;
}

/// Accuracy of classes, the rank correlation of numbers.
const char* score_name(const TaskScore& score) { return score.pearson ? "spearman" : "accuracy"; }

Json task_json(const std::optional<TaskCloseness>& task) {
  if (!task) return nullptr;
  const Agreement& agreement = task->agreement;
  Json json = {{"answers", octavo::name_of(agreement.kind)}, {"compared", agreement.count}};
  if (agreement.spearman)
    json["spearman"] = *agreement.spearman;
  else
    json["same"] = agreement.same;
  if (agreement.kind == AnswerKind::numbers) json["mean_difference"] = agreement.mean_difference;
  if (agreement.kind == AnswerKind::classes || agreement.kind == AnswerKind::decisions)
    json["largest_difference"] = agreement.largest_difference;
  if (task->found) {
    json["score"] = {{"name", score_name(*task->found)},
                     {"samples", task->found->count},
                     {"float32", task->expected->value},
                     {"int8", task->found->value}};
  } else {
    json["score"] = nullptr;
  }
  return json;
}

/// What the answers of each kind are, and the name of their line.
struct AnswerWords {
  const char *line, *what;
};

AnswerWords words_of(AnswerKind kind) {
  switch (kind) {
    case AnswerKind::none:
      break;
    case AnswerKind::classes:
      return {"classes", "samples"};
    case AnswerKind::decisions:
      return {"classes", "decisions"};
    case AnswerKind::numbers:
      return {"scores", "samples"};
    case AnswerKind::token_classes:
      return {"token classes", "tokens"};
    case AnswerKind::spans:
      return {"answers", "samples"};
    case AnswerKind::tokens:
      return {"best tokens", "places"};
  }
  return {"", ""};
}

/// "98.44 % of 64 samples as in float32, probabilities differ by 0.0512 at most".
std::string agreement_text(const Agreement& agreement) {
  const std::string of = std::to_string(agreement.count) + " " + words_of(agreement.kind).what;
  if (agreement.spearman) {
    return "Spearman " + fixed(*agreement.spearman, 5) + " between float32 and INT8, mean difference " +
           fixed(agreement.mean_difference, 5) + ", of " + of;
  }
  std::string text = fixed(100.0 * agreement.same, 2) + " % of " + of + " as in float32";
  if (agreement.kind == AnswerKind::classes || agreement.kind == AnswerKind::decisions)
    text += ", probabilities differ by " + fixed(agreement.largest_difference, 4) + " at most";
  return text;
}

std::string score_text(const TaskCloseness& task) {
  const auto value = [&](const TaskScore& score) {
    return score.pearson ? fixed(score.value, 4) : fixed(100.0 * score.value, 2) + " %";
  };
  return value(*task.expected) + " in float32, " + value(*task.found) + " in INT8, of " +
         std::to_string(task.found->count) + " samples with labels";
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

std::string task_text(const TaskCloseness& task) {
  std::string text = "  " + padded(words_of(task.agreement.kind).line, 15) + agreement_text(task.agreement) + "\n";
  if (task.found) text += "  " + padded(score_name(*task.found), 15) + score_text(task) + "\n";
  return text;
}

std::string name_of(const ExtraBits& bits) { return bits.value + (bits.of_weights ? ":weights" : ""); }

/// The mean cosine of a model of the frontier, or the points that it loses.
double measured(const FrontierPoint& point) { return point.task ? point.task->drop() : point.closeness; }

std::string measured_text(const FrontierPoint& point) {
  return point.task ? fixed(point.task->drop(), 2) + " points" : fixed(point.closeness, 5);
}

std::string target_text(const PrecisionChoice& search) {
  return search.by_points ? "at most " + fixed(search.target, 2) + " points lost" : fixed(search.target, 5);
}

Json search_json(const CalibrationReport& report) {
  if (!report.search) return nullptr;
  Json frontier = Json::array(), extra_bits = Json::array();
  for (const FrontierPoint& point : report.search->frontier) {
    frontier.push_back({{"extra_bits", point.extra_bits}, {"work", point.work}});
    frontier.back()[report.search->by_points ? "drop" : "cosine_mean"] = measured(point);
  }
  for (const ExtraBits& bits : report.search->extra_bits) extra_bits.push_back(name_of(bits));
  return {{report.search->by_points ? "max_drop" : "target", report.search->target},
          {"reached", report.search->reached},
          {"extra_bits", extra_bits},
          {"frontier", frontier}};
}

/// What one point of the frontier is, in words.
std::string point_text(const FrontierPoint& point) {
  return std::to_string(point.extra_bits) + " with extra bits, " + fixed(point.work, 2) + " x the multiply-adds";
}

std::string search_text(const PrecisionChoice& search) {
  std::string text = "  target         " + target_text(search) + (search.reached ? " reached" : " NOT reached") +
                     " on calibration samples, with " + std::to_string(search.extra_bits.size()) +
                     " values or weights in 11 bits; looked at:\n";
  for (const FrontierPoint& point : search.frontier)
    text += "    " + measured_text(point) + "  " + point_text(point) + "\n";
  return text;
}

const char* name_of(ProbabilityType type) { return type == ProbabilityType::uint16 ? "uint16" : "uint8"; }

Json probabilities_json(const CalibrationReport& report) {
  if (!report.probabilities) return nullptr;
  return {{"chosen", name_of(report.probabilities->chosen)},
          {"uint8_error", report.probabilities->uint8_error},
          {"uint16_error", report.probabilities->uint16_error}};
}

std::string probabilities_text(const ProbabilityChoice& choice) {
  return "  probabilities  " + std::string(name_of(choice.chosen)) + ": 1 - cosine on calibration samples is " +
         fixed(choice.uint8_error, 6) + " with uint8, " + fixed(choice.uint16_error, 6) + " with uint16\n";
}

Json vocabulary_json(const VocabularyChoice& choice) {
  return {{"bits", choice.bits}, {"four_bit_cosine", choice.four_bit_cosine}};
}

std::string vocabulary_text(const VocabularyChoice& choice) {
  return "  vocabulary     " + std::to_string(choice.bits) +
         "-bit weights: mean cosine of logits on calibration samples is " + fixed(choice.four_bit_cosine, 5) +
         " with 4\n";
}

Json convergence_json(const Convergence& convergence) {
  return {{"samples_before", convergence.samples_before},
          {"ranges", convergence.values},
          {"changed", convergence.changed},
          {"largest_change", convergence.largest_change},
          {"most_changed", convergence.most_changed}};
}

std::string built_in_text(const CalibrationReport& report) {
  std::string text = report.built_in > 0 ? ", of which " + std::to_string(report.built_in) + " built in" : "";
  if (report.excess)
    text += "; built-in samples go " + fixed(100.0 * *report.excess, 1) + " % beyond the ranges of the given ones";
  return text;
}

Json built_in_closeness(const CalibrationReport& report) {
  if (!report.built_in_closeness) return nullptr;
  return {{"compared", report.built_in_closeness->count()},
          {"cosine_mean", report.built_in_closeness->mean()},
          {"cosine_lowest", report.built_in_closeness->lowest()}};
}

std::string dump(const Json& object) { return object.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '<')
      result += "&lt;";
    else if (c == '&')
      result += "&amp;";
    else
      result += c;
  }
  return result;
}

std::string html_row(const std::string& first, const std::string& second, const std::string& third = "") {
  return "<tr><td>" + escaped(first) + "</td><td>" + escaped(second) + "</td><td>" + escaped(third) + "</td></tr>\n";
}

}  // namespace

std::string to_text(const CalibrationReport& report) {
  const std::string which = report.held_out ? " held-out samples" : " calibration samples";
  std::string text = report.output + "\n  calibrated on  " + std::to_string(report.samples) + " samples, " +
                     std::to_string(report.tokens) + " tokens" + built_in_text(report) + "\n  cosine         " +
                     mean_and_lowest(report.closeness) + ": INT8 against " +
                     (report.parts.less() || report.token_reduction ? "the whole model in float32, " : "float32, ") +
                     report.compared + " of " + std::to_string(report.closeness.count()) + which + "\n";
  if (report.built_in_closeness) text += "    on built-in     " + mean_and_lowest(*report.built_in_closeness) + "\n";
  for (const Ablation& each : report.without) {
    text += "    without " + each.technique + std::string(16 - std::min<std::size_t>(16, each.technique.size()), ' ') +
            mean_and_lowest(each.closeness) + "\n";
  }
  if (report.task) text += task_text(*report.task);
  if (report.probabilities) text += probabilities_text(*report.probabilities);
  if (report.vocabulary) text += vocabulary_text(*report.vocabulary);
  if (report.search) text += search_text(*report.search);
  text += to_text(report.parts);
  if (report.token_reduction) text += to_text(*report.token_reduction);
  return text + "  convergence    " + verdict(report.convergence) + "\n  size           " +
         megabytes(report.output_bytes) + ", checkpoint " + megabytes(report.checkpoint_bytes) +
         "\n  time           calibrate " + fixed(report.calibrate_seconds, 1) + " s, quantize and write " +
         fixed(report.quantize_seconds, 1) + " s, compare " + fixed(report.compare_seconds, 1) + " s\n";
}

std::string to_json(const CalibrationReport& report) {
  Json object = {
      {"output", report.output},
      {"samples", report.samples},
      {"tokens", report.tokens},
      {"built_in", report.built_in},
      {"excess", report.excess ? Json(*report.excess) : Json(nullptr)},
      {"built_in_closeness", built_in_closeness(report)},
      {"compared", report.closeness.count()},
      {"held_out", report.held_out},
      {"cosine_mean", report.closeness.mean()},
      {"cosine_lowest", report.closeness.lowest()},
      {"task", task_json(report.task)},
      {"ablations", ablations(report)},
      {"probabilities", probabilities_json(report)},
      {"vocabulary", report.vocabulary ? vocabulary_json(*report.vocabulary) : Json(nullptr)},
      {"search", search_json(report)},
      {"tokens_removed", report.token_reduction ? to_json(*report.token_reduction) : Json(nullptr)},
      {"convergence", convergence_json(report.convergence)},
      {"output_bytes", report.output_bytes},
      {"checkpoint_bytes", report.checkpoint_bytes},
      {"calibrate_seconds", report.calibrate_seconds},
      {"quantize_seconds", report.quantize_seconds},
      {"compare_seconds", report.compare_seconds},
  };
  add_json(object, report.parts, true);
  return dump(object) + "\n";
}

std::string to_stored_json(const CalibrationReport& report) {
  Json object = {{"compared", report.closeness.count()},
                 {"held_out", report.held_out},
                 {"cosine_mean", report.closeness.mean()},
                 {"cosine_lowest", report.closeness.lowest()},
                 {"ablations", ablations(report)},
                 {"search", search_json(report)},
                 {"convergence", convergence_json(report.convergence)}};
  if (report.task) object["task"] = task_json(report.task);
  if (report.vocabulary) object["vocabulary"] = vocabulary_json(*report.vocabulary);
  add_json(object, report.parts, false);
  if (report.token_reduction) object["tokens_removed"] = to_json(*report.token_reduction);
  return dump(object);
}

std::string to_html(const CalibrationReport& report) {
  std::string page =
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>octavo calibration</title>\n"
      "<style>body{font:16px sans-serif;margin:2em}td,th{padding:.2em 1em;text-align:left}</style>\n<h1>" +
      escaped(report.output) + "</h1>\n<p>Calibrated on " + std::to_string(report.samples) + " samples, " +
      std::to_string(report.tokens) + " tokens" + built_in_text(report) + ". " + escaped(verdict(report.convergence)) +
      ".</p>\n<h2>Cosine of INT8 to float32 embeddings of " + std::to_string(report.closeness.count()) +
      (report.held_out ? " held-out" : " calibration") +
      " samples</h2>\n<table><tr><th></th><th>mean</th><th>lowest</th></tr>\n" +
      html_row("as written", fixed(report.closeness.mean(), 5), fixed(report.closeness.lowest(), 5));
  if (report.built_in_closeness) {
    page += html_row("on built-in samples", fixed(report.built_in_closeness->mean(), 5),
                     fixed(report.built_in_closeness->lowest(), 5));
  }
  for (const Ablation& each : report.without) {
    page += html_row("without " + each.technique, fixed(each.closeness.mean(), 5), fixed(each.closeness.lowest(), 5));
  }
  if (report.task) {
    page += "</table>\n<h2>What the head answers</h2>\n<table>" +
            html_row(words_of(report.task->agreement.kind).line, agreement_text(report.task->agreement));
    if (report.task->found) page += html_row(score_name(*report.task->found), score_text(*report.task));
  }
  if (report.search) {
    page += "</table>\n<h2>Extra bits for " + target_text(*report.search) +
            "</h2>\n<table><tr><th>on calibration samples</th><th>mean</th><th></th></tr>\n";
    for (const FrontierPoint& point : report.search->frontier)
      page += html_row(point_text(point), measured_text(point));
  }
  page += to_html(report.parts);
  if (report.token_reduction) {
    page += "</table>\n<h2>" + escaped(reductions_text(report.token_reduction->reductions())) +
            "</h2>\n<table><tr><th>on calibration samples</th><th>points lost</th><th>multiply-adds</th></tr>\n";
    for (const TokenCandidate& each : report.token_reduction->candidates)
      page += html_row(reductions_text(each.reductions), fixed(each.points_lost, 2), fixed(each.work, 2) + " x");
  }
  return page + "</table>\n<h2>Size and time</h2>\n<table>" + html_row("INT8 file", megabytes(report.output_bytes)) +
         html_row("checkpoint", megabytes(report.checkpoint_bytes)) +
         html_row("calibrate", fixed(report.calibrate_seconds, 1) + " s") +
         html_row("quantize and write", fixed(report.quantize_seconds, 1) + " s") +
         html_row("compare", fixed(report.compare_seconds, 1) + " s") + "</table>\n</html>\n";
}

}  // namespace octavo::tools

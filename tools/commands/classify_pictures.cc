// `octavo classify` of pictures: the likeliest classes of each. A picture that cannot be read is reported, and the
// others are answered.
#include "cli/escaped.h"
#include "cli/numbers.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "commands/classify.h"
#include "data/class_labels.h"
#include "data/picture_batches.h"

#include "octavo/error.h"
#include "octavo/tasks.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <unistd.h>
#include <utility>

namespace octavo::tools {
namespace {

constexpr int kTopK = 5;

using ordered_json = nlohmann::ordered_json;

std::string line(const ordered_json& object) {
  return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

/// Answers pictures in order and counts what went wrong.
class Classification {
 public:
  Classification(const ClassifySettings& settings, std::vector<std::string> pictures, Engine engine, const Log& log)
      : settings_(settings),
        pictures_(std::move(pictures)),
        log_(log),
        engine_(std::move(engine)),
        workspace_({.threads = settings.run.threads}),
        output_(settings.output) {
    describe(engine_, workspace_, log);
  }

  /// Counts what is right by a .tsv of pictures and classes.
  void compare_with(const std::string& labels) { truth_.emplace(labels, engine_.model().info().classes); }

  void run() {
    const bool own_progress = settings_.output.empty() && ::isatty(STDOUT_FILENO) != 0;
    Progress progress("classify", own_progress ? Log(Verbosity::quiet) : log_);
    const auto handle = [&](const ImageBatch& batch, const std::vector<LoadedPicture>& pictures) {
      answer(batch, pictures);
      progress.update(static_cast<std::int64_t>(done_),
                      static_cast<double>(done_) / static_cast<double>(pictures_.size()));
    };
    for_each_picture_batch(pictures_, engine_.model().info(), settings_.run.batch, {.threads = workspace_.threads()},
                           handle);
    if (truth_) report_accuracy();
    output_.commit();
    if (failed_ > 0) {
      throw Error(std::to_string(failed_) + " of " + std::to_string(done_) +
                  " pictures could not be read; the others are answered.");
    }
  }

 private:
  void answer(const ImageBatch& batch, const std::vector<LoadedPicture>& pictures) {
    std::vector<std::vector<ClassScore>> classes;
    if (!batch.images.empty()) classes = classify(engine_, batch, workspace_, std::max(top_k_, kTopK));
    auto next = classes.begin();
    for (const LoadedPicture& picture : pictures) {
      if (picture.error.empty())
        write(picture.file, *next++);
      else
        write_error(picture);
      ++done_;
    }
    output_.flush();
  }

  void write(const std::string& file, std::vector<ClassScore>& scores) {
    if (truth_) truth_->count(file, scores);
    scores.resize(std::min(scores.size(), static_cast<std::size_t>(top_k_)));
    if (settings_.json) {
      ordered_json labels = ordered_json::array();
      for (const ClassScore& score : scores)
        labels.push_back({{"id", score.id}, {"label", name(score.id)}, {"score", score.score}});
      output_.write(line({{"index", done_}, {"input", file}, {"labels", labels}}));
      return;
    }
    for (const ClassScore& score : scores) {
      std::string text = escaped(file) + "\t" + std::to_string(score.id) + "\t";
      append_fixed(text, static_cast<double>(score.score), 4);
      output_.write(text + "\t" + escaped(name(score.id)) + "\n");
    }
  }

  void write_error(const LoadedPicture& picture) {
    ++failed_;
    log_.warn(picture.error);
    if (settings_.json) output_.write(line({{"index", done_}, {"input", picture.file}, {"error", picture.error}}));
  }

  std::string name(int id) const {
    const std::vector<std::string>& labels = engine_.model().labels();
    return labels.empty() ? "" : labels[static_cast<std::size_t>(id)];
  }

  void report_accuracy() {
    log_.say(truth_->text());
    if (settings_.json) {
      output_.write(line({{"pictures", truth_->counted()}, {"top1", truth_->top1()}, {"top5", truth_->top5()}}));
    }
  }

  const ClassifySettings& settings_;
  const int top_k_ = settings_.top_k.value_or(kTopK);
  const std::vector<std::string> pictures_;
  const Log& log_;
  Engine engine_;
  Workspace workspace_;
  Output output_;
  std::optional<ClassLabels> truth_;
  std::size_t done_ = 0, failed_ = 0;
};

}  // namespace

void classify_pictures(const Arguments& arguments, const ClassifySettings& settings, Engine engine, const Log& log) {
  const ModelInfo& info = engine.model().info();
  if (info.classes == 0) throw Error(info.name + ": does not classify pictures.");
  const std::optional<std::string> labels = arguments.text("labels");
  Classification classification(settings, read_pictures(arguments), std::move(engine), log);
  if (labels) classification.compare_with(*labels);
  classification.run();
}

}  // namespace octavo::tools

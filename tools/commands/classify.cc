// `octavo classify`: the likeliest classes of each picture. A picture that cannot be read is reported, and the others
// are answered.
#include "cli/escaped.h"
#include "cli/numbers.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "commands/commands.h"
#include "commands/common_flags.h"
#include "data/class_labels.h"
#include "data/open_model.h"
#include "data/picture_batches.h"

#include "octavo/error.h"
#include "octavo/tasks.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <unistd.h>

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {
      {"top-k", "classes printed of each picture", "N", "5"},
      {"labels", "a .tsv of pictures and their classes; prints how often the first one, and one of five, is right",
       "FILE"},
  };
  return {.usage = "-m MODEL (--image FILE... | -f LIST) [OPTION...]",
          .about =
              "Prints the likeliest classes of each picture, best first: picture, class, score and name, separated by "
              "tabs.\n"
              "A folder stands for the pictures in it. A picture that cannot be read is an error line; the others are\n"
              "answered, and the exit code is then 1.",
          .example = "octavo classify -m vit.octavo --image picture.jpg another.png",
          .flags = join({model_flags(), image_flags(), own, run_flags(), output_flags(), verbosity_flags()}),
          .max_positionals = 1 << 20};
}

struct Settings {
  std::string model;
  std::vector<std::string> pictures;
  std::optional<std::string> labels;
  RunOptions run;
  int top_k = 5;
  bool json = false;
  std::string output;
};

Settings read_settings(const Arguments& arguments) {
  Settings settings;
  settings.model = arguments.required("model");
  settings.run = read_run_options(arguments);
  settings.top_k = static_cast<int>(*arguments.integer("top-k", 1, 1'000'000));
  settings.labels = arguments.text("labels");
  settings.json = arguments.on("json");
  settings.output = read_output(arguments);
  settings.pictures = read_pictures(arguments);
  return settings;
}

using ordered_json = nlohmann::ordered_json;

std::string line(const ordered_json& object) {
  return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

/// Answers pictures in order and counts what went wrong.
class Classification {
 public:
  Classification(const Settings& settings, const Log& log)
      : settings_(settings),
        log_(log),
        engine_(open_model(settings.model, log_), {.isa = settings.run.isa}),
        workspace_({.threads = settings.run.threads}),
        output_(settings.output) {
    const ModelInfo& info = engine_.model().info();
    if (!info.image || info.classes == 0) throw Error(info.name + ": does not classify pictures.");
    if (settings.labels) truth_.emplace(*settings.labels, info.classes);
    describe(engine_, workspace_, log);
  }

  void run() {
    const bool own_progress = settings_.output.empty() && ::isatty(STDOUT_FILENO) != 0;
    Progress progress("classify", own_progress ? Log(Verbosity::quiet) : log_);
    const auto handle = [&](const ImageBatch& batch, const std::vector<LoadedPicture>& pictures) {
      answer(batch, pictures);
      progress.update(static_cast<std::int64_t>(done_),
                      static_cast<double>(done_) / static_cast<double>(settings_.pictures.size()));
    };
    for_each_picture_batch(settings_.pictures, engine_.model().info(), settings_.run.batch, workspace_.threads(),
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
    if (!batch.images.empty()) classes = classify(engine_, batch, workspace_, std::max(settings_.top_k, 5));
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
    scores.resize(std::min(scores.size(), static_cast<std::size_t>(settings_.top_k)));
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

  const Settings& settings_;
  const Log& log_;
  Engine engine_;
  Workspace workspace_;
  Output output_;
  std::optional<ClassLabels> truth_;
  std::size_t done_ = 0, failed_ = 0;
};

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const Settings settings = read_settings(arguments);
  Classification(settings, log).run();
  return 0;
}

}  // namespace

constinit const Command kClassify = {"classify", "what pictures show: class, score and name", syntax, run};

}  // namespace octavo::tools

#include "commands/calibration/drop_sublayers.h"

#include "cli/progress.h"

#include "octavo/engine.h"
#include "octavo/error.h"

#include <algorithm>
#include <utility>

namespace octavo::tools {
namespace {

constexpr std::int64_t kSamples = 64, kTokens = 4096;  // that models are compared on: about so many at most

/// The samples that models are compared on, the same however they come in batches: one of the two is empty.
struct FirstSamples {
  TokenBatch texts;
  ImageBatch pictures;
  std::int64_t tokens = 0;

  bool full() const { return tokens >= kTokens; }

  /// Of a decoder, whose answer follows its last token, the first tokens of each sample, so that there are as many
  /// answers as of other models.
  void add(const TokenBatch& batch, const ModelInfo& info) {
    for (Tokens text : batch.sequences) {
      if (full()) return;
      if (info.decoder && std::ssize(text.ids) > kTokens / kSamples)
        text = {.ids = {text.ids.begin(), text.ids.begin() + kTokens / kSamples}};
      tokens += std::ssize(text.ids);
      texts.sequences.push_back(std::move(text));
    }
  }
  void add(const ImageBatch& batch, const ModelInfo& info) {
    for (const Image& picture : batch.images) {
      if (full()) return;
      tokens += info.max_positions;
      pictures.images.push_back(picture);
    }
  }
};

Comparison answers(const Engine& whole, const std::vector<std::string>& samples, SampleBatches& batches,
                   Workspace& workspace) {
  FirstSamples first;
  batches.for_each({samples.begin(), samples.begin() + std::min(kSamples, std::ssize(samples))}, "read",
                   [&](const auto& batch) { first.add(batch, whole.model().info()); });
  Comparison result;
  if (!first.texts.sequences.empty()) result.add(whole, first.texts, workspace);
  if (!first.pictures.images.empty()) result.add(whole, first.pictures, workspace);
  if (first.tokens == 0) throw Error("none of the first samples could be read, by which sublayers are chosen");
  return result;
}

}  // namespace

Flags drop_flags() {
  return {
      {"drop",
       "removes so many sublayers, attentions and feed-forward networks: one after the other, each time that without "
       "which float32 is closest to the whole model",
       "N"},
      {"drop-until", "removes as many sublayers as leave float32 at most 1 - cosine = D away from the whole model",
       "D"},
  };
}

std::vector<Rule> drop_rules() {
  return {{{"drop-until"}, Rule::When::beside, "drop"},
          {{"target-cosine", "max-drop"}, Rule::When::beside, "drop"},
          {{"target-cosine", "max-drop"}, Rule::When::beside, "drop-until"}};
}

std::optional<SublayerOptions> read_drop(const Arguments& arguments) {
  SublayerOptions options;
  if (const auto count = arguments.integer("drop", 1, 1999)) options.count = static_cast<int>(*count);
  options.most_distance = arguments.number_between("drop-until", 0.0, 1.0);
  if (!options.count && !options.most_distance) return {};
  return options;
}

SublayerChoice drop_sublayers(const Model& whole, SublayerOptions options, const std::vector<std::string>& samples,
                              SampleBatches& batches, Workspace& workspace, const Log& log) {
  const Comparison whole_answers =
      answers(Engine(whole, {.weight_memory = options.weight_memory}), samples, batches, workspace);
  Progress progress("drop", log);
  progress.update(0, 0.0);
  options.progress = [&](std::int64_t done, std::optional<double> fraction) { progress.update(done, fraction); };
  return choose_sublayers(whole, whole_answers, options, workspace);
}

}  // namespace octavo::tools

#include "commands/calibration/fewer_parts.h"

#include "cli/numbers.h"
#include "cli/progress.h"

#include "octavo/agreement.h"
#include "octavo/comparison.h"
#include "octavo/engine.h"
#include "octavo/error.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

namespace octavo::tools {
namespace {

constexpr std::int64_t kSamples = 64, kTokens = 4096;  // that models are compared on: about so many at most
constexpr std::int64_t kLabelled = 512;                // samples, where they have labels, and where parts are observed
constexpr std::int64_t kLanes = 128;                   // where a search gives extra bits

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

std::vector<std::string> first_of(const std::vector<std::string>& samples, std::int64_t count) {
  return {samples.begin(), samples.begin() + std::min(count, std::ssize(samples))};
}

/// 1 - mean cosine of what both answer.
Distance by_cosine(const Engine& whole, const Samples& samples, SampleBatches& batches, Workspace& workspace) {
  FirstSamples first;
  batches.for_each(first_of(samples.calibration, kSamples), "read",
                   [&](const auto& batch) { first.add(batch, whole.model().info()); });
  Comparison answers;
  if (!first.texts.sequences.empty()) answers.add(whole, first.texts, workspace);
  if (!first.pictures.images.empty()) answers.add(whole, first.pictures, workspace);
  if (first.tokens == 0) throw Error("none of the first samples could be read, by which parts are chosen");
  return [answers = std::move(answers), &workspace](const Engine& engine) {
    return 1.0 - answers.closeness(engine, workspace).mean();
  };
}

/// Points that the task loses; what is equal in that is told apart by scores.
Distance by_points(const Engine& whole, const Samples& samples, SampleBatches& batches, Workspace& workspace) {
  constexpr double kScores = 1e-3;
  TaskComparison answers;
  BatchLabels labels(samples.calibration_labels);
  batches.for_each(first_of(samples.calibration, kLabelled), "read",
                   [&](const auto& batch) { answers.add(whole, batch, workspace, labels.next(batch)); });
  return [answers = std::move(answers), &workspace](const Engine& engine) {
    const TaskCloseness found = answers.closeness(engine, workspace);
    return std::max(0.0, found.drop()) + kScores * found.agreement.mean_difference;
  };
}

}  // namespace

Flags part_flags() {
  return {
      {"drop",
       "removes so many sublayers, attentions and feed-forward networks: one after the other, each time that without "
       "which float32 is closest to the whole model, or with --labels answers best",
       "N"},
      {"drop-until",
       "removes as many sublayers as leave float32 at most 1 - cosine = D away from the whole model, or with --labels "
       "so many points worse",
       "D"},
      {"drop-heads", "share of all attention heads to remove, chosen in the same way", "S"},
      {"drop-neurons", "share of all neurons of feed-forward networks to remove, chosen in the same way", "S"},
      {"ffn-width",
       "of a checkpoint that holds narrower feed-forward networks (matformer_factor), what share of their neurons to "
       "keep: one for all, or one for each",
       "F,..."},
      {"hard-attention",
       "in these layers, from 0, queries see only the K keys of their largest scores, which takes longer",
       "K@LAYER,..."},
      {"outlier-lanes",
       "neurons of each feed-forward network, those of the largest values, that get scales of their own (default: 0; "
       "128 with --target-cosine or --max-drop, which may give them extra bits apart from the others)",
       "K"},
  };
}

std::vector<Rule> part_rules() {
  return {{{"drop-until"}, Rule::When::beside, "drop"},
          {{"target-cosine", "max-drop"}, Rule::When::beside, "drop"},
          {{"target-cosine", "max-drop"}, Rule::When::beside, "drop-until"},
          {{"target-cosine", "max-drop"}, Rule::When::beside, "drop-heads"},
          {{"target-cosine", "max-drop"}, Rule::When::beside, "drop-neurons"},
          {{"drop-neurons"}, Rule::When::beside, "ffn-width"},
          {{"hard-attention"}, Rule::When::beside, "paper"},
          {{"outlier-lanes"}, Rule::When::beside, "paper"}};
}

namespace {

/// "32@3,5": so many keys in these layers.
void read_hard_attention(std::string_view text, PartSettings& settings) {
  constexpr int kMost = 65536;  // keys of a sequence
  const std::size_t at = std::min(text.find('@'), text.size());
  const std::vector<int> keys = read_numbers<int>(text.substr(0, at), 1, kMost);
  if (at < text.size()) settings.hard_attention_layers = read_numbers<int>(text.substr(at + 1), 0, 999);
  if (keys.size() != 1 || settings.hard_attention_layers.empty())
    throw UsageError("--hard-attention is '" + std::string(text) +
                     "', expected a number of keys, @, and layers with commas between them");
  settings.hard_attention_keys = keys[0];
}

}  // namespace

PartSettings read_parts(const Arguments& arguments) {
  PartSettings settings;
  SublayerOptions options;
  if (const auto count = arguments.integer("drop", 1, 1999)) options.count = static_cast<int>(*count);
  options.most_distance = arguments.number_between("drop-until", 0.0, arguments.text("labels") ? 100.0 : 1.0);
  if (options.count || options.most_distance) settings.sublayers = options;
  settings.heads = arguments.number_between("drop-heads", 0.0, 1.0).value_or(0.0);
  settings.neurons = arguments.number_between("drop-neurons", 0.0, 1.0).value_or(0.0);
  if (const auto hard = arguments.text("hard-attention")) read_hard_attention(*hard, settings);
  settings.ffn_widths = arguments.numbers("ffn-width", 0.0, 1.0);
  const bool target = arguments.text("target-cosine") || arguments.text("max-drop");
  settings.outlier_lanes = static_cast<int>(arguments.integer("outlier-lanes", 0, 16384).value_or(target ? kLanes : 0));
  return settings;
}

Distance FewerParts::distance(const Samples& samples, SampleBatches& batches) {
  return samples.calibration_labels.empty() ? by_cosine(whole_, samples, batches, workspace_)
                                            : by_points(whole_, samples, batches, workspace_);
}

Model FewerParts::without_sublayers_of(const Model& model, const Distance& distance, const Log& log,
                                       PartsReport& found) {
  Progress progress("drop", log);
  progress.update(0, 0.0);
  SublayerOptions options = *settings_.sublayers;
  options.weight_memory = weight_memory_;
  options.progress = [&](std::int64_t done, std::optional<double> fraction) { progress.update(done, fraction); };
  found.sublayers = choose_sublayers(model, distance, options);
  return without_sublayers(model, found.sublayers->names());
}

PartObserver FewerParts::observe(const Model& model, const Samples& samples, SampleBatches& batches) {
  PartObserver observed(Engine(model, {.weight_memory = weight_memory_}));
  batches.for_each(first_of(samples.calibration, kLabelled), "observe",
                   [&](const auto& batch) { observed.observe(batch, workspace_); });
  return observed;
}

Model FewerParts::without_heads_and_neurons(const PartObserver& observed, const Distance& distance, const Log& log,
                                            PartsReport& found) {
  Progress progress("drop", log);
  std::int64_t done = 0;
  progress.update(0, 0.0);
  found.parts = choose_parts(observed, distance,
                             {.heads = settings_.heads,
                              .neurons = settings_.neurons,
                              .weight_memory = weight_memory_,
                              .progress = [&](double fraction) { progress.update(++done, fraction); }});
  return with_parts(observed, found.parts->left);
}

Model FewerParts::choose(const Samples& samples, SampleBatches& batches, const Log& log, PartsReport& found) {
  Model model = whole_.model();
  if (settings_.hard_attention_keys > 0)  // by the checkpoint's layers
    model = with_hard_attention(model, settings_.hard_attention_keys, settings_.hard_attention_layers);
  if (!settings_.ffn_widths.empty()) model = with_ffn_widths(model, settings_.ffn_widths);
  const bool search = settings_.heads > 0.0 || settings_.neurons > 0.0;
  const Distance measured = search || settings_.sublayers ? distance(samples, batches) : Distance{};
  found.by_points = !samples.calibration_labels.empty();
  if (settings_.sublayers) model = without_sublayers_of(model, measured, log, found);
  if (search) model = without_heads_and_neurons(observe(model, samples, batches), measured, log, found);
  if (settings_.outlier_lanes > 0)
    model = with_outlier_lanes(observe(model, samples, batches), settings_.outlier_lanes);
  found.outlier_lanes = settings_.outlier_lanes;
  found.hard_attention_keys = settings_.hard_attention_keys;
  found.hard_attention_layers = settings_.hard_attention_layers;
  found.ffn_widths = settings_.ffn_widths;
  return model;
}

}  // namespace octavo::tools

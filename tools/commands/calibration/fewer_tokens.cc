#include "commands/calibration/fewer_tokens.h"

#include "cli/numbers.h"
#include "cli/progress.h"

#include "octavo/engine.h"
#include "octavo/error.h"

#include <algorithm>
#include <string_view>

namespace octavo::tools {
namespace {

constexpr std::int64_t kPictures = 256;  // that models are compared on, at most
constexpr std::string_view kAuto = "auto:";

/// VALUE,...@LAYER,... of a flag.
template <typename Number>
void read_schedule(const std::string& flag, const std::string& text, Number highest, std::vector<Number>& values,
                   std::vector<int>& layers) {
  const std::string_view all = text;
  const std::size_t at = std::min(all.find('@'), all.size());
  values = read_numbers<Number>(all.substr(0, at), Number{0}, highest);
  if (at < all.size()) layers = read_numbers<int>(all.substr(at + 1), 0, 999);
  const bool everywhere = flag == "token-merge" && at == all.size() && values.size() == 1;
  const bool ascend = std::ranges::adjacent_find(layers, std::ranges::greater_equal()) == layers.end();
  if (!values.empty() && (everywhere || (values.size() == layers.size() && ascend))) return;
  throw UsageError("--" + flag + " is '" + text + "', expected " +
                   (flag == "token-merge" ? "R, so many tokens per layer, R,...@LAYER,..."
                                          : "RATIO,...@LAYER,..., parts from 0 to 1") +
                   std::string(" with as many layers, from 0, in order, or auto:LOSS"));
}

/// LOSS of auto:LOSS; nothing of another value.
std::optional<double> read_loss(const std::string& flag, const std::string& text) {
  if (!text.starts_with(kAuto)) return {};
  const std::vector<double> loss = read_numbers<double>(std::string_view(text).substr(kAuto.size()), 0.0, 100.0);
  if (loss.size() != 1)
    throw UsageError("--" + flag + " is '" + text + "', expected auto:LOSS with points from 0 to 100");
  return loss[0];
}

/// What both comparisons need of the whole model.
struct WholeAnswers {
  Comparison answers;
  TaskComparison task;
};

WholeAnswers answers_of(const Engine& whole, const std::vector<std::string>& samples, SampleBatches& batches,
                        Workspace& workspace) {
  WholeAnswers result;
  std::int64_t pictures = 0;
  batches.for_each({samples.begin(), samples.begin() + std::min(kPictures, std::ssize(samples))}, "read",
                   [&](const auto& batch) {
                     if constexpr (requires { batch.images; }) {
                       result.answers.add(whole, batch, workspace);
                       result.task.add(whole, batch, workspace);
                       pictures += std::ssize(batch.images);
                     }
                   });
  if (pictures == 0) throw Error("none of the first samples could be read, by which tokens are chosen");
  return result;
}

/// Those of the flags that name layers.
std::vector<TokenReduction> given(const Model& whole, const TokenSettings& settings) {
  if (!settings.merged.empty() && settings.merge_layers.empty()) {
    if (settings.merged[0] == 0) return {};
    return merging(whole, settings.merged[0]);
  }
  std::vector<TokenReduction> result;
  const int patches = whole.info().max_positions - whole.info().prefix_tokens;
  int left = patches;
  std::size_t merge = 0;
  const auto merge_before = [&](int layer) {
    for (; merge < settings.merged.size() && settings.merge_layers[merge] < layer; ++merge) {
      if (settings.merged[merge] == 0) continue;
      result.push_back({.layer = settings.merge_layers[merge],
                        .kind = TokenReductionKind::merge,
                        .removed = settings.merged[merge]});
      left -= settings.merged[merge];
    }
  };
  for (std::size_t i = 0; i < settings.ratios.size(); ++i) {
    const int layer = settings.ratio_layers[i];
    merge_before(layer);
    ModelInfo info = whole.info();
    info.max_positions = left + info.prefix_tokens;
    for (const TokenReduction& each : keeping(info, std::vector{settings.ratios[i]}, std::vector{layer})) {
      result.push_back(each);
      left -= each.removed;
    }
  }
  merge_before(1000);
  return result;
}

}  // namespace

Flags token_flags() {
  return {
      {"token-prune",
       "of pictures, keeps such parts of the patches that are left, those that the class token reads most, behind the "
       "attentions of these layers, from 0; auto:LOSS: the cheapest of a list of schedules by which float32 loses at "
       "most so many points of first classes",
       "RATIO,...@LAYER,..."},
      {"token-merge",
       "of pictures, makes R patches fewer behind the attention of each layer, or of these: those most like another "
       "one become their mean; auto:LOSS as above",
       "R[,...@LAYER,...]"},
  };
}

std::vector<Rule> token_rules() {
  std::vector<Rule> result;
  for (const char* flag : {"token-prune", "token-merge"})
    result.push_back({{"drop", "drop-until", "drop-heads", "drop-neurons", "ffn-width", "hard-attention",
                       "outlier-lanes", "target-cosine", "max-drop"},
                      Rule::When::beside,
                      flag});
  return result;
}

std::optional<TokenSettings> read_tokens(const Arguments& arguments) {
  const std::optional<std::string> prune = arguments.text("token-prune"), merge = arguments.text("token-merge");
  if (!prune && !merge) return {};
  TokenSettings settings;
  if (prune) settings.prune_until = read_loss("token-prune", *prune);
  if (merge) settings.merge_until = read_loss("token-merge", *merge);
  if (prune && !settings.prune_until) read_schedule("token-prune", *prune, 1.0, settings.ratios, settings.ratio_layers);
  if (merge && !settings.merge_until)
    read_schedule("token-merge", *merge, 65536, settings.merged, settings.merge_layers);
  if (!prune || !merge) return settings;
  if (settings.prune_until != settings.merge_until)
    throw UsageError("--token-prune is '" + *prune + "' and --token-merge '" + *merge +
                     "', expected layers of both, or a search within the same points");
  if (!settings.prune_until && settings.merge_layers.empty())
    throw UsageError("--token-merge is '" + *merge +
                     "', of every layer; beside --token-prune expected R,...@LAYER,...");
  return settings;
}

TokenChoice reduce_tokens(const Model& whole, const TokenSettings& settings, std::int64_t weight_memory,
                          const std::vector<std::string>& samples, SampleBatches& batches, Workspace& workspace,
                          const Log& log) {
  TokenSearchOptions options = {.prune = settings.prune_until.has_value(),
                                .merge = settings.merge_until.has_value(),
                                .most_points_lost = settings.prune_until.value_or(settings.merge_until.value_or(0.0)),
                                .weight_memory = weight_memory};
  const bool searches = options.prune || options.merge;
  const std::vector<TokenReduction> reductions = given(whole, settings);
  if (!searches && reductions.empty()) return {};
  with_fewer_tokens(whole, reductions);  // refuses what does not fit before anything runs
  const WholeAnswers expected =
      answers_of(Engine(whole, {.weight_memory = weight_memory}), samples, batches, workspace);
  if (!searches)
    return {.candidates = {measure_token_reductions(whole, reductions, expected.answers, expected.task, options,
                                                    workspace)},
            .chosen = 0};
  Progress progress("tokens", log);
  options.progress = [&](int done, int all) { progress.update(done, static_cast<double>(done) / all); };
  return choose_token_reductions(whole, expected.answers, expected.task, options, workspace);
}

}  // namespace octavo::tools

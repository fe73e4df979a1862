#include "base/access.h"
#include "graph/token_reduction.h"

#include "octavo/engine.h"
#include "octavo/error.h"
#include "octavo/token_reduction.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace octavo {
namespace {

int patches_of(const ModelInfo& info) { return info.max_positions - info.prefix_tokens; }

void require_classifier(const Model& model) {
  const ModelInfo& info = model.info();
  if (!info.image) throw Error(info.name + " is a model of texts; tokens are removed of pictures alone");
  if (info.classes == 0)
    throw Error(info.name + " tells no classes of pictures apart; tokens are removed where it does");
}

void check(const TokenSearchOptions& options) {
  if (!options.prune && !options.merge) throw Error("TokenSearchOptions: expected prune, merge, or both");
  if (!(options.most_points_lost >= 0.0 && options.most_points_lost <= 100.0))
    throw Error("TokenSearchOptions: most_points_lost is " + std::to_string(options.most_points_lost) +
                ", expected 0 to 100");
}

using Reductions = std::vector<TokenReduction>;

/// Parts of the patches of the picture that go behind layers, which are parts of the depth: what did well of many
/// schedules of DeiT-tiny (docs/techniques.md). What goes early costs closeness, what goes late saves little.
struct Plan {
  std::vector<double> depths, parts;
};

const std::vector<Plan> kMergePlans = {
    {{0.5, 0.75}, {0.13, 0.1}},
    {{0.5, 0.75}, {0.26, 0.2}},
    {{0.34, 0.59, 0.75}, {0.1, 0.15, 0.15}},
    {{0.42, 0.67}, {0.25, 0.25}},
    {{0.34, 0.59, 0.75}, {0.15, 0.2, 0.2}},
    {{0.34, 0.5, 0.75}, {0.25, 0.2, 0.2}},
    {{0.25, 0.5, 0.75}, {0.3, 0.25, 0.15}},
};
const std::vector<Plan> kPrunePlans = {
    {{0.75}, {0.2}},
    {{0.75}, {0.4}},
    {{0.5, 0.75}, {0.15, 0.2}},
    {{0.5, 0.75}, {0.3, 0.25}},
    {{0.34, 0.59}, {0.2, 0.3}},
    {{0.25, 0.5, 0.75}, {0.3, 0.25, 0.2}},
};

/// What a plan is for a model, with all patches gone where nothing reads them any more.
Reductions reductions_of(const Plan& plan, TokenReductionKind kind, const ModelInfo& info) {
  Reductions result;
  int left = patches_of(info);
  for (std::size_t i = 0; i < plan.depths.size(); ++i) {
    const int layer = static_cast<int>(std::floor(plan.depths[i] * info.layers)),
              most = kind == TokenReductionKind::merge ? left / 2 : left,
              removed = std::min(static_cast<int>(std::lround(plan.parts[i] * patches_of(info))), most);
    if (removed < 1 || layer >= info.layers - 1 || (!result.empty() && result.back().layer >= layer)) continue;
    result.push_back({.layer = layer, .kind = kind, .removed = removed});
    left -= removed;
  }
  if (left > 0) result.push_back({.layer = info.layers - 1, .kind = TokenReductionKind::prune, .removed = left});
  return result;
}

std::vector<Reductions> schedules(const ModelInfo& info, const TokenSearchOptions& options) {
  std::vector<Reductions> result = {reductions_of({}, TokenReductionKind::prune, info)};
  const auto add = [&](const std::vector<Plan>& plans, TokenReductionKind kind) {
    for (const Plan& plan : plans) result.push_back(reductions_of(plan, kind, info));
  };
  if (options.prune) add(kPrunePlans, TokenReductionKind::prune);
  if (options.merge) add(kMergePlans, TokenReductionKind::merge);
  return result;
}

}  // namespace

const char* name_of(TokenReductionKind kind) { return kind == TokenReductionKind::prune ? "prune" : "merge"; }

bool drops_unread(const Model& model, const TokenReduction& reduction) {
  const Graph& graph = data_of(model).graph;
  const int removed = graph.value(graph.hidden()).removed;
  return reduction.kind == TokenReductionKind::prune && reduction.layer == model.info().layers - 1 &&
         reduction.removed == patches_of(model.info()) - removed;
}

Model with_fewer_tokens(const Model& model, std::span<const TokenReduction> reductions) {
  require_classifier(model);
  for (const TokenReduction& each : reductions) {
    if (model.is_quantized() && !drops_unread(model, each))
      throw Error(model.info().name +
                  " is quantized already; other tokens than those that nobody reads are removed from a float32 model");
  }
  std::vector<ReducedLayer> layers;
  for (const TokenReduction& each : reductions) {
    const bool prunes = each.kind == TokenReductionKind::prune;
    layers.push_back(
        {.layer = each.layer, .how = prunes ? Reduction::prune : Reduction::merge, .removed = each.removed});
  }
  try {
    return Access::make<Model>(std::make_shared<const Model::Data>(with_fewer_tokens(data_of(model), layers)));
  } catch (const Error& error) {
    throw Error(model.info().name + ": " + error.what());
  }
}

std::vector<TokenReduction> keeping(const ModelInfo& info, std::span<const double> ratios,
                                    std::span<const int> layers) {
  if (ratios.size() != layers.size())
    throw Error("there are " + std::to_string(ratios.size()) + " ratios of tokens to keep for " +
                std::to_string(layers.size()) + " layers");
  Reductions result;
  int left = patches_of(info);
  for (std::size_t i = 0; i < ratios.size(); ++i) {
    if (!(ratios[i] >= 0.0 && ratios[i] <= 1.0))
      throw Error("the ratio of tokens to keep is " + std::to_string(ratios[i]) + ", expected 0 to 1");
    if (i > 0 && layers[i] <= layers[i - 1])
      throw Error("tokens are to be removed behind layer " + std::to_string(layers[i]) + " after layer " +
                  std::to_string(layers[i - 1]) + ", expected layers that ascend");
    const int kept = static_cast<int>(std::floor(ratios[i] * left + 0.5));
    if (kept < left) result.push_back({.layer = layers[i], .kind = TokenReductionKind::prune, .removed = left - kept});
    left = kept;
  }
  return result;
}

std::vector<TokenReduction> merging(const Model& model, int removed) {
  const ModelInfo& info = model.info();
  if (removed < 1) throw Error("to merge are " + std::to_string(removed) + " tokens per layer, expected 1 or more");
  Reductions result;
  int left = patches_of(info);
  for (int layer = 0; layer + 1 < info.layers; ++layer) {
    const int merged = std::min(removed, left / 2);
    if (merged < 1) break;
    result.push_back({.layer = layer, .kind = TokenReductionKind::merge, .removed = merged});
    left -= merged;
  }
  result.push_back({.layer = info.layers - 1, .kind = TokenReductionKind::prune, .removed = left});
  return result;
}

double picture_cost(const Model& model) { return picture_cost(data_of(model)); }

TokenCandidate measure_token_reductions(const Model& whole, std::span<const TokenReduction> reductions,
                                        const Comparison& whole_answers, const TaskComparison& whole_task,
                                        const TokenSearchOptions& options, Workspace& workspace) {
  const Model fewer = with_fewer_tokens(whole, reductions);
  const Engine engine(fewer, {.weight_memory = options.weight_memory});
  return {.reductions = {reductions.begin(), reductions.end()},
          .work = picture_cost(fewer) / picture_cost(whole),
          .points_lost = whole_task.closeness(engine, workspace).agreement.points_lost(),
          .closeness = whole_answers.closeness(engine, workspace).mean()};
}

TokenChoice choose_token_reductions(const Model& whole, const Comparison& whole_answers,
                                    const TaskComparison& whole_task, const TokenSearchOptions& options,
                                    Workspace& workspace) {
  require_classifier(whole);
  check(options);
  TokenChoice result{.most_points_lost = options.most_points_lost};
  const std::vector<Reductions> all = schedules(whole.info(), options);
  for (const Reductions& reductions : all) {
    result.candidates.push_back(
        measure_token_reductions(whole, reductions, whole_answers, whole_task, options, workspace));
    if (options.progress) options.progress(static_cast<int>(result.candidates.size()), static_cast<int>(all.size()));
  }
  std::ranges::stable_sort(result.candidates, std::ranges::greater(), &TokenCandidate::work);
  for (std::size_t i = 0; i < result.candidates.size(); ++i) {
    if (result.candidates[i].points_lost <= options.most_points_lost) result.chosen = static_cast<int>(i);
  }
  return result;
}

}  // namespace octavo

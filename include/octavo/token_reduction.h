// Fewer tokens: which patches of pictures a float32 classifier can do without, layer by layer. Ideas from Bolya et al.
// 2023 (Token Merging, ToMe) and Wang et al. 2023 (Zero-TPrune).
#pragma once

#include "octavo/agreement.h"
#include "octavo/comparison.h"
#include "octavo/memory.h"
#include "octavo/model.h"

#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace octavo {

enum class TokenReductionKind {
  prune,  ///< the patches that the class token reads least are dropped
  merge,  ///< the patches most like another one become the mean of both, which counts as often in attention as patches
          ///< are in it
};

/// Names a kind: "prune", "merge".
const char* name_of(TokenReductionKind kind);

/// So many patches fewer from behind the attention of a layer on. Of those that are left the order stays; class,
/// distillation and register tokens stay always.
struct TokenReduction {
  int layer = 0;  ///< from 0
  TokenReductionKind kind = TokenReductionKind::merge;
  int removed = 1;  ///< of each picture: of n patches at most n when they are pruned, n / 2 when they are merged
};

/// Tells whether a reduction drops all patches that a model has left behind the attention of its last layer, where
/// nothing reads them any more: no logit is another one then. That is done to quantized models, too, whose calibration
/// is the better for having seen the patches.
bool drops_unread(const Model& model, const TokenReduction& reduction);

/// Gives the float32 model of pictures with reductions behind these layers, in any order, one for each at most; none
/// gives the model itself. Throws Error naming the model or the layer: for a quantized model, one of texts or without
/// classes, layers that there are not or that have two, numbers of tokens that do not fit, and for what needs all
/// tokens, each in its place: heads that take the mean of patches, biases of scores by place.
Model with_fewer_tokens(const Model& model, std::span<const TokenReduction> reductions);

/// Gives the reductions that keep such parts of the patches that are left, 0 to 1, behind these layers: of n patches
/// round(n * ratio). A ratio that keeps all is left out. Throws Error when the lists differ in length, for ratios out
/// of range and layers that do not ascend.
std::vector<TokenReduction> keeping(const ModelInfo& info, std::span<const double> ratios, std::span<const int> layers);

/// Gives the reductions that merge `removed` patches behind every layer but the last, as far as half of them are
/// enough, and drop all behind the attention of the last one, where nothing reads patches any more. Throws Error when
/// `removed` is below 1.
std::vector<TokenReduction> merging(const Model& model, int removed);

/// Multiply-adds of a float32 model's products and attention for one picture.
double picture_cost(const Model& model);

struct TokenSearchOptions {
  bool prune = false, merge = false;               ///< what is looked at: one of them, or both
  double most_points_lost = 1.0;                   ///< of first classes that are float32's: 0 to 100
  std::optional<std::int64_t> weight_memory = {};  ///< EngineOptions::weight_memory, of each model that is looked at

  /// Called after each model that is looked at: how many so far, of how many. What it throws ends the search.
  std::function<void(int done, int all)> progress = {};
};

/// One of the models that a search has looked at.
struct TokenCandidate {
  std::vector<TokenReduction> reductions = {};
  double work = 1.0;         ///< picture_cost(), relative to the whole model's
  double points_lost = 0.0;  ///< 100: no first class is that of the whole model, both in float32
  double closeness = 1.0;    ///< mean cosine of logits to the whole model's
};

/// What a search has found.
struct TokenChoice {
  std::optional<double> most_points_lost = {};  ///< what was asked for; none where reductions were given
  std::vector<TokenCandidate> candidates = {};  ///< most work first
  int chosen = -1;                              ///< of the candidates, that of least work within the points; -1: none

  std::vector<TokenReduction> reductions() const {
    return chosen < 0 ? std::vector<TokenReduction>{} : candidates[static_cast<std::size_t>(chosen)].reductions;
  }
};

/// Looks at a fixed list of schedules, and judges them in float32 by the pictures of both comparisons with the whole
/// model, which are the same ones. Throws Error as with_fewer_tokens() and Engine::run() do, and for options that are
/// out of range.
TokenChoice choose_token_reductions(const Model& whole, const Comparison& whole_answers,
                                    const TaskComparison& whole_task, const TokenSearchOptions& options,
                                    Workspace& workspace);

/// Measures one list of reductions in the same way.
TokenCandidate measure_token_reductions(const Model& whole, std::span<const TokenReduction> reductions,
                                        const Comparison& whole_answers, const TaskComparison& whole_task,
                                        const TokenSearchOptions& options, Workspace& workspace);

}  // namespace octavo

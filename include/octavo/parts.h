// Parts of a float32 model: the neurons of its feed-forward networks and the heads of its attentions, to be left out or
// set apart.
#pragma once

#include "octavo/engine.h"
#include "octavo/sublayers.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace octavo {

/// Watches what neurons and heads do on some samples.
class PartObserver {
 public:
  /// Throws Error for a quantized model.
  explicit PartObserver(Engine reference);
  ~PartObserver();
  PartObserver(PartObserver&&) noexcept;
  PartObserver& operator=(PartObserver&&) noexcept;

  /// Runs the model on a batch. Throws Error as Engine::run() does.
  void observe(const TokenBatch& batch, Workspace& workspace);
  void observe(const ImageBatch& batch, Workspace& workspace);

  struct Data;

 private:
  friend struct Access;
  std::unique_ptr<Data> data_;
};

/// Gives the model whose feed-forward networks have their `lanes` neurons of the largest values in a network of their
/// own beside the others', with scales of its own: what few neurons need does not make the codes of all others coarse
/// (the outlier columns of Dettmers et al. 2022, LLM.int8(), in static form). float32 answers are the same but for
/// rounding. At most half of a network's neurons are set apart. Throws Error for a model without feed-forward networks,
/// for fewer lanes than 1, and where nothing was observed.
Model with_outlier_lanes(const PartObserver& observed, int lanes);

/// Parts of a model by the names of their sublayers: indices of what is left, ascending.
struct LeftParts {
  std::map<std::string, std::vector<int>> heads = {};    ///< of K and V, each with the heads of Q that share it
  std::map<std::string, std::vector<int>> neurons = {};  ///< of feed-forward networks
};

/// Gives the model that has only these parts in the sublayers that are named; biases make up for what the others are on
/// the average. Throws Error naming what is no sublayer of the model, an index that is out of range or there twice, and
/// a sublayer of which nothing would be left; where nothing was observed; for attentions whose gates are MLPs.
Model with_parts(const PartObserver& observed, const LeftParts& left);

/// Gives the model whose feed-forward networks have only their first neurons, of a checkpoint that was trained for that
/// (Devvrit et al. 2023, MatFormer), as its config.json says with `matformer_factor`. `widths`: what share of a
/// network's neurons that is, one for all networks or one for each, in order; at most 1, at least 1 / matformer_factor,
/// and a number of neurons that is whole. The same bits as a checkpoint that has only these. Throws Error for other
/// shares, another number of them, and a checkpoint that was not trained for it.
Model with_ffn_widths(const Model& model, std::span<const double> widths);

/// Gives the model in whose attentions of these layers, from 0, a query sees only the `most_keys` keys of its largest
/// scores, and those equal to the last of them: the hard attention of AxFormer (Nagarajan et al. 2021). It costs time,
/// and gains where attention to many keys is noise. Throws Error for a quantized model, fewer keys than 1, layers that
/// there are not, and attentions with a window.
Model with_hard_attention(const Model& model, int most_keys, std::span<const int> layers);

/// What part of a model is removed.
struct PartOptions {
  double heads = 0.0;                              ///< of all heads of K and V, from 0 to below 1
  double neurons = 0.0;                            ///< of all neurons of feed-forward networks, from 0 to below 1
  std::optional<std::int64_t> weight_memory = {};  ///< EngineOptions::weight_memory, of each model that is looked at
  std::function<void(double fraction)> progress = {};  ///< called after each; what it throws ends the search
};

/// A step of a search.
struct RemovedParts {
  Sublayer sublayer;
  int count = 0;          ///< heads or neurons of it that go in this step
  double distance = 0.0;  ///< to the whole model, in float32, without these and all that went before
  double work = 1.0;      ///< multiply-adds of products that are left, relative to the whole model
};

/// What a search has found.
struct PartChoice {
  int heads = 0, neurons = 0;  ///< of the whole model
  std::vector<RemovedParts> removed = {};
  LeftParts left = {};
};

/// Removes heads, then neurons by the dozen, those first of a sublayer that add least to it: the mean square of what
/// they add beyond its mean. Of which sublayer the next go is decided by the model's distance to the whole one after
/// that (Molchanov et al. 2019 rank by such estimates; AxFormer, Nagarajan et al. 2021, removes by measured loss). One
/// head and 64 neurons of each sublayer stay. Throws Error for shares that are out of range or more than can go, and as
/// with_parts() and Engine::run() do.
PartChoice choose_parts(const PartObserver& observed, const Distance& distance, const PartOptions& options);

}  // namespace octavo

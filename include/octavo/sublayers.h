// Fewer parts: which attentions and feed-forward networks a float32 model can do without (Zhang et al. 2024, FinerCut).
#pragma once

#include "octavo/engine.h"
#include "octavo/memory.h"
#include "octavo/model.h"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace octavo {

/// What a sublayer adds to the residual stream.
enum class SublayerKind { attention, feed_forward };

/// Names a kind: "attention", "feed-forward network".
const char* name_of(SublayerKind kind);

/// An attention or a feed-forward network, with the LayerNorm before it or behind its sum.
struct Sublayer {
  std::string name;  ///< of the checkpoint's module whose product is added to the residual stream:
                     ///< "encoder.layer.0.output.dense"
  SublayerKind kind = SublayerKind::attention;
  int layer = 0;  ///< from 0
};

/// Lists those of a model in order of execution.
std::vector<Sublayer> sublayers(const Model& model);

/// Gives the float32 model without the sublayers of these names: what they would add to the residual stream is not
/// computed, and their tensors are gone. Throws Error for a quantized model, naming what is no sublayer of it or stands
/// there twice, and where no attention would be left.
Model without_sublayers(const Model& model, std::span<const std::string> names);

/// How far a model is from the whole one: 1 - mean cosine of what both answer (octavo/comparison.h), points that its
/// task loses (octavo/agreement.h), or whatever a caller measures. 0 is as near as it gets.
using Distance = std::function<double(const Engine& engine)>;

/// How many sublayers are removed: one of the first two.
struct SublayerOptions {
  std::optional<int> count = {};                   ///< so many, at least 1
  std::optional<double> most_distance = {};        ///< above 0: as many as leave the model no farther away
  std::optional<std::int64_t> weight_memory = {};  ///< EngineOptions::weight_memory, of each model that is looked at

  /// Called after each model that is looked at: how many so far, and which part of all that is, where it is known. What
  /// it throws ends the search.
  std::function<void(std::int64_t done, std::optional<double> fraction)> progress = {};
};

/// A step of a search.
struct RemovedSublayer {
  Sublayer sublayer;
  double distance = 0.0;  ///< to the whole model, in float32, without it and all that went before
  double work = 1.0;      ///< multiply-adds of products that are left, relative to the whole model
};

/// What a search has found.
struct SublayerChoice {
  int sublayers = 0;                          ///< of the whole model
  std::vector<RemovedSublayer> removed = {};  ///< in this order
  std::optional<RemovedSublayer> next = {};   ///< the best of what would have been too far away

  /// Lists the names of those that are removed, for without_sublayers().
  std::vector<std::string> names() const;
};

/// Removes one sublayer after the other: each time that without which the model is closest to the whole one. One
/// attention stays. Throws Error for options that are out of range, a quantized model, and more sublayers than can be
/// removed; what `distance` throws.
SublayerChoice choose_sublayers(const Model& whole, const Distance& distance, const SublayerOptions& options);

}  // namespace octavo

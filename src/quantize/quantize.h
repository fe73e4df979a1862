// A float32 model and the ranges of its values -> a quantized model. Pure: the same input gives the same integers.
#pragma once

#include "base/spill_memory.h"
#include "base/thread_pool.h"
#include "graph/model_data.h"
#include "observers/column_statistics.h"
#include "observers/observers.h"

#include "octavo/quantization.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace octavo {

/// Moves the difficulty of one product's input into the weights that read it: the codes are of (x - shift) / scale per
/// column, exactly compensated in weights and bias. A LayerNorm's u8 output holds them; a context without shift comes
/// from V / scale.
struct Equalization {
  std::vector<float> scale, shift;
};

/// What a value has beside its 8-bit codes (fixed-point.md 11).
struct Refinements {
  bool fine = false;    ///< 3 more bits
  bool coarse = false;  ///< 3 more bits of the weights that read it
};

struct QuantizeOptions {
  WeightScales weights = WeightScales::per_channel;
  int weight_bits = 8;      ///< 4: of products of the body; those of values with extra bits have 8
  int vocabulary_bits = 8;  ///< of the weights of a head over a vocabulary
  ResidualType residual = ResidualType::int16;
  HeadType head = HeadType::int16;
  bool static_w8a8 =
      false;  ///< every quantizer of the paper (fixed-point.md 9); needs per-tensor weights and 8-bit sums
  std::map<std::string, Equalization, std::less<>> equalization =
      {};  ///< by name of the LayerNorm's or attention's value
  std::map<std::string, std::vector<int>, std::less<>> channel_splits =
      {};  ///< by name of an activated Linear: how often each neuron stands, >= 1
  std::map<std::string, Refinements, std::less<>> refinements =
      {};                                  ///< by name of the value; of embeddings, `fine` is of words
  const Statistics* statistics = nullptr;  ///< of the products' inputs, not equalized, by name; for the next three
  const Statistics* sums = nullptr;        ///< of residual sums, by name: outlier columns are found by their bounds
  ThreadPool* pool = nullptr;              ///< that work on weights is shared among
  bool bias_correction = false;            ///< needs samples of rows
  bool compensated_rounding = false;       ///< needs second moments
  std::shared_ptr<SpillMemory> memory = nullptr;  ///< where the quantized tensors lie; null: in ordinary memory
};

/// Ranges: the u8 output of LayerNorm `A` has that of `A.bytes` where there is one (of the equalized values), else that
/// of `A`; those of V and context are of the equalized values. Ranges must hold every value the graph's quantizers
/// need, by name; Throws Error naming one that is missing.
Model::Data quantize(const Model::Data& model, const Ranges& ranges, const QuantizeOptions& options);

}  // namespace octavo

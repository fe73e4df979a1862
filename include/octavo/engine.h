// Runs a model on batches: in integers when it is quantized, else in float32 as the reference.
#pragma once

#include "octavo/batch.h"
#include "octavo/kv_cache.h"
#include "octavo/model.h"
#include "octavo/system.h"
#include "octavo/tensor.h"
#include "octavo/workspace.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// After which tokens a decoder's logits are wanted.
enum class LogitRows { last, all };

/// How an engine runs a model.
struct EngineOptions {
  /// The best instruction set to use, one of available_isas() (`octavo info`). Empty: OCTAVO_ISA from the
  /// environment, else the best available. An unknown or unavailable name is an Error that lists what is available.
  /// "amx" asks Linux for the tile registers, with which the process's signal frames become 8 KB larger: alternative
  /// signal stacks must have room for them.
  std::string isa = "";

  /// Of a float32 model: bytes of weights that are kept ready to be multiplied by; others are made ready each time they
  /// are used, as calibration of a model larger than memory does. Nothing: half of the memory that is free now.
  std::optional<std::int64_t> weight_memory = {};
};

/// Immutable and shared between threads; each concurrent caller brings its own Workspace.
class Engine {
 public:
  /// Makes the model ready to run. Throws Error when options.isa is unknown or not available on this machine.
  explicit Engine(Model model, const EngineOptions& options = {});
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  /// Computes the last hidden state: f32 [tokens of the batch, hidden_size], sequences one after the other. A quantized
  /// model runs wholly in integers, and only this result is dequantized. Throws Error for an empty sequence, an id or
  /// type out of range, or a sequence longer than info().max_positions; engine and workspace stay usable.
  Tensor run(const TokenBatch& batch, Workspace& workspace) const;

  /// Computes the last hidden state of images: f32 [images * info().max_positions, hidden_size], of each first the rows
  /// of the class token and the like (info().prefix_tokens), then its patches. Throws Error for images of another size
  /// than info().image says.
  Tensor run(const ImageBatch& batch, Workspace& workspace) const;

  /// Computes an output by its name in info().outputs: f32 [tokens or sequences of the batch, its columns]; of tokens
  /// that can be chosen, all. A quantized model computes it in integers. Throws Error when there is none of this name,
  /// listing those that there are; else as run().
  Tensor output(std::string_view name, const TokenBatch& batch, Workspace& workspace) const;
  Tensor output(std::string_view name, const ImageBatch& batch, Workspace& workspace) const;

  /// Computes what the model's head says of each class: f32 [images, info().classes], not normalised. A quantized model
  /// computes them in integers, in one scale, so that their order is that of the integers. Throws Error when the model
  /// has no head; else as run().
  Tensor logits(const ImageBatch& batch, Workspace& workspace) const;

  /// Computes the output "logits" of texts, not normalised. Of a decoder, what it says of the token after each last
  /// one, or after every one: f32 [sequences or tokens of the batch, vocab_size]; of other models what output() gives.
  /// Throws Error when the model has no logits; else as run().
  Tensor logits(const TokenBatch& batch, Workspace& workspace, LogitRows rows = LogitRows::last) const;

  /// Puts each sequence's tokens behind those in its cache, and computes what a decoder says of the token after the
  /// last: f32 [sequences, vocab_size], not normalised, with the same bits as logits() of the whole texts, whatever was
  /// fed in how many steps, and whichever sequences are decoded together. `caches` has one for each sequence. Throws
  /// Error as logits(), and when caches are missing, shared, or full; then none has changed.
  Tensor decode(const TokenBatch& batch, std::span<KvCache* const> caches, Workspace& workspace) const;

  /// Computes the negated natural logarithm of the probability that a decoder gives each token but the first: per
  /// sequence one number less than it has tokens. Throws Error as logits().
  std::vector<std::vector<double>> losses(const TokenBatch& batch, Workspace& workspace) const;

  /// Computes one vector per sequence, as pooling makes it: f32 [sequences, kinds * hidden_size], the vectors of
  /// several kinds one behind the other. Tokens::prompt tokens are left out; the others keep their positions. A
  /// quantized model takes the mean of whole sequences in integers. Throws Error as run(), and when `pooling` is empty.
  Tensor pool(const TokenBatch& batch, const std::vector<Pooling>& pooling, Workspace& workspace) const;

  /// Computes one vector per image: f32 [images, kinds * hidden_size]. The mean is that of the patches, without the
  /// rows before them. Throws Error as run(), and for other pooling than mean and cls.
  Tensor pool(const ImageBatch& batch, const std::vector<Pooling>& pooling, Workspace& workspace) const;

  /// Gives the model that it runs.
  const Model& model() const;

  /// Names what runs: one of available_isas(); "float32" for a model that is not quantized.
  std::string_view isa() const;

  struct Data;

 private:
  friend struct Access;
  std::unique_ptr<const Data> data_;
};

}  // namespace octavo

// Runs a model on batches: in integers when it is quantized, else in float32 as the reference.
#pragma once

#include "octavo/kv_cache.h"
#include "octavo/model.h"
#include "octavo/tensor.h"
#include "octavo/tokenizer.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// A ragged batch: nothing is padded, and a sequence's result does not depend on the others.
struct TokenBatch {
  std::vector<Tokens> sequences;
};

/// Pictures of the size that the model takes (prepare_image()); a picture's result does not depend on the others.
struct ImageBatch {
  std::vector<Image> images;
};

/// What a caller brings to its runs.
struct WorkspaceOptions {
  int threads = 0;       ///< 0: the cores that affinity and cgroup quota allow (default_threads())
  bool profile = false;  ///< note how long each op takes, for Engine::take_profile()
};

/// How long one op of the graph took, all its runs together.
struct OpTime {
  std::string op,
      name;  ///< "QkvProduct", "encoder.layer.0.attention.self.query": what Model::summary() lists, in that order
  double seconds = 0.0;  ///< wall time
};

/// Buffers and threads of one caller. Not shared between concurrent runs.
class Workspace {
 public:
  explicit Workspace(const WorkspaceOptions& options = {});
  ~Workspace();
  Workspace(Workspace&&) noexcept;
  Workspace& operator=(Workspace&&) noexcept;

  /// Threads that run work for it, the caller's included.
  int threads() const;

  struct Data;  // src/workspace.h
  Data& data() { return *data_; }

 private:
  std::unique_ptr<Data> data_;
};

/// After which tokens a decoder's logits are wanted.
enum class LogitRows { last, all };

/// How an engine runs a model.
struct EngineOptions {
  /// The best instruction set to use: "scalar", "avx2", "avxvnni", "avx512vnni", "amx". Empty: OCTAVO_ISA from the
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
  explicit Engine(Model model, const EngineOptions& options = {});
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  /// Last hidden state: f32 [total tokens of the batch, hidden_size], sequences one after the other. A quantized model
  /// runs wholly in integers, and only this result is dequantized. Throws Error for an empty sequence, an id or type
  /// out of range, or a sequence longer than info().max_positions; engine and workspace stay usable.
  Tensor run(const TokenBatch& batch, Workspace& workspace) const;

  /// The same of images: every one has info().max_positions rows, first those of the class token and the like, then its
  /// patches.
  Tensor run(const ImageBatch& batch, Workspace& workspace) const;

  /// What the model's head says of each class: f32 [images, info().classes]. A quantized model computes them in
  /// integers, in one scale, so that their order is that of the integers. Throws Error when the model has no head; else
  /// as run().
  Tensor logits(const ImageBatch& batch, Workspace& workspace) const;

  /// What a decoder says of the token after each last one, or after every one: f32 [sequences or tokens of the batch,
  /// vocab_size], not normalised. A quantized model computes them in integers. Throws Error when the model is no
  /// decoder; else as run().
  Tensor logits(const TokenBatch& batch, Workspace& workspace, LogitRows rows = LogitRows::last) const;

  /// Puts each sequence's tokens behind those in its cache, and gives what a decoder says of the token after the last:
  /// f32 [sequences, vocab_size]. The same bits as logits() of the whole texts, whatever was fed in how many steps, and
  /// whichever sequences are decoded together. Throws Error also when caches are missing, shared, or full; then none
  /// has changed.
  Tensor decode(const TokenBatch& batch, std::span<KvCache* const> caches, Workspace& workspace) const;

  /// Natural logarithm of the probability that a decoder gives each token but the first, negated: per sequence one
  /// number less than it has tokens. Errors as logits().
  std::vector<std::vector<double>> losses(const TokenBatch& batch, Workspace& workspace) const;

  /// One vector per sequence, not normalised: f32 [sequences, hidden_size]. `pooling` must be mean or cls; a quantized
  /// model sums tokens in integers. Errors as run().
  Tensor pool(const TokenBatch& batch, Pooling pooling, Workspace& workspace) const;

  /// Of images the mean is that of the patches, without the rows before them.
  Tensor pool(const ImageBatch& batch, Pooling pooling, Workspace& workspace) const;

  /// What each op has taken in runs with this workspace since the last call; empty unless the workspace was made to
  /// note it.
  std::vector<OpTime> take_profile(Workspace& workspace) const;

  /// The model that it runs.
  const Model& model() const;

  /// What runs: "amx", "avx512vnni", "avxvnni", "avx2", "scalar"; "float32" for a model that is not quantized.
  std::string_view isa() const;

  struct Data;  // src/engine_data.h
  const Data& data() const { return *data_; }

 private:
  std::unique_ptr<const Data> data_;
};

/// Threads that this process may really use: the smaller of its CPU affinity and its cgroup's quota, at least 1.
int default_threads();

/// Names usable as EngineOptions::isa on this machine, best first.
std::vector<std::string> available_isas();

/// An instruction set that the library has kernels for, and whether this machine can run them.
struct IsaInfo {
  std::string name;
  bool available;
  std::string reason;  ///< why it is not available; empty when it is
};

/// Every instruction set the library was built with, best first.
std::vector<IsaInfo> isa_report();

/// This CPU's name as it reports it.
std::string cpu_name();

/// How one kernel of one instruction set compares with scalar.
struct SelfTestResult {
  std::string isa, kernel;
  int cases = 0;       ///< random and extreme inputs compared with scalar
  int mismatches = 0;  ///< cases with any differing byte
};

/// Compares every kernel of every available instruction set with the scalar definition on this machine.
std::vector<SelfTestResult> self_test(unsigned seed = 0);

}  // namespace octavo

// What an Engine holds.
#pragma once

#include "float/float_executor.h"
#include "integer/integer_executor.h"

#include "octavo/engine.h"

#include <variant>
#include <vector>

namespace octavo {

using Executor = std::variant<FloatExecutor, IntegerExecutor>;

struct Engine::Data {
  Data(Model m, const EngineOptions& options);

  Tensor run(const RaggedBatch& batch, Workspace& workspace) const;
  Tensor pool(const RaggedBatch& batch, const std::vector<Pooling>& pooling, Workspace& workspace) const;

  /// The language head's logits of chosen rows, one row after the other: what the codes of a quantized model are worth.
  void token_logits(const RaggedBatch& batch, std::span<const std::int32_t> rows, Workspace& workspace,
                    const FloatLogits& visit) const;

  /// The same as f32 [rows, vocab_size].
  Tensor logits(const RaggedBatch& batch, std::span<const std::int32_t> rows, Workspace& workspace) const;

  /// Throws Error when float32 gave a NaN or an infinity.
  void require_numbers(std::span<const float> values, const char* what) const;

  Model model;
  kernels::Isa isa;
  Executor executor;
};

}  // namespace octavo

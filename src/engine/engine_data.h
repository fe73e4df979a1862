// What an Engine holds.
#pragma once

#include "base/access.h"
#include "float/float_executor.h"
#include "integer/integer_executor.h"

#include "octavo/engine.h"

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

namespace octavo {

using Executor = std::variant<FloatExecutor, IntegerExecutor>;

struct Engine::Data {
  Data(Model m, const EngineOptions& options);

  /// A value of the graph whose rows are not chosen tokens: what the codes of a quantized model are worth.
  Tensor value(ValueId value, const RaggedBatch& batch, Workspace& workspace) const;

  /// The value of an output. Throws Error that lists what there is.
  ValueId output(std::string_view name) const;

  /// An output by name; of tokens that can be chosen, all.
  Tensor output(std::string_view name, const RaggedBatch& batch, Workspace& workspace) const;
  Tensor pool(const RaggedBatch& batch, const std::vector<Pooling>& pooling, Workspace& workspace) const;
  /// Where tokens were removed, only class tokens are what they are.
  Tensor pool_fewer(const RaggedBatch& batch, const std::vector<Pooling>& pooling, Workspace& workspace) const;

  /// A value of chosen tokens, one row after the other: `rows` are those of the batch.
  void visit_chosen(ValueId value, const RaggedBatch& batch, std::span<const std::int32_t> rows, Workspace& workspace,
                    const FloatRowVisitor& visit) const;

  /// The same as f32 [rows, columns].
  Tensor chosen(ValueId value, const RaggedBatch& batch, std::span<const std::int32_t> rows,
                Workspace& workspace) const;

  /// Throws Error when float32 gave a NaN or an infinity.
  void require_numbers(std::span<const float> values, std::string_view name) const;

  Model model;
  kernels::Isa isa;
  Executor executor;
};

}  // namespace octavo

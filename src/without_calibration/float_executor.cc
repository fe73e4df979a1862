// What runs float32 where octavo is built without calibration: nothing.
#include "float/float_executor.h"

#include "octavo/error.h"

namespace octavo {

struct FloatExecutor::Impl {};

namespace {

[[noreturn]] void refuse() {
  throw Error("this octavo was built without calibration (OCTAVO_CALIBRATION=OFF) and runs INT8 files, not float32");
}

}  // namespace

FloatExecutor::FloatExecutor(std::shared_ptr<const Model::Data>, std::size_t) { refuse(); }

FloatExecutor FloatExecutor::with_tensors(std::size_t, TensorMap) const { refuse(); }

Tensor FloatExecutor::run(const RaggedBatch&, Workspace::Data&, const FloatHooks&) const { refuse(); }

Tensor FloatExecutor::value(ValueId, const RaggedBatch&, Workspace::Data&, const FloatHooks&) const { refuse(); }

void FloatExecutor::visit_chosen(ValueId, const RaggedBatch&, std::span<const std::int32_t>, Workspace::Data&,
                                 const FloatRowVisitor&) const {
  refuse();
}

}  // namespace octavo

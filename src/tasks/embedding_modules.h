// What a sentence-transformers model does behind its pooling, on rows in float32.
#pragma once

#include "graph/model_data.h"

#include "octavo/tensor.h"

namespace octavo {

/// `rows` f32 [rows, columns], each through all modules in turn; a row's result does not depend on the others.
Tensor apply_modules(const Model::Data& model, Tensor rows);

/// Divides each row by its L2 norm; a row of zeros stays as it is.
void normalize_rows(Tensor& rows);

}  // namespace octavo

// What a model runs on: texts as token ids, or pictures, any number of them at once.
#pragma once

#include "octavo/image.h"
#include "octavo/tokenizer.h"

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

}  // namespace octavo

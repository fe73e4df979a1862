// Hard attention: a query sees only the keys of its largest scores.
#pragma once

#include "kernels/kernels.h"
#include "runtime/ragged.h"

#include <cstddef>
#include <cstdint>

namespace octavo {

/// Elements that hide_small_scores() needs for any call of a batch.
std::size_t hard_attention_elements(const RaggedBatch& batch);

/// Puts in place of a call's bias one that hides every key but those of each query's `most_keys` largest scores, bias
/// included, and those equal to the last of them. `rows`: hard_attention_elements() of them.
void hide_small_scores(kernels::Attention& call, int most_keys, std::int32_t* rows);

}  // namespace octavo

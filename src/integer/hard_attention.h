// Hard attention: a query sees only the keys of its largest scores.
#pragma once

#include "kernels/kernels.h"

#include <cstddef>
#include <cstdint>

namespace octavo {

/// Elements that hide_small_scores() needs for calls of so many keys and queries.
std::size_t hard_attention_elements(int most_length, int most_queries);

/// Puts in place of a call's bias one that hides every key but those of each query's `most_keys` largest scores, bias
/// included, and those equal to the last of them. `rows`: hard_attention_elements() of them.
void hide_small_scores(kernels::Attention& call, int most_keys, std::int32_t* rows);

}  // namespace octavo

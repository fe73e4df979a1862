// A whole call of few queries as its one split.
#pragma once

#include "kernels/kernels.h"

namespace octavo::kernels {
namespace {

template <class AttendSplit>
void attend_as_one_split(const Attention& attention, AttendSplit attend_split) {
  AttentionSplit all = {
      .phase = AttentionSplit::scores, .split = 0, .splits = 1, .first_key = 0, .keys = attention.length};
  attend_split(attention, all);
  all.phase = AttentionSplit::probabilities;
  attend_split(attention, all);
  all.phase = AttentionSplit::sums;
  attend_split(attention, all);
  all.phase = AttentionSplit::context;
  attend_split(attention, all);
}

}  // namespace
}  // namespace octavo::kernels

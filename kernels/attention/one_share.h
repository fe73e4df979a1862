// A whole call of few queries as its one share.
#pragma once

#include "kernels/kernels.h"

namespace octavo::kernels {
namespace {

template <class AttendShare>
void attend_as_one_share(const Attention& attention, AttendShare attend_share) {
  AttentionShare all = {
      .phase = AttentionShare::scores, .share = 0, .shares = 1, .first_key = 0, .keys = attention.length};
  attend_share(attention, all);
  all.phase = AttentionShare::probabilities;
  attend_share(attention, all);
  all.phase = AttentionShare::sums;
  attend_share(attention, all);
  all.phase = AttentionShare::context;
  attend_share(attention, all);
}

}  // namespace
}  // namespace octavo::kernels

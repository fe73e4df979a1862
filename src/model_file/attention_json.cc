#include "model_file/attention_json.h"

namespace octavo {

void describe(Fields& object, ClippedSoftmax& softmax) {
  object.number("gamma", softmax.gamma, -100.0, 0.0);
  object.number("zeta", softmax.zeta, 1.0, 100.0);
  object.flag_or_false("softmax1", softmax.softmax1);
  object.flag_or_false("sink", softmax.sink);
  object.number_or_zero("prune", softmax.prune, 0.0, 1.0);
  object.integer_or("log_bits", softmax.log_bits, 0, 4, 0);
}

}  // namespace octavo

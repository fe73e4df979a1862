#include "models/rotary.h"

#include <cmath>
#include <sstream>

namespace octavo {

double read_rope_theta(const JsonObject& config, double otherwise) {
  if (config.is_object("rope_scaling")) config.fail("rope_scaling", "none");
  const JsonObject parameters = config.section("rope_parameters");
  if (parameters.text_or("rope_type", "default") != "default") parameters.fail("rope_type", "default");
  const double theta = config.number_or("rope_theta", 1.0, 1e12, otherwise);
  return parameters.number_or("rope_theta", 1.0, 1e12, theta);
}

RotaryPositions rotary_positions(CheckpointTensors& tensors, double theta, int head_size, int positions) {
  std::ostringstream name;
  name << "rotary." << theta;
  Tensor table(DType::f32, {positions, head_size});
  const int half = head_size / 2;
  float* value = table.writable<float>().data();
  for (int position = 0; position < positions; ++position, value += head_size) {
    for (int j = 0; j < half; ++j) {
      // angles are rounded to float32, as transformers' are
      const float frequency =
          1.0f / std::pow(static_cast<float>(theta), static_cast<float>(2 * j) / static_cast<float>(head_size));
      const double angle = static_cast<double>(static_cast<float>(position) * frequency);
      value[j] = static_cast<float>(std::cos(angle));
      value[half + j] = static_cast<float>(std::sin(angle));
    }
  }
  return {tensors.add(name.str(), table)};
}

}  // namespace octavo

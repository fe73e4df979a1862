#include "models/parts/rotary.h"

#include <cmath>
#include <sstream>
#include <string>

namespace octavo {

RotaryAngles read_rope(const JsonObject& config, int head_size, double theta_otherwise, RopeScalings scalings) {
  const double theta = config.number_or("rope_theta", 1.0, 1e12, theta_otherwise);
  if (config.number_or("partial_rotary_factor", 0.0, 1.0, 1.0) != 1.0) config.fail("partial_rotary_factor", "1");
  const JsonObject newer = config.section("rope_parameters");
  if (config.has("rope_scaling") && config.section("rope_scaling").keys().size() > 0)
    return read_rope_section(config.section("rope_scaling"), head_size, theta, scalings);
  return read_rope_section(newer, head_size, theta, scalings);
}

RotaryAngles read_rope_section(const JsonObject& section, int head_size, double theta_otherwise,
                               RopeScalings scalings) {
  const char* key = section.has("rope_type") ? "rope_type" : "type";
  const std::string type = section.text_or(key, "default");
  const RotaryAngles plain{.theta = section.number_or("rope_theta", 1.0, 1e12, theta_otherwise)};
  if (section.number_or("partial_rotary_factor", 0.0, 1.0, 1.0) != 1.0) section.fail("partial_rotary_factor", "1");
  if (type == "default") return plain;
  if (type == "linear") return {.theta = plain.theta, .divisor = section.number("factor", 1.0, 1e6)};
  // Angles depend on the length of texts that are longer than max_position_embeddings, and octavo takes none.
  if (type == "dynamic") return plain;
  if (type != "ntk" || scalings != RopeScalings::gte)
    section.fail(key, scalings == RopeScalings::gte ? "default, linear, dynamic or ntk" : "default, linear or dynamic");
  if (section.has("mixed_b")) section.fail("mixed_b", "none");
  const double factor = section.number("factor", 1.0, 1e6);
  return {.theta = plain.theta * factor, .divisor = std::pow(factor, 2.0 / head_size)};
}

RotaryPositions rotary_positions(CheckpointTensors& tensors, const RotaryAngles& angles, int head_size, int positions) {
  std::ostringstream name;
  name << "rotary." << angles.theta;
  if (angles.divisor != 1.0) name << "." << angles.divisor;
  Tensor table(DType::f32, {positions, head_size});
  const int half = head_size / 2;
  float* value = table.writable<float>().data();
  for (int position = 0; position < positions; ++position, value += head_size) {
    for (int j = 0; j < half; ++j) {
      // angles are rounded to float32, as transformers' are
      const float exponent = static_cast<float>(2 * j) / static_cast<float>(head_size);
      const float frequency =
          1.0f / std::pow(static_cast<float>(angles.theta), exponent) / static_cast<float>(angles.divisor);
      const double angle = static_cast<double>(static_cast<float>(position) * frequency);
      value[j] = static_cast<float>(std::cos(angle));
      value[half + j] = static_cast<float>(std::sin(angle));
    }
  }
  return {tensors.add(name.str(), table)};
}

}  // namespace octavo

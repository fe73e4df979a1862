// What is built without calibration runs an INT8 file and refuses a checkpoint. It is linked without oneDNN.
// Usage: inference_only MODEL.octavo CHECKPOINT
#include "octavo/engine.h"
#include "octavo/error.h"
#include "octavo/model.h"

#include <cmath>
#include <cstdio>
#include <string>

int main(int argc, char** argv) {
  using namespace octavo;
  if (argc != 3) return 2;
  Workspace workspace({.threads = 1});
  const Tensor states = Engine(Model::from_file(argv[1])).run({.sequences = {{.ids = {1, 2, 3}}}}, workspace);
  for (const float value : states.as<float>()) {
    if (!std::isfinite(value)) return 1;
  }
  if (states.elements() == 0) return 1;
  try {
    Engine(Model::from_checkpoint(argv[2]));
  } catch (const Error& error) {
    std::puts(error.what());
    return std::string(error.what()).find("without calibration") == std::string::npos;
  }
  return 1;
}

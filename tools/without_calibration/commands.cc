// `octavo calibrate` and `octavo analyze` where octavo is built without calibration: they say so.
#include "commands/commands.h"

#include "octavo/error.h"

namespace octavo::tools {
namespace {

Syntax syntax() {
  return {.usage = "[...]",
          .about = "This octavo was built without calibration (OCTAVO_CALIBRATION=OFF): it runs INT8 files.",
          .example = "octavo info",
          .flags = {},
          .max_positionals = 1 << 20};
}

int refuse(const Arguments&) {
  throw Error("this octavo was built without calibration (OCTAVO_CALIBRATION=OFF); it runs INT8 files");
}

}  // namespace

constinit const Command kCalibrate = {"calibrate", "not in this build, which runs INT8 files", syntax, refuse};
constinit const Command kAnalyze = {"analyze", "not in this build, which runs INT8 files", syntax, refuse};

}  // namespace octavo::tools

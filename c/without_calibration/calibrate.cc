// octavo_calibrate() where octavo is built without calibration.
#include "c/guard.h"

#include "octavo/error.h"

using namespace octavo::c;

octavo_status octavo_calibrate(const char*, const octavo_texts*, const char*, const char*, octavo_progress, void*,
                               octavo_report** report) {
  return guarded([&] {
    if (report != nullptr) *report = nullptr;
    throw octavo::Error("this octavo was built without calibration (OCTAVO_CALIBRATION=OFF)");
  });
}

// What a calibration found, as text; and the command as a whole.
#include "c/handles.h"
#include "commands/run_command.h"

const char* octavo_report_json(const octavo_report* report) { return report == nullptr ? "" : report->json.c_str(); }

const char* octavo_report_text(const octavo_report* report) { return report == nullptr ? "" : report->text.c_str(); }

const char* octavo_report_html(const octavo_report* report) { return report == nullptr ? "" : report->html.c_str(); }

void octavo_report_free(octavo_report* report) { delete report; }

int octavo_command(int argc, const char* const* argv) { return octavo::tools::run_command(argc, argv); }

#include "system/isa.h"

#include "octavo/error.h"
#include "octavo/system.h"

#include <algorithm>
#include <cpuid.h>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

namespace octavo {
namespace {

std::span<const kernels::IsaStatus> statuses() { return {kernels::isa_status(), kernels::kIsaCount}; }

std::string listed(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

kernels::Isa best() {
  const auto all = statuses();  // worst first
  const auto usable = [](const kernels::IsaStatus& status) { return status.available && kernels::prepare(status.isa); };
  return std::find_if(all.rbegin(), all.rend(), usable)->isa;  // scalar is always there
}

kernels::Isa named(std::string_view name, const std::string& who) {
  for (const kernels::IsaStatus& status : statuses()) {
    if (name != status.name) continue;
    if (status.available && kernels::prepare(status.isa)) return status.isa;
    if (status.available) {
      throw Error(
          who + " is " + std::string(name) +
          ", but the operating system refuses it to this process: its signal stack (sigaltstack) may be too small");
    }
    throw Error(who + " is " + std::string(name) + ", which this machine cannot run: " + status.missing +
                "; available: " + listed(available_isas()));
  }
  throw Error(who + " is '" + std::string(name) + "', expected one of " + listed(available_isas()));
}

}  // namespace

kernels::Isa resolve_isa(std::string_view name) {
  if (!name.empty()) return named(name, "the instruction set");
  const char* environment = std::getenv("OCTAVO_ISA");
  return environment != nullptr && environment[0] != '\0' ? named(environment, "OCTAVO_ISA") : best();
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const IsaInfo& isa : isa_report()) {
    if (isa.available) names.push_back(isa.name);
  }
  return names;
}

std::vector<IsaInfo> isa_report() {
  std::vector<IsaInfo> report;
  for (const kernels::IsaStatus& status : statuses()) {
    report.insert(report.begin(), {.name = status.name, .available = status.available, .reason = status.missing});
  }
  return report;
}

std::string cpu_name() {
  unsigned words[12] = {};
  for (unsigned i = 0; i < 3; ++i) {
    unsigned* w = words + 4 * i;
    if (__get_cpuid(0x80000002u + i, w, w + 1, w + 2, w + 3) == 0) return "unknown";
  }
  char brand[sizeof(words) + 1] = {};
  std::memcpy(brand, words, sizeof(words));
  const std::string_view name = brand;  // some CPUs pad it with spaces
  const std::size_t first = name.find_first_not_of(' ');
  if (first == name.npos) return "unknown";
  return std::string(name.substr(first, name.find_last_not_of(' ') - first + 1));
}

}  // namespace octavo

// Which kernels run? Each family installs what is available, best last; a later installation replaces an earlier one.
#include "kernels/cpu.h"
#include "kernels/kernels.h"

namespace octavo::kernels {

// The one external function of every kernels/<family>/<isa>.cc.
#define KERNELS(family, isa) void install_##family##_##isa(KernelTable&);
#define ISA(name, base, kernels) kernels
#include "kernels/isas.inc"
#undef ISA
#undef KERNELS

namespace {

struct Entry {
  const char* name;
  Isa isa, base;
  const char* (*missing)();  // beyond what `base` has
  void (*install)(KernelTable&);
};

constexpr Entry kEntries[kIsaCount] = {
#define KERNELS(family, isa) install_##family##_##isa(table);
#define ISA(name, base, kernels) {#name, Isa::name, Isa::base, missing_##name, [](KernelTable& table) { kernels }},
#include "kernels/isas.inc"
#undef ISA
#undef KERNELS
};

const Entry& entry(Isa isa) { return kEntries[static_cast<int>(isa)]; }

struct Statuses {
  IsaStatus of[kIsaCount];
};

Statuses detect() {
  Statuses statuses = {};
  for (const Entry& each : kEntries) {
    const IsaStatus& base = statuses.of[static_cast<int>(each.base)];  // further up, or scalar's own
    const char* missing = each.base == each.isa || base.available ? each.missing() : base.missing;
    statuses.of[static_cast<int>(each.isa)] = {each.isa, each.name, missing[0] == '\0', missing};
  }
  return statuses;
}

void install(Isa isa, KernelTable& table) {
  const Entry& its = entry(isa);
  if (its.base != isa) install(its.base, table);
  if (prepare(isa)) its.install(table);
}

}  // namespace

const IsaStatus* isa_status() {
  static const Statuses statuses = detect();
  return statuses.of;
}

bool prepare(Isa isa) {
  const Isa base = entry(isa).base;
  return (base == isa || prepare(base)) && (isa != Isa::amx || request_tiles());
}

KernelTable table_for(Isa isa) {
  KernelTable table = {};
  install(isa, table);
  return table;
}

}  // namespace octavo::kernels

// Dispatch: which instruction sets this CPU has, and that the table of each is complete.
#include "kernels/kernels.h"
#include "tests/kernels/kernel_support.h"
#include "tests/support/support.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

namespace octavo::test {
namespace {

using namespace octavo::kernels;

const IsaStatus* status_named(const std::string& name) {
  for (int i = 0; i < kIsaCount; ++i) {
    if (name == isa_status()[i].name) return &isa_status()[i];
  }
  return nullptr;
}

// Why each instruction set of a comma-separated list that cannot be used here cannot be.
std::vector<std::string> complaints_about(const std::string& required) {
  std::vector<std::string> complaints;
  std::istringstream list(required);
  for (std::string name; std::getline(list, name, ',');) {
    const IsaStatus* status = status_named(name);
    if (status == nullptr) complaints.push_back("'" + name + "' is no instruction set of this library");
    if (status != nullptr && !status->available) complaints.push_back(name + ": " + status->missing);
  }
  return complaints;
}

// The slots of a table, whatever their types.
using Slot = void (*)();
constexpr std::size_t kSlots = sizeof(KernelTable) / sizeof(Slot);
static_assert(sizeof(KernelTable) % sizeof(Slot) == 0);

std::array<Slot, kSlots> slots_of(const KernelTable& table) {
  std::array<Slot, kSlots> slots;
  std::memcpy(slots.data(), &table, sizeof table);
  return slots;
}

}  // namespace

TEST_CASE("every slot of an available instruction set's table is filled") {
  for (const NamedTable& named : available_tables()) {
    const auto slots = slots_of(named.table);
    for (std::size_t i = 0; i < kSlots; ++i) {
      CAPTURE(named.isa, i);
      REQUIRE(slots[i] != nullptr);
    }
  }
}

TEST_CASE("an instruction set brings kernels of its own") {
  const std::vector<NamedTable> tables = available_tables();
  for (std::size_t i = 0; i < tables.size(); ++i) {
    for (std::size_t worse = 0; worse < i; ++worse) {
      CAPTURE(tables[i].isa, tables[worse].isa);
      REQUIRE(slots_of(tables[i].table) != slots_of(tables[worse].table));
    }
  }
}

TEST_CASE("instruction sets are listed in order, each once, and scalar is always available") {
  for (int i = 0; i < kIsaCount; ++i) {
    const IsaStatus& status = isa_status()[i];
    CAPTURE(status.name);
    REQUIRE(status.isa == static_cast<Isa>(i));
    REQUIRE(status_named(status.name) == &status);
  }
  REQUIRE(status_named("scalar") == &isa_status()[static_cast<int>(Isa::scalar)]);
  REQUIRE(isa_status()[static_cast<int>(Isa::scalar)].available);
}

TEST_CASE("an instruction set states a reason exactly when it is not available") {
  for (int i = 0; i < kIsaCount; ++i) {
    const IsaStatus& status = isa_status()[i];
    CAPTURE(status.name, status.missing);
    REQUIRE(status.available == (std::string(status.missing) == ""));
  }
}

// Tests go over the instruction sets that are available; this one is skipped where they are not all.
TEST_CASE("every instruction set is tested on this machine", "[isas]") {
  for (int i = 0; i < kIsaCount; ++i) {
    const IsaStatus& status = isa_status()[i];
    if (!status.available) skip(std::string(status.name) + " (" + status.missing + ")");
  }
}

TEST_CASE("a required instruction set that is unknown or not available is complained about by name") {
  REQUIRE(complaints_about("scalar").empty());
  REQUIRE(complaints_about("scalar,sse9") == std::vector<std::string>{"'sse9' is no instruction set of this library"});
  std::size_t unavailable = 0;
  std::string all;
  for (int i = 0; i < kIsaCount; ++i) {
    unavailable += !isa_status()[i].available;
    all += std::string(isa_status()[i].name) + ",";
  }
  REQUIRE(complaints_about(all).size() == unavailable);
}

// tests/run.sh sets OCTAVO_REQUIRE_ISAS=scalar,avx2,... from what Linux says of the CPU, so that a machine without them
// cannot pass by testing less.
TEST_CASE("every instruction set that OCTAVO_REQUIRE_ISAS names is available") {
  const char* required = std::getenv("OCTAVO_REQUIRE_ISAS");
  REQUIRE(complaints_about(required == nullptr ? "" : required) == std::vector<std::string>{});
}

}  // namespace octavo::test

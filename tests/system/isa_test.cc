// Which instruction set runs: what callers and the environment may ask for.
#include "system/isa.h"

#include "tests/support/support.h"

#include "octavo/engine.h"
#include "octavo/error.h"

#include <cstdlib>

namespace octavo::test {
namespace {

/// OCTAVO_ISA has this value until the object goes.
class Environment {
 public:
  explicit Environment(const char* value) : before_(std::getenv("OCTAVO_ISA") ? std::getenv("OCTAVO_ISA") : "") {
    ::setenv("OCTAVO_ISA", value, 1);
  }
  ~Environment() { ::setenv("OCTAVO_ISA", before_.c_str(), 1); }

 private:
  std::string before_;
};

}  // namespace

TEST_CASE("without a word the best available instruction set runs, and scalar always can") {
  const Environment none("");
  CHECK(kernels::isa_status()[static_cast<int>(resolve_isa(""))].name == available_isas().front());
  CHECK(resolve_isa("scalar") == kernels::Isa::scalar);
  CHECK(available_isas().back() == "scalar");
}

TEST_CASE("OCTAVO_ISA limits the choice, and a caller's word comes before it") {
  const Environment scalar("scalar");
  CHECK(resolve_isa("") == kernels::Isa::scalar);
  for (const std::string& isa : available_isas())
    CHECK(kernels::isa_status()[static_cast<int>(resolve_isa(isa))].name == isa);
}

TEST_CASE("a name that is unknown or cannot run here is an error that lists what can") {
  CHECK_THROWS_WITH(resolve_isa("sse9"), Catch::Contains("sse9") && Catch::Contains("scalar"));
  const Environment unknown("AVX2 ");
  CHECK_THROWS_WITH(resolve_isa(""), Catch::Contains("OCTAVO_ISA") && Catch::Contains("scalar"));
  for (const IsaInfo& isa : isa_report()) {
    if (isa.available) continue;
    CHECK_THROWS_WITH(resolve_isa(isa.name), Catch::Contains(isa.reason));
  }
}

TEST_CASE("every instruction set is reported, with a reason exactly when it cannot run") {
  CHECK(isa_report().size() == std::size_t{kernels::kIsaCount});
  for (const IsaInfo& isa : isa_report()) CHECK(isa.available == isa.reason.empty());
  CHECK(!cpu_name().empty());
}

}  // namespace octavo::test

// What kernel tests share: the tables of this CPU, and whether all of them give the same bytes.
#pragma once

#include "kernels/kernels.h"
#include "system/problem.h"
#include "tests/support/support.h"

#include <vector>

namespace octavo::test {

struct NamedTable {
  const char* isa;
  kernels::KernelTable table;
};

/// The kernels of every instruction set this CPU has, scalar first.
inline std::vector<NamedTable> available_tables() {
  std::vector<NamedTable> tables;
  for (int i = 0; i < kernels::kIsaCount; ++i) {
    const kernels::IsaStatus& status = kernels::isa_status()[i];
    if (status.available) tables.push_back({status.name, kernels::table_for(status.isa)});
  }
  return tables;
}
inline kernels::KernelTable scalar_table() { return kernels::table_for(kernels::Isa::scalar); }

/// Runs the problem with every instruction set: bytes must be scalar's, and nothing else may be touched.
inline void require_scalar_bytes(problems::Problem& problem) {
  static const std::vector<NamedTable> tables = available_tables();
  problems::Bytes expected;
  for (const NamedTable& named : tables) {
    CAPTURE(named.isa);
    const problems::Bytes bytes = problem.run(named.table);
    if (&named == &tables.front()) expected = bytes;
    REQUIRE((bytes == expected));
    REQUIRE(problem.intact());
  }
}

}  // namespace octavo::test

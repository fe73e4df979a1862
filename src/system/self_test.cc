// Does every kernel of every instruction set of this machine give the scalar result, byte for byte?
#include "kernels/kernels.h"
#include "system/problem.h"

#include "octavo/system.h"

#include <vector>

namespace octavo {
namespace {

using kernels::KernelTable;

// An instruction set above scalar that this machine has, and its results so far.
struct Contender {
  const char* isa;
  KernelTable table;
  std::vector<SelfTestResult> results;
};

std::vector<Contender> contenders() {
  std::vector<Contender> found;
  for (int i = 0; i < kernels::kIsaCount; ++i) {
    const kernels::IsaStatus& status = kernels::isa_status()[i];
    if (status.isa == kernels::Isa::scalar || !status.available) continue;
    found.push_back({status.name, kernels::table_for(status.isa), {}});
  }
  return found;
}

}  // namespace

std::vector<SelfTestResult> self_test(unsigned seed) {
  problems::Random random(seed);
  const KernelTable scalar = kernels::table_for(kernels::Isa::scalar);
  std::vector<Contender> all = contenders();
  for (const auto& kernels : {problems::gemm_kernels(), problems::attention_kernels(), problems::rowwise_kernels(),
                              problems::small_row_kernels(), problems::pooling_kernels()}) {
    for (const problems::Kernel& kernel : all.empty() ? std::span<const problems::Kernel>() : kernels) {
      for (Contender& each : all) each.results.push_back({each.isa, kernel.name, kernel.cases, 0});
      for (int i = 0; i < kernel.cases; ++i) {
        problems::Problem problem = kernel.make(random);
        const problems::Bytes expected = problem.run(scalar);
        for (Contender& each : all)
          each.results.back().mismatches += problem.run(each.table) != expected || !problem.intact();
      }
    }
  }
  std::vector<SelfTestResult> results;
  for (const Contender& each : all) results.insert(results.end(), each.results.begin(), each.results.end());
  return results;
}

}  // namespace octavo

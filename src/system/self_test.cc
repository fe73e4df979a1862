// Does every kernel of every instruction set of this machine give the scalar result, byte for byte?
#include "kernels/kernels.h"
#include "system/self_test_cases.h"

#include "octavo/system.h"

#include <vector>

namespace octavo {
namespace {

using kernels::KernelTable;
using namespace self_test_cases;

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

class SelfTest {
 public:
  explicit SelfTest(unsigned seed) : random_(seed) {}

  void compare(const char* kernel, int cases, Case (*make_case)(Random&)) {
    if (contenders_.empty()) return;
    for (Contender& each : contenders_) each.results.push_back({each.isa, kernel, cases, 0});
    for (int i = 0; i < cases; ++i) {
      const Case run = make_case(random_);
      const Bytes expected = run(scalar_);
      for (Contender& each : contenders_) each.results.back().mismatches += run(each.table) != expected;
    }
  }

  std::vector<SelfTestResult> results() const {
    std::vector<SelfTestResult> all;
    for (const Contender& each : contenders_) all.insert(all.end(), each.results.begin(), each.results.end());
    return all;
  }

 private:
  Random random_;
  KernelTable scalar_ = kernels::table_for(kernels::Isa::scalar);
  std::vector<Contender> contenders_ = contenders();
};

}  // namespace

std::vector<SelfTestResult> self_test(unsigned seed) {
  SelfTest test(seed);
  test.compare("gemm_to_bytes", 200, gemm_to_bytes);
  test.compare("gemm_gelu", 200, gemm_gelu);
  test.compare("gemm_add_to_stream", 100, gemm_add_to_stream);
  test.compare("gemm_add_to_stream8", 100, gemm_add_to_stream8);
  test.compare("gemm_to_shorts", 100, gemm_to_shorts);
  test.compare("gemm_to_accumulators", 100, gemm_to_accumulators);
  test.compare("attention", 300, attention);
  test.compare("layer_norm", 200, layer_norm);
  test.compare("embedding_sum", 100, embedding_sum);
  test.compare("column_sum", 60, column_sum);
  return test.results();
}

}  // namespace octavo

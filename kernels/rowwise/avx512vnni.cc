// Row by row with AVX-512.
#include "kernels/rowwise/gated_rows.h"
#include "kernels/rowwise/rows.h"

namespace octavo::kernels {

void install_rowwise_avx512vnni(KernelTable& table);
void install_rowwise_avx512vnni(KernelTable& table) {
  install_rows(table);
  install_gated_rows(table);
}

}  // namespace octavo::kernels

// Row by row with AVX2.
#include "kernels/rowwise/rows.h"

namespace octavo::kernels {

void install_rowwise_avx2(KernelTable& table);
void install_rowwise_avx2(KernelTable& table) { install_rows(table); }

}  // namespace octavo::kernels

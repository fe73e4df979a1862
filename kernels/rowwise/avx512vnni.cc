// Row by row with AVX-512.
#include "kernels/rowwise/rows.h"

namespace octavo::kernels {

void install_rowwise_avx512vnni(KernelTable& table);
void install_rowwise_avx512vnni(KernelTable& table) { install_rows(table); }

}  // namespace octavo::kernels

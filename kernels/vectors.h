// The vector registers that a kernel file is compiled for, under names that do not depend on their width.
//
// Kernels whose algorithm is the same for every width are written once over them; each file that includes them has its
// own copy, compiled for its own instruction set. A suffix names the elements that a function works on: s for signed, u
// for unsigned, none where it makes no difference.
#pragma once

#ifdef __AVX512BW__
#include "kernels/vectors_512.h"
#else
#include "kernels/vectors_256.h"
#endif

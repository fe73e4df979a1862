// How much memory this process has used at most.
#pragma once

namespace octavo::tools {

/// Forgets the peak so far, where the system allows it, and gives freed memory back.
void reset_peak_memory();

/// Largest resident set since then, in MB (1e6 bytes); 0 where the system does not tell.
double peak_memory_mb();

}  // namespace octavo::tools

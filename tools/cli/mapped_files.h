// Which file a piece of this process's memory is mapped from.
#pragma once

#include <cstddef>

namespace octavo::tools {

/// Puts the path of the file that `address` is mapped from, as /proc/self/maps names it, into `path`, cut to `size` - 1
/// bytes. False when there is none. May be called in a signal handler.
bool find_mapped_file(const void* address, char* path, std::size_t size);

}  // namespace octavo::tools

// What stands in a file that should hold something else.
#pragma once

#include <string>
#include <string_view>

namespace octavo {

/// "is empty", "is a git-lfs pointer, ...", by the first bytes; nothing when they are of no kind that is often found in
/// place of a checkpoint's files.
std::string foreign_content(std::string_view bytes);

}  // namespace octavo

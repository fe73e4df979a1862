// How does text stand in a column between tabs?
#pragma once

#include <string>
#include <string_view>

namespace octavo::tools {

/// The text in one column of one line: \t, \n, \r and \\ stand for tabs, line ends and backslashes.
std::string escaped(std::string_view text);

}  // namespace octavo::tools

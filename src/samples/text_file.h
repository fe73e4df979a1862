// The texts that octavo brings along, as one string.
#pragma once

#include <string_view>

namespace octavo {

/// sample_texts.txt: texts with an empty line between them, those of a kind side by side.
extern const std::string_view kTextFile;

}  // namespace octavo

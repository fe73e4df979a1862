// Zip archives whose entries are stored as they are, as torch.save writes them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace octavo {

/// The bytes of each entry by its name: views of `bytes`. Throws Error naming the file and the entry when the archive
/// is cut or damaged, or an entry is compressed or encrypted.
std::map<std::string, std::string_view, std::less<>> read_zip(std::string_view bytes, const std::string& file);

}  // namespace octavo

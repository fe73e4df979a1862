// What the tests of the command's parts share: files of their own, by name.
#pragma once

#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"

#include <string>

namespace octavo::test {

class Scratch : public TemporaryDirectory {
 public:
  std::string path(const std::string& name) const { return (*this / name).string(); }
  std::string read(const std::string& name) const { return read_bytes(*this / name); }

  /// Returns the path.
  std::string write(const std::string& name, const std::string& bytes) const {
    write_bytes(*this / name, bytes);
    return path(name);
  }
};

}  // namespace octavo::test

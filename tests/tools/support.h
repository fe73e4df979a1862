// What the tests of the command's parts share: files of their own, by name, and what is printed meanwhile in one.
#pragma once

#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"

#include <fcntl.h>
#include <string>
#include <unistd.h>

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

/// While it lives, what goes to a descriptor goes to a file.
class Redirect {
 public:
  Redirect(int descriptor, const std::string& file) : descriptor_(descriptor), kept_(::dup(descriptor)) {
    const int target = ::open(file.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    ::dup2(target, descriptor);
    ::close(target);
  }
  Redirect(const Redirect&) = delete;
  Redirect& operator=(const Redirect&) = delete;
  ~Redirect() {
    ::dup2(kept_, descriptor_);
    ::close(kept_);
  }

 private:
  int descriptor_, kept_;
};

}  // namespace octavo::test

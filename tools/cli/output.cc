// Writing with every failure noticed: full disks, closed pipes, directories that cannot be written.
#include "cli/output.h"

#include "octavo/error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace octavo::tools {
namespace {

constexpr std::size_t kBufferBytes = 1 << 16;

bool is_special(const std::string& file) {
  struct stat status = {};
  return ::stat(file.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

bool is_directory(const std::string& file) {
  std::error_code error;
  return std::filesystem::is_directory(file, error);
}

/// The file behind symbolic links: a link stays one when its file is replaced.
std::string resolve(const std::string& file) {
  std::error_code error;
  const std::filesystem::path resolved = std::filesystem::weakly_canonical(file, error);
  return error ? file : resolved.string();
}

}  // namespace

Output::Output(const std::string& file) : name_(file) {
  if (file.empty() || file == "-") {
    name_ = "standard output";
    return;
  }
  if (is_special(file)) {
    descriptor_ = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor_ < 0) fail("open it", errno);
    opened_ = true;
    return;
  }
  target_ = resolve(file);
  if (is_directory(target_)) throw Error(name_ + ": is a directory, expected the name of a file.");
  open_temporary();
}

/// The name is registered before the file exists, so that no interrupt can come in between.
void Output::open_temporary() {
  const std::filesystem::path target(target_);
  const std::string base = target.filename().string().substr(0, 200) + ".tmp-" + std::to_string(::getpid()) + "-";
  for (int attempt = 0;; ++attempt) {  // a process that was killed may have left a file of this name
    temporary_ = (target.parent_path() / (base + std::to_string(attempt))).string();
    removal_.emplace(temporary_);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    opened_ = descriptor_ >= 0;
    if (opened_) return;
    removal_.reset();
    if (errno != EEXIST) fail("create it", errno);
  }
}

Output::~Output() {
  if (opened_) ::close(descriptor_);
  if (removal_) ::unlink(temporary_.c_str());
}

void Output::fail(const std::string& what, int error) const {
  if (error == EPIPE && !opened_) throw BrokenPipe();
  throw Error(name_ + ": cannot " + what + ": " + std::strerror(error) + ".");
}

void Output::write(std::string_view bytes) {
  buffer_.append(bytes);
  if (buffer_.size() >= kBufferBytes) flush();
}

void Output::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write it", errno);
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  buffer_.clear();
}

void Output::overwrite_start(std::string_view bytes) {
  flush();
  const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), 0);
  if (written < 0) fail("write its start", errno);
  if (static_cast<std::size_t>(written) != bytes.size()) fail("write its start", ENOSPC);
}

void Output::commit() {
  flush();
  if (!opened_) return;
  if (!target_.empty() && ::fsync(descriptor_) != 0) fail("write it", errno);
  const int closed = ::close(descriptor_);
  opened_ = false;
  if (closed != 0) fail("close it", errno);
  if (target_.empty()) return;
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("replace it", errno);
  removal_.reset();
}

void require_creatable(const std::string& file) {
  if (is_special(file)) throw Error(file + ": is not a regular file, so it cannot be replaced.");
  const Output trial(file);  // gone again at once
}

}  // namespace octavo::tools

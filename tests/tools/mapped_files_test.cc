// A mapped file that is cut ends the command with an error, not with a signal.
#include "cli/mapped_files.h"

#include "cli/interrupt.h"
#include "tests/tools/support.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace octavo::tools;
using octavo::test::Scratch;

namespace {

constexpr std::size_t kSize = 1 << 16;

/// Two mapped pages and more of a file of zeros.
const volatile char* map(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  void* memory = ::mmap(nullptr, kSize, PROT_READ, MAP_PRIVATE, fd, 0);
  ::close(fd);
  REQUIRE(memory != MAP_FAILED);
  return static_cast<const volatile char*>(memory);
}

/// What a process is told and ends with that reads `file` after it was cut, while it writes `half_written`.
std::pair<int, std::string> read_when_cut(const std::string& file, const std::string& half_written) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const ::pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    handle_interrupts();
    const RemoveOnInterrupt removal(half_written);
    const volatile char* bytes = map(file);
    const bool cut = ::truncate(file.c_str(), 0) == 0;
    ::_exit(cut && bytes[kSize / 2] == 0 ? 42 : 43);
  }
  ::close(ends[1]);
  std::string told;
  char buffer[512];
  for (::ssize_t count = 0; (count = ::read(ends[0], buffer, sizeof(buffer))) > 0;)
    told.append(buffer, static_cast<std::size_t>(count));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return {status, told};
}

}  // namespace

TEST_CASE("reading a mapped file that was cut is exit code 1, a line that names it, and nothing half-written") {
  const Scratch scratch;
  scratch.write("model", std::string(kSize, '\0'));
  scratch.write("half", "written");
  const auto [status, told] = read_when_cut(scratch.path("model"), scratch.path("half"));
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
  CHECK(told == "octavo: " + scratch.path("model") + ": was cut, or can no longer be read, while it was in use.\n");
  CHECK(scratch.names() == std::set<std::string>{"model"});
}

TEST_CASE("the file of an address is found, and none where there is none") {
  const Scratch scratch;
  scratch.write("a file", std::string(kSize, '\0'));
  const volatile char* bytes = map(scratch.path("a file"));
  char path[4096];
  REQUIRE(find_mapped_file(const_cast<const char*>(bytes) + kSize - 1, path, sizeof(path)));
  CHECK(std::string(path) == std::filesystem::canonical(scratch.path("a file")).string());
  REQUIRE(find_mapped_file(const_cast<const char*>(bytes), path, 5));
  CHECK(std::string(path).size() == 4);
  int local = 0;
  CHECK(!find_mapped_file(&local, path, sizeof(path)));
  ::munmap(const_cast<char*>(bytes), kSize);
}

// What Ctrl-C (SIGINT), SIGTERM and SIGHUP leave behind: nothing half-written.
#pragma once

#include <string>

namespace octavo::tools {

/// From here on these signals remove the file registered below, if any, and end the process as they would without us.
/// A closed pipe becomes a write error instead of a signal. A mapped file that was cut (SIGBUS) becomes exit code 1 and
/// a line that names it; the file registered below goes then too.
void handle_interrupts();

/// While it lives, an interrupt removes `path`. One at a time.
class RemoveOnInterrupt {
 public:
  explicit RemoveOnInterrupt(const std::string& path);
  ~RemoveOnInterrupt();
  RemoveOnInterrupt(const RemoveOnInterrupt&) = delete;
  RemoveOnInterrupt& operator=(const RemoveOnInterrupt&) = delete;
};

/// While it lives, interrupts wait for its end. For the library's writing of a model, which is short and uses a
/// temporary file of its own.
class HoldInterrupts {
 public:
  HoldInterrupts();
  ~HoldInterrupts();
  HoldInterrupts(const HoldInterrupts&) = delete;
  HoldInterrupts& operator=(const HoldInterrupts&) = delete;
};

}  // namespace octavo::tools

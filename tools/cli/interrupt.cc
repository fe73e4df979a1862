// Signal handlers: they touch only lock-free atomics, a fixed buffer, and functions that are safe in a handler.
#include "cli/interrupt.h"

#include "octavo/error.h"

#include <atomic>
#include <csignal>
#include <cstring>
#include <unistd.h>

namespace octavo::tools {
namespace {

char path_to_remove[4096];
std::atomic<bool> has_path = false;
std::atomic<bool> held = false;
std::atomic<int> pending = 0;

void end_by(int signal) {
  if (has_path) ::unlink(path_to_remove);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void on_interrupt(int signal) {
  if (held && pending.exchange(signal) == 0) return;
  end_by(signal);
}

}  // namespace

void handle_interrupts() {
  std::signal(SIGPIPE, SIG_IGN);
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART | SA_NODEFER;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before = {};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);  // nohup stays in force
  }
}

RemoveOnInterrupt::RemoveOnInterrupt(const std::string& path) {
  if (path.size() >= sizeof(path_to_remove)) throw Error(path + ": the name is too long.");
  std::memcpy(path_to_remove, path.c_str(), path.size() + 1);
  has_path = true;
}

RemoveOnInterrupt::~RemoveOnInterrupt() { has_path = false; }

HoldInterrupts::HoldInterrupts() { held = true; }

HoldInterrupts::~HoldInterrupts() {
  held = false;
  if (pending != 0) end_by(pending);
}

}  // namespace octavo::tools

// Signal handlers: they touch only lock-free atomics, a fixed buffer, and functions that are safe in a handler.
#include "cli/interrupt.h"

#include "cli/mapped_files.h"

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
  if (held) {
    pending = signal;
    return;
  }
  end_by(signal);
}

void print(const char* text) {
  for (std::size_t left = std::strlen(text); left > 0;) {
    const ::ssize_t written = ::write(STDERR_FILENO, text, left);
    if (written <= 0) return;
    text += written;
    left -= static_cast<std::size_t>(written);
  }
}

/// A fault that no mapped file explains ends the process as it would without us.
void on_bus_error(int signal, ::siginfo_t* info, void*) {
  static std::atomic<bool> ended = false;
  static char file[4096];
  if (ended.exchange(true)) {
    for (;;) ::pause();  // another thread found the same, and ends the process
  }
  if (info->si_code != BUS_ADRERR || !find_mapped_file(info->si_addr, file, sizeof(file))) return end_by(signal);
  if (has_path) ::unlink(path_to_remove);
  print("octavo: ");
  print(file);
  print(": was cut, or can no longer be read, while it was in use.\n");
  ::_exit(1);
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
  struct sigaction bus_error = {};
  bus_error.sa_sigaction = on_bus_error;
  bus_error.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &bus_error, nullptr);
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

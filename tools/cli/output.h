// Where an answer goes: standard output, or a file that appears whole or not at all.
#pragma once

#include "cli/interrupt.h"

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace octavo::tools {

/// The reader of standard output has gone.
class BrokenPipe : public std::runtime_error {
 public:
  BrokenPipe() : std::runtime_error("standard output is closed") {}
};

/// Bytes to standard output, or to a temporary file that commit() renames. Without commit() no file appears, whatever
/// ends the process; SIGKILL leaves the temporary one, NAME.tmp-PID-NUMBER. Something that is not a regular file
/// (/dev/null, a named pipe) is written directly. Throws octavo::Error naming the file when something cannot be
/// written, BrokenPipe for standard output.
class Output {
 public:
  /// `file` empty or "-": standard output.
  explicit Output(const std::string& file = {});
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(std::string_view bytes);

  /// Passes on what is buffered, so that a reader of standard output need not wait for the end.
  void flush();

  /// Replaces the first bytes, which were written before; for files only.
  void overwrite_start(std::string_view bytes);

  /// Everything was written. For a file: to the disk, and under its name.
  void commit();

 private:
  void open_temporary();
  [[noreturn]] void fail(const std::string& what, int error) const;

  std::string name_;       ///< for messages
  std::string target_;     ///< the final file, through symbolic links; empty: no renaming
  std::string temporary_;  ///< exists until commit()
  std::optional<RemoveOnInterrupt> removal_;
  std::string buffer_;
  int descriptor_ = 1;
  bool opened_ = false;  ///< the descriptor is ours to close
};

/// Throws octavo::Error when `file` cannot be created or replaced: to know before the work, not after.
void require_creatable(const std::string& file);

}  // namespace octavo::tools

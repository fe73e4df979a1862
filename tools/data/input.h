// The texts a command works on: prompts and lines of files, in order, one at a time.
#pragma once

#include <cstdint>
#include <fstream>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace octavo::tools {

/// Lines of a text file, or of stdin for "-". CRLF ends a line as LF does, and a byte-order mark at the start is no
/// text. Other bytes are passed on as they are: the tokenizer knows what invalid UTF-8 means. Throws octavo::Error
/// naming the file when it cannot be read.
class LineReader {
 public:
  explicit LineReader(const std::string& file);

  std::optional<std::string> next();

  const std::string& name() const { return name_; }

  /// Number of the last line, from 1.
  std::int64_t line() const { return line_; }

  /// How much of the file has been read, 0 to 1; nothing for a stream of unknown length.
  std::optional<double> fraction() const;

 private:
  std::string name_;
  std::unique_ptr<std::ifstream> file_;  // stays where it is when a reader moves
  std::istream* stream_;
  std::int64_t line_ = 0;
  std::uint64_t bytes_ = 0, size_ = 0;
};

/// Every prompt, then every line of the file, if there is one.
class Inputs {
 public:
  Inputs(std::vector<std::string> prompts, const std::optional<std::string>& file);

  std::optional<std::string> next();
  std::optional<double> fraction() const;

  /// The file; there is one.
  LineReader& reader() { return reader_.value(); }

  /// Where the last one stands, for messages: "--prompt", or a file and a line.
  std::string place() const;

 private:
  std::vector<std::string> prompts_;
  std::size_t prompts_read_ = 0;
  std::optional<LineReader> reader_;
};

}  // namespace octavo::tools

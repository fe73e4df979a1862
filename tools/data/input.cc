// Reading lines, with each way of not being able to.
#include "data/input.h"

#include "octavo/error.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>

namespace octavo::tools {

LineReader::LineReader(const std::string& file)
    : name_(file), file_(std::make_unique<std::ifstream>()), stream_(file_.get()) {
  if (file == "-") {
    name_ = "standard input";
    stream_ = &std::cin;
    std::ios::sync_with_stdio(false);
    return;
  }
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) throw Error(name_ + ": is a directory, expected a text file.");
  file_->open(file, std::ios::binary);
  if (!*file_) throw Error(name_ + ": cannot open it: " + std::strerror(errno) + ".");
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  if (!error) size_ = size;
}

std::optional<std::string> LineReader::next() {
  std::string line;
  if (!std::getline(*stream_, line)) {
    if (stream_->bad()) throw Error(name_ + ": cannot read it: " + std::strerror(errno) + ".");
    return {};
  }
  bytes_ += line.size() + 1;
  if (++line_ == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

std::optional<double> LineReader::fraction() const {
  if (size_ == 0) return {};
  return std::min(1.0, static_cast<double>(bytes_) / static_cast<double>(size_));
}

Inputs::Inputs(std::vector<std::string> prompts, const std::optional<std::string>& file)
    : prompts_(std::move(prompts)) {
  if (file) reader_.emplace(*file);
}

std::optional<std::string> Inputs::next() {
  if (prompts_read_ < prompts_.size()) return prompts_[prompts_read_++];
  return reader_ ? reader_->next() : std::nullopt;
}

std::string Inputs::place() const {
  if (!reader_ || reader_->line() == 0) return "--prompt";
  return reader_->name() + ":" + std::to_string(reader_->line());
}

std::optional<double> Inputs::fraction() const { return reader_ ? reader_->fraction() : std::nullopt; }

}  // namespace octavo::tools

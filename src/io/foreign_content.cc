// First bytes of kinds of files that downloads and other tools leave where a checkpoint's files are expected.
#include "io/foreign_content.h"

#include <algorithm>
#include <cctype>

namespace octavo {
namespace {

using namespace std::string_view_literals;

struct Kind {
  std::string_view start;
  const char* what;
};

constexpr Kind kKinds[] = {
    {"version https://git-lfs.github.com/spec/"sv,
     "is a git-lfs pointer in place of the file, which 'git lfs pull' fetches"},
    {"PK\x03\x04"sv, "is a zip archive, such as torch.save writes"},
    {"\x80\x02"sv, "is a Python pickle, such as torch.save writes"},
    {"\x80\x03"sv, "is a Python pickle"},
    {"\x80\x04"sv, "is a Python pickle"},
    {"\x80\x05"sv, "is a Python pickle"},
    {"\x89HDF\r\n"sv, "is an HDF5 file, such as Keras writes"},
    {"GGUF"sv, "is a GGUF file"},
    {"\x1f\x8b"sv, "is compressed by gzip"},
};

constexpr std::string_view kHtml[] = {"<!doctype html"sv, "<html"sv, "<head"sv, "<?xml"sv};

/// `small` is in small letters.
bool starts_with_any_case(std::string_view text, std::string_view small) {
  return text.size() >= small.size() && std::equal(small.begin(), small.end(), text.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

}  // namespace

std::string foreign_content(std::string_view bytes) {
  if (bytes.empty()) return "is empty";
  for (const Kind& kind : kKinds) {
    if (bytes.starts_with(kind.start)) return kind.what;
  }
  const std::string_view text = bytes.substr(std::min(bytes.find_first_not_of(" \t\r\n"), bytes.size()));
  for (const std::string_view start : kHtml) {
    if (starts_with_any_case(text, start))
      return "is a web page, such as a server sends in place of a file that it refuses";
  }
  return "";
}

}  // namespace octavo

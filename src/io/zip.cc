// From the end: its record says where the directory of entries is, that where each has its header, that how long it is
// itself. Of the 64-bit forms each is used where the old field is full of ones.
#include "io/zip.h"

#include "octavo/error.h"

#include <algorithm>
#include <cstdint>

namespace octavo {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20, kEntryBytes = 46, kHeaderBytes = 30;
constexpr std::uint64_t kFull16 = 0xFFFF, kFull32 = 0xFFFFFFFF;

class Archive {
 public:
  Archive(std::string_view bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::map<std::string, std::string_view, std::less<>> entries() const;

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(file_ + ": " + what + ", expected a whole zip archive as torch.save writes it.");
  }
  std::string_view at(std::uint64_t offset, std::uint64_t count) const {
    if (offset > bytes_.size() || count > bytes_.size() - offset) fail("the zip archive is cut or damaged");
    return bytes_.substr(offset, count);
  }
  std::uint64_t number(std::uint64_t offset, std::size_t count) const {
    const std::string_view bytes = at(offset, count);
    std::uint64_t value = 0;
    for (std::size_t i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
  }
  void require(std::uint64_t offset, std::string_view signature) const {
    if (at(offset, signature.size()) != signature) fail("the zip archive is damaged");
  }

  struct Directory {
    std::uint64_t entries, offset;
  };
  Directory directory() const;

  struct Entry {
    std::string_view name, extra;
    std::uint64_t packed, size, offset;
  };
  void widen(Entry& entry) const;
  std::string_view contents(const Entry& entry) const;

  const std::string_view bytes_;
  const std::string& file_;
};

Archive::Directory Archive::directory() const {
  constexpr std::string_view kSignature = "PK\5\6"sv;
  const std::size_t end = bytes_.rfind(kSignature);  // a comment may follow
  if (end == bytes_.npos) fail("the zip archive has no end");
  if (at(end, kEndBytes).size() + number(end + 20, 2) != bytes_.size() - end) fail("the zip archive is cut or damaged");
  Directory result{.entries = number(end + 10, 2), .offset = number(end + 16, 4)};
  if (result.entries != kFull16 && result.offset != kFull32) return result;
  if (end < kLocatorBytes) fail("the zip archive is cut or damaged");
  require(end - kLocatorBytes, "PK\6\7"sv);
  const std::uint64_t wide = number(end - kLocatorBytes + 8, 8);
  at(wide, kEnd64Bytes);
  require(wide, "PK\6\6"sv);
  return {.entries = number(wide + 32, 8), .offset = number(wide + 48, 8)};
}

/// Replaces the numbers that did not fit by those of the extra field of 64-bit ones, where they stand in order.
void Archive::widen(Entry& entry) const {
  const auto field = [](std::string_view bytes, std::size_t from, std::size_t count) {
    std::uint64_t value = 0;
    for (std::size_t i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[from + i]);
    return value;
  };
  for (std::string_view extra = entry.extra; extra.size() >= 4;) {
    const std::size_t size = field(extra, 2, 2);
    if (size > extra.size() - 4) break;
    std::string_view own = extra.substr(4, size);
    if (field(extra, 0, 2) == 1) {
      for (std::uint64_t* each : {&entry.size, &entry.packed, &entry.offset}) {
        if (*each != kFull32 || own.size() < 8) continue;
        *each = field(own, 0, 8);
        own.remove_prefix(8);
      }
    }
    extra.remove_prefix(4 + size);
  }
}

std::string_view Archive::contents(const Entry& entry) const {
  require(entry.offset, "PK\3\4"sv);
  at(entry.offset, kHeaderBytes);
  const std::uint64_t name = number(entry.offset + 26, 2), extra = number(entry.offset + 28, 2);
  return at(entry.offset + kHeaderBytes + name + extra, entry.size);
}

std::map<std::string, std::string_view, std::less<>> Archive::entries() const {
  std::map<std::string, std::string_view, std::less<>> result;
  auto [left, offset] = directory();
  for (; left > 0; --left) {
    require(offset, "PK\1\2"sv);
    at(offset, kEntryBytes);
    const std::uint64_t name = number(offset + 28, 2), extra = number(offset + 30, 2);
    Entry entry{.name = at(offset + kEntryBytes, name),
                .extra = at(offset + kEntryBytes + name, extra),
                .packed = number(offset + 20, 4),
                .size = number(offset + 24, 4),
                .offset = number(offset + 42, 4)};
    widen(entry);
    if (number(offset + 10, 2) != 0 || entry.packed != entry.size)
      fail("the entry " + std::string(entry.name) + " of the zip archive is compressed");
    if ((number(offset + 8, 2) & 1) != 0)
      fail("the entry " + std::string(entry.name) + " of the zip archive is encrypted");
    result.emplace(entry.name, contents(entry));
    offset += kEntryBytes + name + extra + number(offset + 32, 2);
  }
  return result;
}

}  // namespace

std::map<std::string, std::string_view, std::less<>> read_zip(std::string_view bytes, const std::string& file) {
  return Archive(bytes, file).entries();
}

}  // namespace octavo

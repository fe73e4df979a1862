#include "tokenizer/normalizer/charsmap.h"

#include "tokenizer/unicode/utf8.h"

#include "octavo/error.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>

namespace octavo {
namespace {

constexpr std::size_t kMaxClusterBytes = 5;

int sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

[[noreturn]] void refuse(const std::string& where, const std::string& found, const std::string& expected) {
  throw Error(where + ": precompiled_charsmap " + found + ", expected " + expected);
}

std::string decode_base64(std::string_view text, const std::string& where) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string result;
  result.reserve(text.size() / 4 * 3 + 3);
  unsigned bits = 0;
  int count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int value = sextet(text[i]);
    if (value < 0) refuse(where, "has a character at " + std::to_string(i) + " that is not base64", "base64");
    bits = bits << 6 | static_cast<unsigned>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    result.push_back(static_cast<char>(bits >> count & 0xff));
  }
  return result;
}

// A unit of the trie.
std::size_t offset_of(std::uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); }
bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t label_of(std::uint32_t unit) { return unit & (1u << 31 | 0xff); }
std::int32_t value_of(std::uint32_t unit) { return static_cast<std::int32_t>(unit & 0x7fffffff); }

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xc0) != 0x80; }));
}

// Where the grapheme cluster ends that begins at `begin`.
std::size_t end_of_cluster(std::string_view text, std::size_t begin) {
  CodePoint last = first_code_point(text.substr(begin));
  std::size_t end = begin + static_cast<std::size_t>(last.bytes);
  utf8proc_int32_t state = 0;
  while (end < text.size()) {
    const CodePoint next = first_code_point(text.substr(end));
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(last.value),
                                         static_cast<utf8proc_int32_t>(next.value), &state)) {
      break;
    }
    end += static_cast<std::size_t>(next.bytes);
    last = next;
  }
  return end;
}

}  // namespace

Charsmap::Charsmap(std::string base64, const std::string& where) : base64_(std::move(base64)) {
  const std::string bytes = decode_base64(base64_, where);
  std::uint32_t size = 0;
  if (bytes.size() < sizeof size) refuse(where, "has " + std::to_string(bytes.size()) + " bytes", "4 and more");
  std::memcpy(&size, bytes.data(), sizeof size);
  if (size == 0 || size % sizeof(std::uint32_t) != 0 || size > bytes.size() - sizeof size) {
    refuse(where, "has a trie of " + std::to_string(size) + " bytes in " + std::to_string(bytes.size()),
           "a multiple of 4 that fits");
  }
  units_.resize(size / sizeof(std::uint32_t));
  std::memcpy(units_.data(), bytes.data() + sizeof size, size);
  texts_ = bytes.substr(sizeof size + size);
  for (std::size_t at = 0; at < texts_.size();) {
    const CodePoint c = first_code_point(std::string_view(texts_).substr(at));
    if (c.value == kReplacementCharacter && !std::string_view(texts_).substr(at).starts_with("\xef\xbf\xbd")) {
      refuse(where, "has an ill-formed character in its replacements", "UTF-8");
    }
    at += static_cast<std::size_t>(c.bytes);
  }
  for (std::size_t i = 0; i < ascii_.size(); ++i) {
    const char c = static_cast<char>(i);
    ascii_[i] = find({&c, 1});
  }
}

// Where the replacement lies of the shortest beginning of the text that the trie has.
std::int32_t Charsmap::find(std::string_view text) const {
  std::size_t at = offset_of(units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) break;
    at ^= byte;
    if (at >= units_.size() || label_of(units_[at]) != byte) break;
    const std::uint32_t unit = units_[at];
    at ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    const std::int32_t value = at < units_.size() ? value_of(units_[at]) : kNone;
    const bool is_text =
        value >= 0 && static_cast<std::size_t>(value) <= texts_.size() &&
        (static_cast<std::size_t>(value) == texts_.size() || (texts_[static_cast<std::size_t>(value)] & 0xc0) != 0x80);
    return is_text ? value : kNone;
  }
  return kNone;
}

std::string_view Charsmap::replacement(std::int32_t at) const {
  const std::string_view rest = std::string_view(texts_).substr(static_cast<std::size_t>(at));
  return rest.substr(0, rest.find('\0'));
}

// Writes what has been found in place of the old characters.
bool Charsmap::replace(std::string_view old, std::int32_t found, TextRewriter& out) const {
  if (found == kNone) return false;
  const std::string_view text = replacement(found);
  const auto old_count = static_cast<int>(count_characters(old)), count = static_cast<int>(count_characters(text));
  int written = 0;
  for (std::size_t at = 0; at < text.size(); ++written) {
    const CodePoint c = first_code_point(text.substr(at));
    out.put(c.value, written < old_count ? 0 : 1);
    at += static_cast<std::size_t>(c.bytes);
  }
  if (count < old_count) out.drop(old_count - count);
  return true;
}

void Charsmap::apply(TextView text, NormalizedText& out) const {
  const std::string_view bytes = text.bytes;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  TextRewriter rewriter(text, out);
  for (std::size_t at = 0; at < bytes.size();) {
    std::size_t kept = at;  // ASCII that stays, and is followed by more of it
    while (kept + 1 < bytes.size() && byte(kept) < 0x80 && byte(kept + 1) < 0x80 && ascii_[byte(kept)] == kNone &&
           bytes[kept] != '\r') {
      ++kept;
    }
    rewriter.keep_ascii(at, kept);
    at = kept;
    const std::size_t end = end_of_cluster(bytes, at);
    const std::string_view cluster = bytes.substr(at, end - at);
    if (cluster.size() > kMaxClusterBytes || !replace(cluster, find(cluster), rewriter)) {
      for (std::size_t i = 0; i < cluster.size();) {
        const CodePoint c = first_code_point(cluster.substr(i));
        const std::string_view character = cluster.substr(i, static_cast<std::size_t>(c.bytes));
        if (!replace(character, find(character), rewriter)) rewriter.put(c.value, 0);
        i += character.size();
      }
    }
    at = end;
  }
  rewriter.finish();
}

}  // namespace octavo

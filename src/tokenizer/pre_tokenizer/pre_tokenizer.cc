#include "tokenizer/pre_tokenizer/pre_tokenizer.h"

#include "tokenizer/unicode/bert_unicode.h"
#include "tokenizer/unicode/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace octavo {
namespace {

enum class Role : std::uint8_t { word, space, alone, beyond_ascii };

constexpr std::array<Role, 256> kRoles = [] {
  std::array<Role, 256> roles = {};
  for (std::size_t i = 0; i < roles.size(); ++i) {
    const bool is_word = (i >= '0' && i <= '9') || (i >= 'A' && i <= 'Z') || (i >= 'a' && i <= 'z');
    const bool is_space = i == ' ' || (i >= '\t' && i <= '\r');
    const bool is_control = i < ' ' || i == 0x7f;
    roles[i] = i >= 0x80               ? Role::beyond_ascii
               : is_space              ? Role::space
               : is_word || is_control ? Role::word
                                       : Role::alone;
  }
  return roles;
}();

enum class Class : std::uint8_t { letter, number, space, other, beyond_ascii };

constexpr std::array<Class, 256> kClasses = [] {
  std::array<Class, 256> classes = {};
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const bool is_letter = (i >= 'A' && i <= 'Z') || (i >= 'a' && i <= 'z');
    const bool is_space = i == ' ' || (i >= '\t' && i <= '\r');
    classes[i] = i >= 0x80              ? Class::beyond_ascii
                 : is_letter            ? Class::letter
                 : i >= '0' && i <= '9' ? Class::number
                 : is_space             ? Class::space
                                        : Class::other;
  }
  return classes;
}();

Class class_beyond_ascii(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return Class::letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Class::number;
    default:
      return is_white_space(c) ? Class::space : Class::other;
  }
}

struct Character {
  Class kind;
  std::size_t bytes;
};

Character character_at(std::string_view text, std::size_t at) {
  const Class kind = kClasses[static_cast<unsigned char>(text[at])];
  if (kind != Class::beyond_ascii) return {kind, 1};
  const CodePoint c = first_code_point(text.substr(at));
  return {class_beyond_ascii(c.value), static_cast<std::size_t>(c.bytes)};
}

// How many bytes the contraction at the text's beginning has, 0 when there is none.
std::size_t contraction(std::string_view text) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  if (std::string_view("stmd").find(text[1]) != std::string_view::npos) return 2;
  const std::string_view two = text.substr(1, 2);
  return two == "re" || two == "ve" || two == "ll" ? 3 : 0;
}

// The end of the white space at `begin`, without its last character if a word follows that may take it.
std::size_t end_of_white_space(std::string_view text, std::size_t begin) {
  std::size_t last = begin, end = begin;
  while (end < text.size()) {
    const Character c = character_at(text, end);
    if (c.kind != Class::space) return last == begin ? end : last;
    last = end;
    end += c.bytes;
  }
  return end;
}

std::size_t end_of_word(std::string_view text, std::size_t begin) {
  if (const std::size_t bytes = contraction(text.substr(begin))) return begin + bytes;
  const std::size_t first = begin + (text[begin] == ' ' && begin + 1 < text.size() ? 1 : 0);
  const Character c = character_at(text, first);
  if (c.kind == Class::space) return end_of_white_space(text, begin);
  std::size_t end = first + c.bytes;
  while (end < text.size()) {
    const Character next = character_at(text, end);
    if (next.kind != c.kind) break;
    end += next.bytes;
  }
  return end;
}

}  // namespace

void BertPreTokenizer::split(std::string_view text, std::vector<Word>& words) const {
  std::size_t word = 0;
  const auto append = [&](std::size_t begin, std::size_t end) {
    if (begin < end) words.push_back({begin, end});
  };
  for (std::size_t at = 0; at < text.size();) {
    Role role = kRoles[static_cast<unsigned char>(text[at])];
    std::size_t length = 1;
    if (role == Role::beyond_ascii) {
      const CodePoint c = first_code_point(text.substr(at));
      length = static_cast<std::size_t>(c.bytes);
      role = is_white_space(c.value) ? Role::space : is_punctuation(c.value) ? Role::alone : Role::word;
    }
    if (role != Role::word) {
      append(word, at);
      if (role == Role::alone) append(at, at + length);
      word = at + length;
    }
    at += length;
  }
  append(word, text.size());
}

std::size_t BertPreTokenizer::find_cut(std::string_view text, std::size_t from) const {
  // These characters separate words in every normalization.
  return std::min(text.find_first_of(" \t\n\r", from), text.size());
}

bool ByteLevel::rewrites(TextView text) const { return add_prefix_space && !text.bytes.starts_with(' '); }

void ByteLevel::rewrite(TextView text, NormalizedText& out) const {
  if (text.bytes.empty()) return;
  if (rewrites(text)) out.append(U' ', text.span(0, static_cast<std::size_t>(first_code_point(text.bytes).bytes)));
  out.append(text);
}

void ByteLevel::split(std::string_view text, std::vector<Word>& words) const {
  if (!use_regex) return words.push_back({0, text.size()});
  for (std::size_t begin = 0; begin < text.size(); begin = words.back().end) {
    words.push_back({begin, end_of_word(text, begin)});
  }
}

std::size_t ByteLevel::find_cut(std::string_view text, std::size_t from) const {
  if (add_prefix_space || !use_regex) return text.size();
  const auto is_ascii = [&](std::size_t i, bool space) {
    const Class kind = kClasses[static_cast<unsigned char>(text[i])];
    return kind != Class::beyond_ascii && (kind == Class::space) == space;
  };
  std::size_t at = from;
  while (at < text.size() && !(is_ascii(at, true) && is_ascii(at - 1, false))) ++at;
  return at;
}

}  // namespace octavo

#include "tokenizer/unicode/unicode_forms.h"

#include "tokenizer/unicode/bert_unicode.h"
#include "tokenizer/unicode/utf8.h"

#include <utf8proc.h>

#include <algorithm>
#include <optional>

namespace octavo {
namespace {

// A character on its way, and what it does to the old ones (TextRewriter::put).
struct Character {
  char32_t value;
  int change;
  int combining_class = 0;
};

int combining_class_of(char32_t c) {
  if (c < 0x300 || is_later_mark(c)) return 0;
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

// The character that two make, nothing when they do not.
std::optional<char32_t> compose(char32_t first, char32_t second) {
  if (second < 0x300) return {};
  utf8proc_int32_t both[] = {static_cast<utf8proc_int32_t>(first), static_cast<utf8proc_int32_t>(second)};
  constexpr auto kOptions = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  if (utf8proc_normalize_utf32(both, 2, kOptions) != 1) return {};
  const auto result = static_cast<char32_t>(both[0]);
  char32_t parts[kMaxDecomposition];
  const bool is_later = decompose(result, parts) == 1;
  return is_later ? std::nullopt : std::optional(result);
}

// Puts what it is given together again as far as it goes, in a single run over the text.
class Composer {
 public:
  explicit Composer(TextRewriter& out) : out_(out) {}

  void put(Character c) {
    if (!starter_) {
      if (c.combining_class != 0) return out_.put(c.value, c.change);
      starter_ = c;
      return;
    }
    const bool is_blocked = last_class_ && *last_class_ >= c.combining_class;
    if (!is_blocked) {
      if (const auto composed = compose(starter_->value, c.value)) {
        starter_ = {*composed, starter_->change + c.change - 1};
        return;
      }
    }
    if (c.combining_class == 0) {
      finish();
      starter_ = c;
    } else {
      marks_.push_back(c);
      last_class_ = c.combining_class;
    }
  }

  void finish() {
    if (starter_) out_.put(starter_->value, starter_->change);
    for (const Character& mark : marks_) out_.put(mark.value, mark.change);
    marks_.clear();
    starter_.reset();
    last_class_.reset();
  }

 private:
  TextRewriter& out_;
  std::optional<Character> starter_;
  std::vector<Character> marks_;  // those that stay behind it
  std::optional<int> last_class_;
};

// Takes what it is given apart and puts marks into their order.
template <typename Sink>
class Decomposer {
 public:
  Decomposer(bool is_compatible, const Sink& sink) : is_compatible_(is_compatible), sink_(sink) {}

  void put(char32_t c) {
    char32_t parts[kMaxCompatibleDecomposition];
    const int count = is_compatible_ ? decompose_compatible(c, parts) : decompose_canonical(c, parts);
    for (int i = 0; i < count; ++i) {
      const Character part = {parts[i], i == 0 ? 0 : 1, combining_class_of(parts[i])};
      if (part.combining_class == 0) {
        finish();
        sink_(part);
      } else {
        marks_.push_back(part);
      }
    }
  }

  void finish() {
    if (marks_.empty()) return;
    std::stable_sort(marks_.begin(), marks_.end(),
                     [](const Character& a, const Character& b) { return a.combining_class < b.combining_class; });
    for (const Character& mark : marks_) sink_(mark);
    marks_.clear();
  }

 private:
  static int decompose_canonical(char32_t c, char32_t (&out)[kMaxCompatibleDecomposition]) {
    char32_t parts[kMaxDecomposition];
    const int count = decompose(c, parts);
    std::copy_n(parts, count, out);
    return count;
  }

  bool is_compatible_;
  const Sink& sink_;
  std::vector<Character> marks_;
};

}  // namespace

void append_in_form(UnicodeForm form, TextView text, NormalizedText& out) {
  TextRewriter rewriter(text, out);
  Composer composer(rewriter);
  const bool composes = form == UnicodeForm::nfc || form == UnicodeForm::nfkc;
  const auto sink = [&](const Character& c) { composes ? composer.put(c) : rewriter.put(c.value, c.change); };
  Decomposer decomposer(form == UnicodeForm::nfkc || form == UnicodeForm::nfkd, sink);
  const auto is_ascii = [&](std::size_t i) { return static_cast<unsigned char>(text.bytes[i]) < 0x80; };
  for (std::size_t at = 0; at < text.bytes.size();) {
    std::size_t end = at;
    while (end < text.bytes.size() && is_ascii(end)) ++end;
    if (end < text.bytes.size() && end > at) --end;  // what follows may combine with the last one
    if (end > at) {
      decomposer.finish();
      composer.finish();
      rewriter.keep_ascii(at, end);
      at = end;
      continue;
    }
    const CodePoint c = first_code_point(text.bytes.substr(at));
    decomposer.put(c.value);
    at += static_cast<std::size_t>(c.bytes);
  }
  decomposer.finish();
  composer.finish();
  rewriter.finish();
}

}  // namespace octavo

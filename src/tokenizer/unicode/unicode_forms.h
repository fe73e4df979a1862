// Unicode's normalization forms, as the tokenizers library makes them: by the tables of Unicode 9.
#pragma once

#include "tokenizer/unicode/normalized_text.h"

namespace octavo {

enum class UnicodeForm { nfc, nfd, nfkc, nfkd };

/// Appends the text in the form. Takes time in n log n.
void append_in_form(UnicodeForm form, TextView text, NormalizedText& out);

/// tokenizer.json's NFC, NFD, NFKC and NFKD.
template <UnicodeForm form>
struct InForm {
  static constexpr const char* kType = form == UnicodeForm::nfc    ? "NFC"
                                       : form == UnicodeForm::nfd  ? "NFD"
                                       : form == UnicodeForm::nfkc ? "NFKC"
                                                                   : "NFKD";
  void apply(TextView text, NormalizedText& out) const { append_in_form(form, text, out); }
};

}  // namespace octavo

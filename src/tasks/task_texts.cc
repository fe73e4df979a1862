#include "tasks/task_texts.h"

#include "tokenizer/unicode/bert_unicode.h"
#include "tokenizer/unicode/utf8.h"

#include "octavo/error.h"
#include "octavo/text_tasks.h"

#include <algorithm>

namespace octavo {

const Model& model_for(TextTask task, const Model& model) {
  require_task(model, task);
  return model;
}

int task_length(const ModelInfo& info, const std::optional<int>& max_length) {
  if (!max_length) return info.max_length;
  if (*max_length < 1 || *max_length > info.max_positions) {
    throw Error(info.name + ": max_length is " + std::to_string(*max_length) + ", expected 1 to " +
                std::to_string(info.max_positions));
  }
  return *max_length;
}

WindowOptions task_windows(int length, const std::optional<int>& overlap) {
  constexpr int kOverlap = 128;
  return {.max_length = length, .overlap = overlap.value_or(std::min(length / 2, kOverlap))};
}

Characters::Characters(std::string_view text) {
  before_.reserve(text.size() + 1);
  std::int32_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) {
    const auto bytes = static_cast<std::size_t>(first_code_point(text.substr(at)).bytes);
    before_.push_back(count);
    before_.resize(at + bytes, count + 1);  // within a character, it has begun
    at += bytes;
  }
  before_.push_back(count);
}

std::string lower_cased_text(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    text.remove_prefix(static_cast<std::size_t>(c.bytes));
    char32_t lower[kMaxLowercase];
    const int count = lowercase(c.value, lower);
    for (int i = 0; i < count; ++i) {
      char bytes[4];
      result.append(bytes, static_cast<std::size_t>(write_utf8(lower[i], bytes)));
    }
  }
  return result;
}

}  // namespace octavo

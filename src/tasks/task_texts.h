// What tasks need of texts: a model's tokenizer, lengths of windows, places in characters.
#pragma once

#include "octavo/model.h"
#include "octavo/tokenizer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// The model itself. Throws Error as require_task() does.
const Model& model_for(TextTask task, const Model& model);

/// `max_length`, or the model's where there is none. Throws Error when the model takes fewer tokens.
int task_length(const ModelInfo& info, const std::optional<int>& max_length);

/// Windows of `length` tokens; by default half of one, at most 128 tokens, is the next one's, too.
WindowOptions task_windows(int length, const std::optional<int>& overlap);

/// From bytes of a text to characters.
class Characters {
 public:
  explicit Characters(std::string_view text);

  /// How many characters begin before this byte.
  std::int32_t before(std::int32_t byte) const { return before_[static_cast<std::size_t>(byte)]; }

 private:
  std::vector<std::int32_t> before_;  // by byte, and one more
};

/// In lower case, so that texts can be compared.
std::string lower_cased_text(std::string_view text);

}  // namespace octavo

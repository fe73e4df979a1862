// What does a tokenizer's model find in a word?
#pragma once

#include "octavo/tokenizer.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace octavo {

/// Ids and where they come from, as they are found in a text.
struct Subwords {
  std::vector<std::int32_t> ids;
  std::vector<ByteRange> spans;
  std::vector<std::int32_t> words = {};  ///< the number of each one's word, where somebody asks for it
  std::vector<std::size_t> added = {};   ///< which of them are added tokens

  void append(std::int32_t id, ByteRange span) {
    ids.push_back(id);
    spans.push_back(span);
  }
};

}  // namespace octavo

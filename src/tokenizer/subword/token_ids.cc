#include "tokenizer/subword/token_ids.h"

#include "octavo/error.h"

#include <bit>
#include <functional>
#include <limits>

namespace octavo {

TokenIds::TokenIds(const std::vector<std::string>& vocabulary, const std::string& where)
    : slots_(std::bit_ceil(2 * vocabulary.size() + 1), -1) {
  std::size_t bytes = 0;
  for (const std::string& token : vocabulary) bytes += token.size();
  if (bytes > std::numeric_limits<std::uint32_t>::max()) {
    throw Error(where + ": the vocabulary has " + std::to_string(bytes) + " bytes, expected less than 4 GiB");
  }
  texts_.reserve(bytes);
  ends_.reserve(vocabulary.size());
  for (const std::string& token : vocabulary) {
    if (!token.empty()) {
      std::int32_t& id = slots_[slot(token)];
      if (id >= 0) {
        throw Error(where + ": token \"" + token + "\" has the ids " + std::to_string(id) + " and " +
                    std::to_string(ends_.size()) + ", expected one");
      }
      id = static_cast<std::int32_t>(ends_.size());
    }
    texts_ += token;
    ends_.push_back(static_cast<std::uint32_t>(texts_.size()));
  }
}

std::string_view TokenIds::text(std::int32_t id) const {
  const auto i = static_cast<std::size_t>(id);
  const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
  return std::string_view(texts_).substr(begin, ends_[i] - begin);
}

std::int32_t TokenIds::find(std::string_view token) const { return slots_[slot(token)]; }

// Where the token's id is, or the empty slot where it belongs.
std::size_t TokenIds::slot(std::string_view token) const {
  std::size_t slot = std::hash<std::string_view>()(token) & (slots_.size() - 1);
  while (slots_[slot] >= 0 && text(slots_[slot]) != token) slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

}  // namespace octavo

// Which id has a token?
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// Ids of a vocabulary's tokens by their text: a hash table over a copy of all texts in one string. Immutable.
class TokenIds {
 public:
  /// Token i of the vocabulary has id i; an empty text is none. `where` stands in messages: Error when a token occurs
  /// twice or all of them have 4 GiB or more.
  TokenIds(const std::vector<std::string>& vocabulary, const std::string& where);

  /// The token's id, or -1.
  std::int32_t find(std::string_view token) const;

  std::size_t size() const { return ends_.size(); }

  /// The text of id 0 to size() - 1.
  std::string_view text(std::int32_t id) const;

 private:
  std::size_t slot(std::string_view token) const;

  std::string texts_;
  std::vector<std::uint32_t> ends_;  // by id, in texts_
  std::vector<std::int32_t> slots_;  // ids, -1 where empty; at most half of them in use
};

}  // namespace octavo

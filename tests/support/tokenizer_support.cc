// What tests ask of a tokenizer.
#include "tests/support/tokenizer_support.h"

#include <ostream>

namespace octavo::test {

Tokenizer open_tokenizer(const nlohmann::json& file) { return Tokenizer::from_json(file.dump(), "t.json"); }

Tokenizer small_tokenizer_with(const std::string& pointer, const nlohmann::json& value) {
  nlohmann::json file = small_tokenizer();
  file[nlohmann::json::json_pointer(pointer)] = value;
  return open_tokenizer(file);
}

std::ostream& operator<<(std::ostream& out, const Piece& piece) {
  return out << piece.token << " [" << piece.span.begin << ", " << piece.span.end << ")";
}

std::vector<Piece> pieces(const Tokenizer& tokenizer, const Tokens& tokens) {
  REQUIRE(tokens.offsets.size() == tokens.ids.size());
  REQUIRE(tokens.type_ids.size() == tokens.ids.size());
  std::vector<Piece> result;
  for (std::size_t i = 0; i < tokens.ids.size(); ++i) {
    result.push_back({std::string(tokenizer.token(tokens.ids[i])), tokens.offsets[i]});
  }
  return result;
}

std::vector<Piece> pieces(const Tokenizer& tokenizer, std::string_view text) {
  return pieces(tokenizer, tokenizer.encode(text));
}

std::string words(const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<Piece> all = pieces(tokenizer, text);
  REQUIRE(all.size() >= 2);
  std::string result;
  for (std::size_t i = 1; i + 1 < all.size(); ++i) result += (i > 1 ? " " : "") + all[i].token;
  return result;
}

void require_same(const Tokenizer& a, const Tokenizer& b, std::span<const std::string> texts) {
  REQUIRE(a.vocab_size() == b.vocab_size());
  for (int id = 0; id < a.vocab_size(); ++id) REQUIRE(a.token(id) == b.token(id));
  for (const std::string& text : texts) {
    const Tokens x = a.encode(text, "b " + text), y = b.encode(text, "b " + text);
    REQUIRE(x.ids == y.ids);
    REQUIRE(x.offsets == y.offsets);
    REQUIRE(x.type_ids == y.type_ids);
    REQUIRE(a.encode(text).ids == b.encode(text).ids);
    REQUIRE(a.decode(x.ids) == b.decode(x.ids));
  }
}

}  // namespace octavo::test

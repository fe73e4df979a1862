#include "octavo/tokenizer.h"

#include "bert_unicode.h"
#include "mapped_file.h"
#include "tokenizer_data.h"
#include "tokenizer_json.h"
#include "utf8.h"

#include "octavo/error.h"

#include <algorithm>
#include <array>
#include <limits>

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

// One text on its way to ids: added tokens, normalization, words, pieces.
class TextReader {
 public:
  TextReader(const Tokenizer::Data& data, std::string_view text) : data_(data), text_(text) {
    pieces_.ids.reserve(text.size() / 4);
    pieces_.spans.reserve(text.size() / 4);
  }

  Pieces read() {
    std::size_t begin = 0;
    while (const auto match = data_.added_raw.find(text_, begin)) {
      read_segment(begin, match->begin);
      pieces_.append(match->id, {static_cast<std::int32_t>(match->begin), static_cast<std::int32_t>(match->end)});
      begin = match->end;
    }
    read_segment(begin, text_.size());
    return std::move(pieces_);
  }

 private:
  // A normalized added token may span words. Otherwise text is taken in chunks that stay in the cache.
  void read_segment(std::size_t begin, std::size_t end) {
    constexpr std::size_t kChunk = 4096;
    while (begin < end) {
      std::string_view chunk = text_.substr(begin, end - begin);
      if (data_.added_normalized.empty() && chunk.size() > kChunk) {
        // These characters separate words in every normalization.
        chunk = chunk.substr(0, chunk.find_first_of(" \t\n\r", kChunk));
      }
      normalized_.clear();
      data_.normalizer.normalize(chunk, static_cast<std::int32_t>(begin), normalized_);
      read_normalized();
      begin += chunk.size();
    }
  }

  void read_normalized() {
    const std::string_view bytes = normalized_.bytes();
    const Span* spans = normalized_.spans();
    std::size_t begin = 0;
    while (const auto match = data_.added_normalized.find(bytes, begin)) {
      read_words(begin, match->begin);
      pieces_.append(match->id, {spans[match->begin].begin, spans[match->end - 1].end});
      begin = match->end;
    }
    read_words(begin, bytes.size());
  }

  // White space separates words, punctuation is a word of its own character by character.
  void read_words(std::size_t begin, std::size_t end) {
    const std::string_view bytes = normalized_.bytes().substr(0, end);
    std::size_t word = begin;
    for (std::size_t at = begin; at < end;) {
      Role role = kRoles[static_cast<unsigned char>(bytes[at])];
      std::size_t length = 1;
      if (role == Role::beyond_ascii) {
        const CodePoint c = first_code_point(bytes.substr(at));
        length = static_cast<std::size_t>(c.bytes);
        role = is_white_space(c.value) ? Role::space : is_punctuation(c.value) ? Role::alone : Role::word;
      }
      if (role != Role::word) {
        read_word(word, at);
        if (role == Role::alone) read_word(at, at + length);
        word = at + length;
      }
      at += length;
    }
    read_word(word, end);
  }

  void read_word(std::size_t begin, std::size_t end) {
    if (begin == end) return;
    data_.model.tokenize(normalized_.bytes().substr(begin, end - begin), normalized_.spans() + begin, pieces_);
  }

  const Tokenizer::Data& data_;
  std::string_view text_;
  NormalizedText normalized_;
  Pieces pieces_;
};

Pieces read_text(const Tokenizer::Data& data, std::string_view text) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error("text to tokenize: has " + std::to_string(text.size()) + " bytes, expected at most " +
                std::to_string(std::numeric_limits<std::int32_t>::max()));
  }
  return TextReader(data, text).read();
}

void truncate(Pieces& pieces, std::size_t length) {
  if (pieces.ids.size() <= length) return;
  pieces.ids.resize(length);
  pieces.spans.resize(length);
}

// The longer text is cut to the length of the shorter, then both alike; an odd token stays with the one that was
// longer, the second if they were equal.
void truncate_longest_first(Pieces& first, Pieces& second, std::size_t room) {
  if (first.ids.size() + second.ids.size() <= room) return;
  const bool first_is_longer = first.ids.size() > second.ids.size();
  Pieces& shorter = first_is_longer ? second : first;
  Pieces& longer = first_is_longer ? first : second;
  truncate(shorter, room / 2);
  truncate(longer, room - shorter.ids.size());
}

// The room that the special tokens leave.
std::size_t room_for_text(const TokenTemplate& tokens, std::optional<int> max_length) {
  if (!max_length) return std::numeric_limits<std::size_t>::max();
  const int special = tokens.special_count();
  if (*max_length < special) {
    throw Error("max_length is " + std::to_string(*max_length) + ", expected at least " + std::to_string(special) +
                " for the special tokens");
  }
  return static_cast<std::size_t>(*max_length - special);
}

Tokens assemble(const TokenTemplate& tokens, const Pieces& first, const Pieces& second) {
  Tokens result;
  const std::size_t count = first.ids.size() + second.ids.size() + static_cast<std::size_t>(tokens.special_count());
  result.ids.reserve(count);
  result.offsets.reserve(count);
  result.type_ids.reserve(count);
  for (const TokenTemplate::Part& part : tokens.parts) {
    if (part.source == TokenTemplate::Source::special) {
      result.ids.push_back(part.id);
      result.offsets.push_back({});
    } else {
      const Pieces& pieces = part.source == TokenTemplate::Source::first_text ? first : second;
      result.ids.insert(result.ids.end(), pieces.ids.begin(), pieces.ids.end());
      result.offsets.insert(result.offsets.end(), pieces.spans.begin(), pieces.spans.end());
    }
    result.type_ids.resize(result.ids.size(), part.type_id);
  }
  return result;
}

}  // namespace

Tokenizer::Tokenizer(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

Tokenizer Tokenizer::from_checkpoint(const std::filesystem::path& directory) {
  const std::filesystem::path json = directory / "tokenizer.json";
  if (std::filesystem::exists(json)) {
    return from_json(MappedFile(json).bytes(), json.string());
  }
  return Tokenizer(std::make_shared<const Data>(read_vocabulary_files(directory), directory.string()));
}

Tokenizer Tokenizer::from_json(std::string_view json, std::string_view name) {
  const std::string where(name);
  return Tokenizer(std::make_shared<const Data>(read_tokenizer_json(json, where), where));
}

std::string Tokenizer::to_json() const { return write_tokenizer_json(*data_); }

Tokens Tokenizer::encode(std::string_view text, std::optional<int> max_length) const {
  const std::size_t room = room_for_text(data_->single, max_length);
  Pieces pieces = read_text(*data_, text);
  const std::size_t before = pieces.ids.size();
  truncate(pieces, room);
  Tokens tokens = assemble(data_->single, pieces, {});
  tokens.truncated = static_cast<std::int32_t>(before - pieces.ids.size());
  return tokens;
}

Tokens Tokenizer::encode(std::string_view text, std::string_view pair, std::optional<int> max_length) const {
  const std::size_t room = room_for_text(data_->pair, max_length);
  Pieces first = read_text(*data_, text), second = read_text(*data_, pair);
  const std::size_t before = first.ids.size() + second.ids.size();
  truncate_longest_first(first, second, room);
  Tokens tokens = assemble(data_->pair, first, second);
  tokens.truncated = static_cast<std::int32_t>(before - first.ids.size() - second.ids.size());
  return tokens;
}

std::string_view Tokenizer::token(std::int32_t id) const {
  if (id < 0 || id >= vocab_size()) {
    throw Error("token id is " + std::to_string(id) + ", expected 0 to " + std::to_string(vocab_size() - 1));
  }
  return data_->vocabulary[static_cast<std::size_t>(id)];
}

int Tokenizer::vocab_size() const { return static_cast<int>(data_->vocabulary.size()); }

}  // namespace octavo

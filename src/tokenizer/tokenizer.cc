#include "octavo/tokenizer.h"

#include "io/mapped_file.h"
#include "tokenizer/tokenizer_data.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/tokenizer_settings.h"
#include "tokenizer/unicode/bert_unicode.h"
#include "tokenizer/unicode/byte_level.h"
#include "tokenizer/unicode/utf8.h"

#include "octavo/error.h"

#include <algorithm>
#include <limits>

namespace octavo {
namespace {

// One text on its way to ids: added tokens, normalization, words, subwords.
class TextReader {
 public:
  TextReader(const Tokenizer::Data& data, std::string_view text, bool counts_words)
      : data_(data), text_(text), counts_words_(counts_words) {
    subwords_.ids.reserve(text.size() / 4);
    subwords_.spans.reserve(text.size() / 4);
  }

  Subwords read() {
    std::size_t begin = 0;
    for (const AddedTokenFinder::Match& match : data_.added_raw.find(text_)) {
      read_segment(begin, match.begin);
      append_added(match.id, {static_cast<std::int32_t>(match.begin), static_cast<std::int32_t>(match.end)});
      begin = match.end;
    }
    read_segment(begin, text_.size());
    return std::move(subwords_);
  }

 private:
  // A normalized added token may span words. Otherwise text is taken in chunks that stay in the cache.
  void read_segment(std::size_t begin, std::size_t end) {
    constexpr std::size_t kChunk = 4096;
    while (begin < end) {
      std::string_view chunk = text_.substr(begin, end - begin);
      if (data_.added_normalized.empty() && data_.normalizer.is_by_character() && chunk.size() > kChunk) {
        chunk = chunk.substr(0, data_.splitter.find_cut(chunk, kChunk));
      }
      data_.normalizer.normalize(chunk, static_cast<std::int32_t>(begin), normalized_, other_);
      read_normalized();
      begin += chunk.size();
    }
  }

  void read_normalized() {
    const std::string_view bytes = normalized_.bytes();
    const ByteRange* spans = normalized_.spans();
    std::size_t begin = 0;
    for (const AddedTokenFinder::Match& match : data_.added_normalized.find(bytes)) {
      if (begin < match.begin) read_words(begin, match.begin);
      append_added(match.id, {spans[match.begin].begin, spans[match.end - 1].end});
      begin = match.end;
    }
    read_words(begin, bytes.size());
  }

  void read_words(std::size_t begin, std::size_t end) {
    data_.splitter.split(normalized_.view().part(begin, end), split_);
    const TextView text = split_.text;
    const auto tokenize_words = [&](const auto& model) {
      for (const Word word : split_.words) {
        model.tokenize(text.bytes.substr(word.begin, word.end - word.begin), text.spans + word.begin, subwords_);
        end_word();
      }
    };
    std::visit(tokenize_words, data_.model);
  }

  void append_added(std::int32_t id, ByteRange span) {
    subwords_.added.push_back(subwords_.ids.size());
    subwords_.append(id, span);
    end_word();
  }

  // All subwords since the last call are one word.
  void end_word() {
    if (counts_words_) subwords_.words.resize(subwords_.ids.size(), word_++);
  }

  const Tokenizer::Data& data_;
  std::string_view text_;
  bool counts_words_;
  std::int32_t word_ = 0;
  NormalizedText normalized_, other_;
  WordSplitter::Result split_;
  Subwords subwords_;
};

bool is_token_space(char32_t c) { return c == byte_level_character(' ') || is_white_space(c); }

int count_spaces_at_begin(std::string_view token) {
  int count = 0;
  for (; !token.empty() && is_token_space(first_code_point(token).value); ++count) {
    token.remove_prefix(static_cast<std::size_t>(first_code_point(token).bytes));
  }
  return count;
}

int count_spaces_at_end(std::string_view token) {
  int count = 0;
  for (; !token.empty() && is_token_space(last_code_point(token, token.size()).value); ++count) {
    token.remove_suffix(static_cast<std::size_t>(last_code_point(token, token.size()).bytes));
  }
  return count;
}

// As the tokenizers library's ByteLevel does it: off come as many characters of the text as the token has spaces,
// except that a first token keeps a single one where one may have been added to it.
void trim_spaces(const Tokenizer::Data& data, std::string_view text, Subwords& subwords) {
  auto added = subwords.added.begin();
  for (std::size_t i = 0; i < subwords.ids.size(); ++i) {
    const std::int32_t id = subwords.ids[i];
    ByteRange& span = subwords.spans[i];
    const auto rest = [&] { return text.substr(0, static_cast<std::size_t>(span.end)); };
    // An added token has the white space that it took, a piece that Unigram does not know its own.
    const auto* pieces = std::get_if<Unigram>(&data.model);
    const bool is_added = added != subwords.added.end() && *added == i;
    if (is_added) ++added;
    const bool is_text = is_added || (pieces && id == pieces->options().unknown_id);
    const std::string_view token =
        is_text ? rest().substr(static_cast<std::size_t>(span.begin)) : data.vocabulary[static_cast<std::size_t>(id)];
    int spaces = count_spaces_at_begin(token);
    const bool is_first = i == 0 || span.begin == 0;
    if (is_first && data.trimming.keeps_first_space && spaces == 1) spaces = 0;
    for (; spaces > 0 && span.begin < span.end; --spaces) {
      const CodePoint c = first_code_point(rest().substr(static_cast<std::size_t>(span.begin)));
      span.begin = std::min(span.begin + c.bytes, span.end);
    }
    for (spaces = count_spaces_at_end(token); spaces > 0 && span.begin < span.end; --spaces) {
      span.end = std::max(span.end - last_code_point(rest(), rest().size()).bytes, span.begin);
    }
  }
}

Subwords read_text(const Tokenizer::Data& data, std::string_view text, bool counts_words = false) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    throw Error("text to tokenize: has " + std::to_string(text.size()) + " bytes, expected at most " +
                std::to_string(std::numeric_limits<std::int32_t>::max()));
  }
  Subwords subwords = TextReader(data, text, counts_words).read();
  if (data.trimming.is_on) trim_spaces(data, text, subwords);
  return subwords;
}

void truncate(Subwords& subwords, std::size_t length) {
  if (subwords.ids.size() <= length) return;
  subwords.ids.resize(length);
  subwords.spans.resize(length);
}

// The longer text is cut to the length of the shorter, then both alike; an odd token stays with the one that was
// longer, the second if they were equal.
void truncate_longest_first(Subwords& first, Subwords& second, std::size_t room) {
  if (first.ids.size() + second.ids.size() <= room) return;
  const bool first_is_longer = first.ids.size() > second.ids.size();
  Subwords& shorter = first_is_longer ? second : first;
  Subwords& longer = first_is_longer ? first : second;
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

Tokens assemble(const TokenTemplate& tokens, const Subwords& first, const Subwords& second) {
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
      const Subwords& subwords = part.source == TokenTemplate::Source::first_text ? first : second;
      result.ids.insert(result.ids.end(), subwords.ids.begin(), subwords.ids.end());
      result.offsets.insert(result.offsets.end(), subwords.spans.begin(), subwords.spans.end());
    }
    result.type_ids.resize(result.ids.size(), part.type_id);
  }
  return result;
}

Subwords part_of(const Subwords& subwords, std::size_t begin, std::size_t end) {
  const auto cut = [&](const auto& all) {
    return std::decay_t<decltype(all)>(all.begin() + static_cast<std::ptrdiff_t>(begin),
                                       all.begin() + static_cast<std::ptrdiff_t>(end));
  };
  return {.ids = cut(subwords.ids), .spans = cut(subwords.spans), .words = cut(subwords.words)};
}

// As the tokenizers library cuts a text that overflows: `text` is the first of the template, or the second.
std::vector<TokenWindow> cut_windows(const TokenTemplate& tokens, const Subwords& before, const Subwords& text,
                                     const WindowOptions& options) {
  const bool is_pair = &before != &text;
  const std::size_t others =
      static_cast<std::size_t>(tokens.special_count()) + (is_pair ? before.ids.size() : std::size_t{0});
  if (options.max_length < 1 || static_cast<std::size_t>(options.max_length) <= others) {
    throw Error("max_length is " + std::to_string(options.max_length) + ", expected more than " +
                std::to_string(others) + ": special tokens" + (is_pair ? " and the first text" : "") +
                " leave no room");
  }
  const std::size_t room = static_cast<std::size_t>(options.max_length) - others, count = text.ids.size(),
                    step = room - std::min(static_cast<std::size_t>(std::max(options.overlap, 0)), room - 1);
  std::vector<TokenWindow> result;
  for (std::size_t begin = 0, end = 0; begin == 0 || end < count; begin += step) {
    end = std::min(begin + room, count);
    const Subwords part = part_of(text, begin, end);
    std::size_t first = 0;
    for (const TokenTemplate::Part& each : tokens.parts) {
      if (each.source == (is_pair ? TokenTemplate::Source::second_text : TokenTemplate::Source::first_text)) break;
      first += each.source == TokenTemplate::Source::special ? 1 : before.ids.size();
    }
    result.push_back({.tokens = is_pair ? assemble(tokens, before, part) : assemble(tokens, part, {}),
                      .first = static_cast<std::int32_t>(first),
                      .words = part.words});
  }
  return result;
}

void require_token(std::int32_t id, int count) {
  if (id >= 0 && id < count) return;
  throw Error("token id is " + std::to_string(id) + ", expected 0 to " + std::to_string(count - 1));
}

}  // namespace

Tokenizer::Tokenizer(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

Tokenizer Tokenizer::from_checkpoint(const std::filesystem::path& directory, int types) {
  const std::filesystem::path json = directory / "tokenizer.json";
  std::string where = directory.string();
  TokenizerParts parts;
  if (std::filesystem::exists(json)) {
    where = json.string();
    parts = read_tokenizer_json(MappedFile(json).bytes(), where);
    apply_tokenizer_settings(directory, parts);
  } else if (std::filesystem::exists(directory / "merges.txt")) {
    parts = read_merges_files(directory);
  } else {
    parts = read_vocabulary_files(directory);
  }
  warn_of_unknown_keys(directory, parts);
  if (types < 2 || !gives_types(directory)) {
    for (TokenTemplate* tokens : {&parts.single, &parts.pair})
      for (TokenTemplate::Part& part : tokens->parts) part.type_id = 0;
  }
  return Tokenizer(std::make_shared<const Data>(std::move(parts), where));
}

Tokenizer Tokenizer::from_json(std::string_view json, std::string_view name) {
  const std::string where(name);
  return Tokenizer(std::make_shared<const Data>(read_tokenizer_json(json, where), where));
}

std::string Tokenizer::to_json() const { return write_tokenizer_json(*data_); }

Tokens Tokenizer::encode(std::string_view text, std::optional<int> max_length) const {
  const std::size_t room = room_for_text(data_->single, max_length);
  Subwords subwords = read_text(*data_, text);
  const std::size_t before = subwords.ids.size();
  truncate(subwords, room);
  Tokens tokens = assemble(data_->single, subwords, {});
  tokens.truncated = static_cast<std::int32_t>(before - subwords.ids.size());
  return tokens;
}

Tokens Tokenizer::encode(std::string_view text, std::string_view pair, std::optional<int> max_length) const {
  const std::size_t room = room_for_text(data_->pair, max_length);
  Subwords first = read_text(*data_, text), second = read_text(*data_, pair);
  const std::size_t before = first.ids.size() + second.ids.size();
  truncate_longest_first(first, second, room);
  Tokens tokens = assemble(data_->pair, first, second);
  tokens.truncated = static_cast<std::int32_t>(before - first.ids.size() - second.ids.size());
  return tokens;
}

std::vector<TokenWindow> Tokenizer::windows(std::string_view text, const WindowOptions& options) const {
  const Subwords subwords = read_text(*data_, text, true);
  return cut_windows(data_->single, subwords, subwords, options);
}

std::vector<TokenWindow> Tokenizer::windows(std::string_view text, std::string_view pair,
                                            const WindowOptions& options) const {
  return cut_windows(data_->pair, read_text(*data_, text), read_text(*data_, pair, true), options);
}

std::int32_t Tokenizer::id(std::string_view token) const {
  const std::int32_t id = std::visit([&](const auto& model) { return model.id(token); }, data_->model);
  if (id >= 0) return id;
  const auto added = std::ranges::find(data_->added_tokens, token, &AddedToken::content);
  return added == data_->added_tokens.end() ? -1 : added->id;
}

std::int32_t Tokenizer::unknown_id() const {
  if (const auto* words = std::get_if<WordPiece>(&data_->model)) return words->id(words->options().unk_token);
  if (const auto* pieces = std::get_if<Unigram>(&data_->model)) return pieces->options().unknown_id;
  return std::get<Bpe>(data_->model).unknown_id();
}

std::int32_t Tokenizer::mask_id() const { return data_->mask_id; }

bool Tokenizer::is_special(std::int32_t id) const {
  require_token(id, vocab_size());
  return data_->kinds[static_cast<std::size_t>(id)] == TokenKind::special;
}

std::string_view Tokenizer::continuing_subword_prefix() const {
  const auto* words = std::get_if<WordPiece>(&data_->model);
  return words ? std::string_view(words->options().continuing_subword_prefix) : "";
}

std::string_view Tokenizer::token(std::int32_t id) const {
  require_token(id, vocab_size());
  return data_->vocabulary[static_cast<std::size_t>(id)];
}

const std::vector<std::string>& Tokenizer::warnings() const { return data_->warnings; }

int Tokenizer::vocab_size() const { return static_cast<int>(data_->vocabulary.size()); }

}  // namespace octavo

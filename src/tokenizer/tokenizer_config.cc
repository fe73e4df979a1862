#include "tokenizer/tokenizer_config.h"

#include "io/mapped_file.h"
#include "tokenizer/unicode/utf8.h"

#include "octavo/error.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace octavo {
namespace {

void check_utf8(std::string_view token, std::size_t line, const std::string& where) {
  for (std::size_t i = 0; i < token.size();) {
    const CodePoint c = first_code_point(token.substr(i));
    if (c.value == kReplacementCharacter && !token.substr(i).starts_with("\xef\xbf\xbd")) {
      throw Error(where + ": line " + std::to_string(line) + " has an ill-formed character, expected UTF-8");
    }
    i += static_cast<std::size_t>(c.bytes);
  }
}

AddedToken read_decoder_entry(const std::string& id, const nlohmann::json& value, const std::string& where) {
  const JsonObject entry(value, where + ": added_tokens_decoder: " + id);
  int number = -1;
  const auto parsed = std::from_chars(id.data(), id.data() + id.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != id.data() + id.size() || number < 0) {
    throw Error(where + ": added_tokens_decoder has the key \"" + id + "\", expected an id");
  }
  return {.id = number,
          .content = entry.text("content"),
          .special = entry.flag("special"),
          .normalized = entry.flag("normalized"),
          .single_word = entry.flag("single_word"),
          .lstrip = entry.flag("lstrip"),
          .rstrip = entry.flag("rstrip")};
}

}  // namespace

std::vector<std::string> read_lines(const std::filesystem::path& file) {
  const MappedFile mapped(file);
  std::vector<std::string> lines;
  for (std::string_view rest = mapped.bytes(); !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    check_utf8(line, lines.size() + 1, file.string());
    lines.emplace_back(line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

nlohmann::json read_json_file(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return nlohmann::json::object();
  nlohmann::json result = parse_json(MappedFile(file).bytes(), file.string());
  if (!result.is_object()) throw Error(file.string() + ": is a JSON " + result.type_name() + ", expected an object");
  return result;
}

Vocabulary read_vocabulary(JsonMembers members, const std::string& where) {
  constexpr std::size_t kIds = 65536, kIdsPerToken = 4;
  const std::size_t count = members.size(), most = std::max(kIds, kIdsPerToken * count);
  Vocabulary result;
  std::vector<bool> is_taken;
  result.tokens.reserve(count);
  for (auto& [token, id] : members) {
    const auto number = id.is_number_unsigned() ? id.get<std::uint64_t>() : std::numeric_limits<std::uint64_t>::max();
    if (number >= most) {
      throw Error(where + " has \"" + token + "\" with id " + id.dump() + ", expected 0 to " +
                  std::to_string(most - 1) + " for " + std::to_string(count) + " tokens");
    }
    const auto i = static_cast<std::size_t>(number);
    if (i >= result.tokens.size()) {
      result.tokens.resize(i + 1);
      is_taken.resize(i + 1);
    }
    if (is_taken[i]) {
      throw Error(where + " has \"" + result.tokens[i] + "\" and \"" + token + "\" with id " + std::to_string(i) +
                  ", expected one token for each id");
    }
    result.tokens[i] = std::move(token);
    is_taken[i] = true;
  }
  result.holes = result.tokens.size() - count;
  return result;
}

Bpe::MergedPair split_merge(std::string_view text, std::size_t rank, const std::string& where) {
  const std::size_t space = text.find(' ');
  if (space == 0 || space >= text.size() - 1 || text.find(' ', space + 1) != std::string_view::npos) {
    throw Error(where + ": merge " + std::to_string(rank) + " is \"" + std::string(text) +
                "\", expected two tokens with a space between them");
  }
  return {std::string(text.substr(0, space)), std::string(text.substr(space + 1))};
}

std::vector<AddedToken> read_added_tokens_decoder(const nlohmann::json& config, const std::string& where) {
  std::vector<AddedToken> result;
  if (!JsonObject(config, where).has("added_tokens_decoder")) return result;
  JsonObject(config, where).section("added_tokens_decoder");  // an Error unless it is an object
  for (const auto& [id, value] : config["added_tokens_decoder"].items()) {
    result.push_back(read_decoder_entry(id, value, where));
  }
  return result;
}

void refuse_added_tokens_file(const std::filesystem::path& directory) {
  if (!std::filesystem::exists(directory / "added_tokens.json")) return;
  throw Error((directory / "added_tokens.json").string() +
              ": is not supported, expected added_tokens_decoder in tokenizer_config.json, or a tokenizer.json");
}

void sort_by_id(std::vector<AddedToken>& tokens) {
  std::sort(tokens.begin(), tokens.end(), [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
}

std::string special_text(const nlohmann::json& config, const std::string& key, const char* otherwise,
                         const std::string& where) {
  const auto found = config.find(key);
  if (found != config.end() && found->is_object()) return JsonObject(*found, where + ": " + key).text("content");
  return JsonObject(config, where).text_or(key, otherwise);
}

std::vector<std::string> special_texts(const nlohmann::json& config, const std::string& key, const std::string& where) {
  const nlohmann::json list = config.value(key, nlohmann::json());
  if (list.is_null()) return {};
  if (!list.is_array() && !list.is_object()) JsonObject(config, where).fail(key, "a list of tokens");
  std::vector<std::string> result;
  for (const nlohmann::json& token : list) result.push_back(special_text({{key, token}}, key, "", where));
  return result;
}

SpecialTokens::SpecialTokens(const std::vector<std::string>& vocabulary, std::vector<AddedToken>& tokens)
    : tokens_(tokens) {
  for (std::size_t i = 0; i < vocabulary.size(); ++i) ids_.emplace(vocabulary[i], static_cast<std::int32_t>(i));
  for (const AddedToken& token : tokens) added_ids_.emplace(token.content, token.id);
}

std::int32_t SpecialTokens::add(const std::string& text) {
  const auto known = added_ids_.find(text);
  if (known != added_ids_.end()) return known->second;
  const auto found = ids_.find(text);
  if (found == ids_.end()) return -1;
  added_ids_.emplace(text, found->second);
  tokens_.push_back({.id = found->second, .content = text, .special = true});
  return found->second;
}

}  // namespace octavo

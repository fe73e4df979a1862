// Tests of a byte-level tokenizer's files: what is read, what is refused and in which words, what is written.
#include "tests/support/byte_level_support.h"
#include "tests/support/temporary_directory.h"

#include "octavo/tokenizer.h"

using nlohmann::json;
using octavo::Error;
using octavo::Tokenizer;
using octavo::Tokens;
using octavo::test::bpe_words;
using octavo::test::open_tokenizer;
using octavo::test::refusal;
using octavo::test::require_same;
using octavo::test::small_bpe;
using octavo::test::small_bpe_with;
using octavo::test::TemporaryDirectory;
using octavo::test::write_bytes;

namespace {

using Ids = std::vector<std::int32_t>;

std::string refusal_with(const std::string& pointer, const json& value) {
  return refusal([&] { small_bpe_with(pointer, value); });
}

const std::string kTexts[] = {"", "hello w's  12\xc3\xa9 </s>x \n", "\xff\x80 ab" + std::string("\0\x01", 2),
                              std::string(120, 'a') + " ab"};

/// What stands in a checkpoint directory.
struct Files {
  std::string vocabulary = octavo::test::vocabulary_json(octavo::test::small_bpe_vocabulary()).dump();
  std::string merges = [] {
    std::string text = "#version: 0.2\n";
    for (const std::string& merge : octavo::test::small_bpe_merges()) text += merge + "\n";
    return text;
  }();
  json tokenizer_config = {}, special_tokens_map = {}, config = {};
};

Tokenizer from_files(const Files& files) {
  const TemporaryDirectory directory;
  write_bytes(directory / "vocab.json", files.vocabulary);
  write_bytes(directory / "merges.txt", files.merges);
  const auto write = [&](const char* name, const json& value) {
    if (!value.is_null()) write_bytes(directory / name, value.dump());
  };
  write("tokenizer_config.json", files.tokenizer_config);
  write("special_tokens_map.json", files.special_tokens_map);
  write("config.json", files.config);
  return Tokenizer::from_checkpoint(directory.path());
}

std::string refusal_of(const Files& files) {
  const std::string message = refusal([&] { from_files(files); });
  return message.substr(message.rfind('/') + 1);  // without the directory
}

}  // namespace

TEST_CASE("from_json(to_json()) is the same byte-level tokenizer, and writes the same text again") {
  std::vector<json> files(6, small_bpe());
  files[1]["pre_tokenizer"]["add_prefix_space"] = true;
  files[2]["post_processor"] = nullptr;
  files[3]["post_processor"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
  files[4]["added_tokens"][0].update({{"lstrip", true}, {"normalized", false}});
  files[5]["normalizer"] = {{"type", "Lowercase"}};
  for (std::size_t i = 0; i < files.size(); ++i) {
    CAPTURE(i);
    const Tokenizer tokenizer = open_tokenizer(files[i]), again = Tokenizer::from_json(tokenizer.to_json());
    require_same(tokenizer, again, kTexts);
    REQUIRE(again.to_json() == tokenizer.to_json());
  }
}

TEST_CASE("merges are strings with a space or pairs of strings") {
  json pairs = json::array();
  for (const std::string& merge : octavo::test::small_bpe_merges()) {
    const std::size_t space = merge.find(' ');
    pairs.push_back({merge.substr(0, space), merge.substr(space + 1)});
  }
  require_same(small_bpe_with("/model/merges", pairs), open_tokenizer(small_bpe()), kTexts);
}

TEST_CASE("a component of a byte-level tokenizer that is not supported is an Error that names it") {
  CHECK(refusal_with("/pre_tokenizer/x", 1).starts_with("t.json: pre_tokenizer: x is 1, expected only the keys"));
  CHECK(refusal_with("/decoder", {{"type", "Metaspace"}}) ==
        "t.json: decoder: replacement is missing, expected a string");
  CHECK(refusal_with("/post_processor", {{"type", "ByteLevel"}}) ==
        "t.json: post_processor: trim_offsets is missing, expected true or false");
  CHECK(refusal_with("/model/type", "WordLevel") ==
        "t.json: model WordLevel is not supported, expected WordPiece, BPE or Unigram");
  CHECK(refusal_with("/model/dropout", 0.5) == "t.json: model: dropout is 0.5, expected nothing, 0 or false");
  CHECK(refusal_with("/model/x", 1).starts_with("t.json: model: x is 1, expected only the keys"));
  CHECK_NOTHROW(small_bpe_with("/model/unk_token", "</s>"));
  CHECK_NOTHROW(small_bpe_with("/model/dropout", 0.0));
}

TEST_CASE("a merge is two tokens whose union is one, once") {
  CHECK(refusal_with("/model/merges", nullptr) == "t.json: model: merges are a JSON null, expected an array");
  CHECK(refusal_with("/model/merges", {"h e", 5}) ==
        "t.json: model: merge 1 is a JSON number, expected a string or an array of two");
  CHECK(refusal_with("/model/merges", {{{"h", "e", "l"}}}).find("merge 0 is a JSON array") != std::string::npos);
  for (const std::string bad : {"", " ", "he", "h e ", " h e", "h  e", "h e l"}) {
    CHECK(refusal_with("/model/merges", {"l l", bad}) ==
          "t.json: merge 1 is \"" + bad + "\", expected two tokens with a space between them");
  }
  for (const std::string bad : {"h zz", "zz e", "e h"}) {
    CHECK(refusal_with("/model/merges", {bad}) ==
          "t.json: merge 0 is \"" + bad + "\", expected both tokens and their union in the vocabulary");
  }
  CHECK(refusal_with("/model/merges", {"h e", "l l", "h e"}) ==
        "t.json: merge 2 is \"h e\", expected it once, but it is merge 0 too");
  CHECK(bpe_words(small_bpe_with("/model/merges", json::array()), "he") == "h|e");
}

TEST_CASE("a vocabulary has a token for each byte, each id and each token once") {
  json file = small_bpe();
  file["model"]["vocab"].erase("Ġ");
  file["model"]["vocab"]["new"] = 32;
  CHECK(refusal([&] { open_tokenizer(file); }) ==
        "t.json: the vocabulary has no \"Ġ\" for byte 32, expected a token for each of the 256");
  CHECK(refusal_with("/model/vocab/new", 65536) ==
        "t.json: model: vocab has \"new\" with id 65536, expected 0 to 65535 for 268 tokens");
  std::string text = small_bpe().dump();
  text.insert(text.find("\"vocab\":{") + 9, "\"he\":267,");
  CHECK(refusal([&] { Tokenizer::from_json(text, "t.json"); }) ==
        "t.json: token \"he\" has the ids 257 and 267, expected one");
}

TEST_CASE("a byte-level tokenizer.json with any byte changed or left out is a tokenizer or an Error") {
  const std::string text = small_bpe().dump();
  int accepted = 0;
  const auto read = [&](const std::string& broken) {
    try {
      const Tokenizer tokenizer = Tokenizer::from_json(broken);
      for (const std::string& sample : kTexts) tokenizer.decode(tokenizer.encode(sample).ids);
      ++accepted;
    } catch (const Error&) {
    }
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string broken = text;
    broken[i] = "\"09-{]a\xff"[i % 8];
    read(broken);
    read(text.substr(0, i) + text.substr(i + 1));
    read(text.substr(0, i));
  }
  CHECK(accepted > 0);
  CHECK(accepted < static_cast<int>(text.size()));
}

TEST_CASE("a directory without tokenizer.json is read from vocab.json and merges.txt") {
  json file = small_bpe();
  file["post_processor"] = nullptr;
  file["added_tokens"] = json::array();
  const Tokenizer expected = open_tokenizer(file);
  require_same(from_files({}), expected, kTexts);
  Files files;
  files.merges = files.merges.substr(files.merges.find('\n') + 1);
  require_same(from_files(files), expected, kTexts);
  for (std::size_t i = 0; (i = files.merges.find('\n', i)) != std::string::npos; i += 2) files.merges.insert(i, "\r");
  require_same(from_files(files), expected, kTexts);
}

TEST_CASE("tokenizer_config.json, special_tokens_map.json and config.json say what begins a text and what is special") {
  const json end = {{"content", "</s>"}, {"lstrip", false}};
  const auto ids = [](const json& tokenizer_config, const json& map, const json& config, const std::string& text) {
    return from_files({.tokenizer_config = tokenizer_config, .special_tokens_map = map, .config = config})
        .encode(text)
        .ids;
  };
  const Ids plain = {'a', '<', '/', 's', '>'};
  CHECK(ids({}, {}, {}, "a</s>") == plain);
  CHECK(ids({}, {}, {{"prefix", "</s>"}}, "a</s>") == Ids{256, 'a', 256});
  CHECK(ids({{"add_bos_token", false}}, {}, {{"prefix", "</s>"}}, "a</s>") == plain);
  CHECK(ids({{"add_bos_token", true}, {"bos_token", end}}, {}, {}, "a") == Ids{256, 'a'});
  CHECK(ids({{"add_bos_token", true}}, {{"bos_token", "</s>"}}, {}, "a") == Ids{256, 'a'});
  CHECK(ids({{"eos_token", "</s>"}}, {}, {}, "a</s>") == Ids{'a', 256});
  CHECK(ids({}, {{"pad_token", end}}, {}, "a</s>") == Ids{'a', 256});
  CHECK(ids({{"add_prefix_space", true}}, {}, {}, "w") == Ids{261});
  const Tokenizer pairs = from_files({.config = {{"prefix", "</s>"}}});
  CHECK(pairs.encode("a", "b").ids == Ids{256, 'a', 256, 'b'});
  CHECK(pairs.encode("a", "b").type_ids == Ids{0, 0, 1, 1});
}

TEST_CASE("merges files that are missing, damaged or ask for more are Errors that name the file and the key") {
  const auto with_config = [](const json& config) { return refusal_of({.tokenizer_config = config}); };
  CHECK(with_config({{"tokenizer_class", "RobertaTokenizer"}}) ==
        "tokenizer_config.json: tokenizer_class is \"RobertaTokenizer\", expected GPT2Tokenizer, or a tokenizer.json "
        "beside it");
  CHECK(with_config({{"add_eos_token", true}}) == "tokenizer_config.json: add_eos_token is true, expected false");
  CHECK(with_config({{"add_bos_token", true}}) ==
        "tokenizer_config.json: bos_token is missing, expected a token, since add_bos_token is true");
  CHECK(with_config({{"add_bos_token", 1}}) == "tokenizer_config.json: add_bos_token is 1, expected true or false");
  CHECK(with_config({{"eos_token", "<end>"}}) ==
        "tokenizer_config.json: has the special token \"<end>\", expected a token of vocab.json");
  CHECK(with_config(json::array()) == "tokenizer_config.json: is a JSON array, expected an object");
  CHECK(refusal_of({.config = {{"prefix", "Once upon"}}})
            .ends_with("texts begin with \"Once upon\", expected a token of vocab.json"));
  CHECK(refusal_of({.vocabulary = "[]"}) == "vocab.json: is a JSON array, expected an object of tokens and ids");
  CHECK(refusal_of({.vocabulary = "{"}) == "vocab.json: is not valid JSON");
  CHECK(refusal_of({.vocabulary = "{\"a\":-1}"}) ==
        "vocab.json: has \"a\" with id -1, expected 0 to 65535 for 1 tokens");
  CHECK(refusal_of({.vocabulary = "{\"a\":0}"}).find("the vocabulary has no \"Ā\" for byte 0") != std::string::npos);
  CHECK(refusal_of({.merges = "h e\n\xff\xff\n"}) == "merges.txt: line 2 has an ill-formed character, expected UTF-8");
  CHECK(refusal_of({.merges = "h e\nhe\n"})
            .ends_with("merge 1 is \"he\", expected two tokens with a space between them"));
  const TemporaryDirectory directory;
  write_bytes(directory / "merges.txt", "");
  CHECK(refusal([&] {
          Tokenizer::from_checkpoint(directory.path());
        }).ends_with("vocab.json: is missing, expected beside merges.txt"));
}

// Tests of a tokenizer's files: what is read, what is refused and in which words, what is written.
#include "tests/support/temporary_directory.h"
#include "tests/support/tokenizer_support.h"

#include "octavo/tokenizer.h"

#include <fstream>
#include <limits>

using nlohmann::json;
using octavo::ByteRange;
using octavo::Error;
using octavo::Tokenizer;
using octavo::Tokens;
using octavo::test::open_tokenizer;
using octavo::test::refusal;
using octavo::test::require_same;
using octavo::test::small_tokenizer;
using octavo::test::small_tokenizer_with;
using octavo::test::TemporaryDirectory;
using octavo::test::words;
using octavo::test::write_bytes;

namespace {

using Ids = std::vector<std::int32_t>;

/// How small_tokenizer() is refused when a value is replaced or added.
std::string refusal_with(const std::string& pointer, const json& value) {
  return refusal([&] { small_tokenizer_with(pointer, value); });
}

std::string refusal_of_text(const std::string& text) {
  return refusal([&] { Tokenizer::from_json(text, "t.json"); });
}

const std::string kTexts[] = {"", "a Hello É 北京! [MASK]x [mask] zzz",
                              "x [MASK] \xff\x80 ab" + std::string("\0\x01", 2), std::string(120, 'a') + " ab"};

/// A directory with vocab.txt and tokenizer_config.json.
Tokenizer from_files(const std::string& vocabulary, const json& config) {
  const TemporaryDirectory directory;
  write_bytes(directory / "vocab.txt", vocabulary);
  write_bytes(directory / "tokenizer_config.json", config.dump());
  return Tokenizer::from_checkpoint(directory.path());
}

const std::string kVocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\né\ne\nE\n北\n##京\n[E1]\n";

std::string refusal_of_files(const std::string& vocabulary, const json& config) {
  const std::string message = refusal([&] { from_files(vocabulary, config); });
  return message.substr(message.rfind('/') + 1);  // without the directory
}

}  // namespace

TEST_CASE("from_json(to_json()) is the same tokenizer, and writes the same text again") {
  std::vector<json> files(9, small_tokenizer());
  files[1]["normalizer"].update({{"lowercase", false}, {"clean_text", false}, {"strip_accents", true}});
  files[2]["normalizer"] = nullptr;
  files[3]["added_tokens"][0].update({{"lstrip", true}, {"single_word", true}});
  files[4]["added_tokens"][0].update({{"normalized", true}, {"rstrip", true}});
  files[5]["post_processor"] = {{"type", "BertProcessing"}, {"cls", {"[CLS]", 2}}, {"sep", {"[SEP]", 3}}};
  files[6]["post_processor"] = nullptr;
  files[7]["model"].update({{"max_input_chars_per_word", 1}, {"unk_token", "a"}, {"continuing_subword_prefix", ""}});
  files[8]["added_tokens"].push_back(files[8]["added_tokens"][0]);
  files[8]["added_tokens"][1].update({{"content", "zz\u00e9\"\n"}, {"id", octavo::test::small_vocabulary().size()}});
  for (std::size_t i = 0; i < files.size(); ++i) {
    CAPTURE(i);
    const Tokenizer tokenizer = open_tokenizer(files[i]), again = Tokenizer::from_json(tokenizer.to_json());
    require_same(tokenizer, again, kTexts);
    REQUIRE(again.to_json() == tokenizer.to_json());
  }
  const Tokenizer shipped = Tokenizer::from_checkpoint(octavo::test::shipped_model());
  require_same(shipped, Tokenizer::from_json(shipped.to_json()), kTexts);
}

TEST_CASE("a component that is not supported is an Error that names it, what it is and what it should be") {
  CHECK(refusal_with("/normalizer", {{"type", "NFX"}}) ==
        "t.json: normalizer NFX is not supported, expected BertNormalizer, Strip, StripAccents, NFC, NFD, NFKC, NFKD, "
        "Lowercase, Nmt, Precompiled, Replace, Prepend, ByteLevel, Sequence or null");
  CHECK(refusal_with("/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {{{"type", "X"}}}}}) ==
        "t.json: pre_tokenizer: pretokenizers[0] X is not supported, expected BertPreTokenizer, ByteLevel, "
        "CharDelimiterSplit, Metaspace, Whitespace, Split, Punctuation, WhitespaceSplit, Digits, UnicodeScripts, "
        "FixedLength, Sequence or null");
  CHECK(refusal_with("/decoder", {{"type", "X"}}).starts_with("t.json: decoder X is not supported, expected "));
  CHECK(refusal_with("/model/type", "WordLevel") ==
        "t.json: model WordLevel is not supported, expected WordPiece, BPE or Unigram");
  CHECK(refusal_with("/model/merges", json::array()) ==
        "t.json: model: merges are there, expected none in a WordPiece model");
  CHECK(refusal_with("/post_processor", {{"type", "X"}}) ==
        "t.json: post_processor X is not supported, expected TemplateProcessing, BertProcessing, RobertaProcessing, "
        "ByteLevel, Sequence or null");
  CHECK(refusal_with("/version", "2.0") == "t.json: version \"2.0\" is not supported, expected \"1.0\"");
  CHECK(refusal_with("/extra", 1) ==
        "t.json: section extra is not supported, expected only those of a tokenizer.json of version 1.0");
  CHECK(refusal_with("/post_processor/single/1/Sequence/id", "C") ==
        "t.json: post_processor sequence C is not supported, expected A or B");
}

TEST_CASE("a flag that the program does not know is an Error that names it, unless it is null") {
  CHECK(refusal_with("/normalizer/fold", true) ==
        "t.json: normalizer: fold is true, expected only the keys type, clean_text, handle_chinese_chars, "
        "strip_accents, lowercase");
  CHECK(refusal_with("/model/dropout", 0.5).starts_with("t.json: model: dropout is 0.5, expected only the keys"));
  CHECK(refusal_with("/pre_tokenizer/x", 1) == "t.json: pre_tokenizer: x is 1, expected only the keys type");
  CHECK(refusal_with("/post_processor/x", 1).starts_with("t.json: post_processor: x is 1, "));
  CHECK(refusal_with("/added_tokens/0/x", 1).starts_with("t.json: added_tokens[0]: x is 1, "));
  CHECK(refusal_with("/normalizer", {{"type", "Lowercase"}, {"x", 1}}).starts_with("t.json: normalizer: x is 1, "));
  CHECK(refusal_with("/post_processor",
                     {{"type", "BertProcessing"}, {"cls", {"[CLS]", 2}}, {"sep", {"[SEP]", 3}}, {"x", 1}})
            .starts_with("t.json: post_processor: x is 1, "));
  CHECK_NOTHROW(small_tokenizer_with("/model/dropout", nullptr));
}

TEST_CASE("a value that is missing or of the wrong type is an Error that names it") {
  for (const char* section : {"added_tokens", "normalizer", "pre_tokenizer", "post_processor", "model"}) {
    json file = small_tokenizer();
    file.erase(section);
    CHECK(refusal([&] { open_tokenizer(file); }) ==
          "t.json: " + std::string(section) + " is missing, expected a section of a tokenizer.json");
    CHECK(refusal_with("/" + std::string(section), 5).find(section) != std::string::npos);
  }
  CHECK(refusal_with("/normalizer/lowercase", 1) == "t.json: normalizer: lowercase is 1, expected true or false");
  CHECK(refusal_with("/model/unk_token", nullptr) == "t.json: model: unk_token is missing, expected a string");
  CHECK(refusal_with("/model/unk_token", "[X]") == "t.json: unk_token is \"[X]\", expected a token of the vocabulary");
  CHECK(refusal_with("/model/max_input_chars_per_word", -1) ==
        "t.json: model: max_input_chars_per_word is -1, expected an integer from 0 to 2147483647");
  CHECK(refusal_with("/added_tokens/0/content", 7) == "t.json: added_tokens[0]: content is 7, expected a string");
  CHECK(refusal_with("/post_processor/pair", json::array()) ==
        "t.json: post_processor has sequence A 0 times and B 0 times for a pair, expected each once");
  CHECK(refusal_with("/post_processor/single", json::array()) ==
        "t.json: post_processor has sequence A 0 times and B 0 times for one text, expected A once");
  CHECK(refusal_with("/post_processor/single/1/Sequence/id", "B") ==
        "t.json: post_processor has sequence A 0 times and B 1 times for one text, expected A once");
  CHECK(refusal_with("/post_processor/special_tokens/[SEP]/ids/0", 36) ==
        "t.json: post_processor has the special token id 36, expected 0 to 35");
  CHECK(refusal_with("/post_processor/special_tokens", json::object()) ==
        "t.json: post_processor: special_tokens: [CLS]: ids is missing, expected an array of integers");
  for (const json& cls : {json("[CLS]"), json({"[CLS]"}), json({"[CLS]", -1}), json({"[CLS]", 1e10}), json()}) {
    CHECK(refusal_with("/post_processor", {{"type", "BertProcessing"}, {"cls", cls}, {"sep", {"[SEP]", 3}}})
              .starts_with("t.json: post_processor: cls is "));
  }
}

TEST_CASE("sections that do not decide about ids are left aside") {
  const Tokenizer expected = open_tokenizer(small_tokenizer());
  require_same(small_tokenizer_with("/truncation", {{"max_length", 3}}), expected, kTexts);
  require_same(small_tokenizer_with("/padding", {{"strategy", {{"Fixed", 128}}}}), expected, kTexts);
}

TEST_CASE("special tokens come from the post-processor, of whichever kind") {
  json file = small_tokenizer();
  file["post_processor"] = {{"type", "BertProcessing"}, {"cls", {"[CLS]", 2}}, {"sep", {"[SEP]", 3}}};
  require_same(open_tokenizer(file), open_tokenizer(small_tokenizer()), kTexts);
  file["post_processor"] = nullptr;
  CHECK(open_tokenizer(file).encode("a").ids == Ids{5});
  CHECK(open_tokenizer(file).encode("a", "b").type_ids == Ids{0, 1});
  CHECK(open_tokenizer(file).encode("a", std::optional(0)).truncated == 1);
  const Tokenizer several = small_tokenizer_with("/post_processor/special_tokens/[CLS]/ids", {2, 4, 2});
  CHECK(several.encode("a b c", 5).ids == Ids{2, 4, 2, 5, 3});
}

TEST_CASE("a tokenizer.json that ends early is an Error wherever it ends") {
  const std::string text = small_tokenizer().dump();
  for (std::size_t length = 0; length < text.size(); ++length) {
    const std::string message = refusal_of_text(text.substr(0, length));
    CAPTURE(length);
    REQUIRE(message == (length == 0 ? "t.json: is empty, expected JSON" : "t.json: is not valid JSON"));
  }
  CHECK(refusal_of_text(text + "}") == "t.json: is not valid JSON");
  CHECK(refusal_of_text("[]") == "t.json: is a JSON array, expected an object");
}

TEST_CASE("a tokenizer.json with any byte changed or left out is a tokenizer or an Error") {
  const std::string text = small_tokenizer().dump();
  int accepted = 0;
  const auto read = [&](const std::string& broken) {
    try {
      const Tokenizer tokenizer = Tokenizer::from_json(broken);
      for (const std::string& sample : kTexts) tokenizer.encode(sample);
      Tokenizer::from_json(tokenizer.to_json());
      ++accepted;
    } catch (const Error&) {
    }
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char byte : {'"', '0', '9', '-', '{', ']', 'a', '\xff', '\0'}) {
      std::string broken = text;
      broken[i] = byte;
      read(broken);
    }
    read(text.substr(0, i) + text.substr(i + 1));
  }
  CHECK(accepted > 0);
  CHECK(accepted < static_cast<int>(text.size()) * 5);
}

TEST_CASE("deep nesting and repeated keys are Errors") {
  CHECK(refusal_of_text("{\"truncation\":" + std::string(1000000, '[') + std::string(1000000, ']') + "}") ==
        "t.json: is nested more than 64 levels deep");
  CHECK(refusal_of_text("{\"normalizer\":null,\"normalizer\":{}}") ==
        "t.json: has the key \"normalizer\" twice in one object, expected once");
}

TEST_CASE("a vocabulary has each id and each token once, and may leave ids out") {
  const auto with = [](const std::string& token, const json& id) {
    json file = small_tokenizer();
    file["model"]["vocab"][token] = id;
    return refusal([&] { open_tokenizer(file); });
  };
  CHECK(with("b", 5) == "t.json: model: vocab has \"a\" and \"b\" with id 5, expected one token for each id");
  CHECK(with("b", 36) == "no Error");
  CHECK(with("b", 65536) == "t.json: model: vocab has \"b\" with id 65536, expected 0 to 65535 for 36 tokens");
  CHECK(with("b", -1) == "t.json: model: vocab has \"b\" with id -1, expected 0 to 65535 for 36 tokens");
  CHECK(with("b", 6.0) == "t.json: model: vocab has \"b\" with id 6.0, expected 0 to 65535 for 36 tokens");
  CHECK(with("b", std::numeric_limits<std::uint64_t>::max()) != "no Error");
  CHECK(with("new", 36) == "no Error");
  CHECK(with("", 36) == "no Error");
  std::string twice = small_tokenizer().dump();
  twice.insert(twice.find("\"vocab\":{") + 9, "\"a\":36,");
  CHECK(refusal_of_text(twice) == "t.json: token \"a\" has the ids 5 and 36, expected one");
  CHECK(refusal_with("/model/vocab", json::object()) ==
        "t.json: unk_token is \"[UNK]\", expected a token of the vocabulary");
  CHECK(refusal_with("/model/vocab", json::array()) ==
        "t.json: model: vocab is a JSON array, expected an object of tokens and ids");
  json file = small_tokenizer();
  file["model"].erase("vocab");
  CHECK(refusal([&] { open_tokenizer(file); }) == "t.json: model: vocab is missing, expected tokens and ids");
}

TEST_CASE("an added token has its id of the vocabulary, or the next one") {
  CHECK(refusal_with("/added_tokens/0/id", 5) ==
        "t.json: added token \"[MASK]\" has id 5, expected 4 after 36 tokens of the model");
  CHECK(refusal_with("/added_tokens/0/id", std::numeric_limits<int>::max()) != "no Error");
  CHECK(refusal_with("/added_tokens/0/content", "new") ==
        "t.json: added token \"new\" has id 4, expected 36 after 36 tokens of the model");
  json file = small_tokenizer();
  file["added_tokens"][0].update({{"content", "new"}, {"id", 36}});
  CHECK(words(open_tokenizer(file), "anewb") == "a new b");
  CHECK(open_tokenizer(file).token(36) == "new");
  file["added_tokens"][0].update({{"content", "\u0301"}, {"normalized", true}});
  CHECK(refusal([&] { open_tokenizer(file); }) == "t.json: added token 36 is empty, expected text");
  file["added_tokens"][0].update({{"content", ""}, {"normalized", false}});
  CHECK(refusal([&] { open_tokenizer(file); }) == "t.json: added token 36 is empty, expected text");
}

TEST_CASE("a directory without tokenizer.json is read from vocab.txt and tokenizer_config.json") {
  const Tokenizer tokenizer = from_files(kVocabulary, json::object());
  CHECK(tokenizer.vocab_size() == 13);
  CHECK(words(tokenizer, "Ab É 北京 [MASK]") == "a ##b e 北 [UNK] [MASK]");
  CHECK(tokenizer.encode("a", "e").ids == Ids{2, 5, 3, 8, 3});
  CHECK(tokenizer.encode("a", "e").type_ids == Ids{0, 0, 0, 1, 1});
  require_same(Tokenizer::from_json(tokenizer.to_json()), tokenizer, kTexts);
  std::string crlf = kVocabulary;
  for (std::size_t i = 0; (i = crlf.find('\n', i)) != std::string::npos; i += 2) crlf.insert(i, "\r");
  require_same(from_files(crlf, json::object()), tokenizer, kTexts);
  require_same(from_files(kVocabulary.substr(0, kVocabulary.size() - 1), json::object()), tokenizer, kTexts);
}

TEST_CASE("tokenizer_config.json decides about case, accents, ideographs and special tokens") {
  const auto with = [](const json& config, const std::string& text) {
    return words(from_files(kVocabulary, config), text);
  };
  CHECK(with({{"do_lower_case", false}}, "E é a") == "E é a");
  CHECK(with({{"do_lower_case", false}, {"strip_accents", true}}, "E é") == "E e");
  CHECK(with({{"strip_accents", false}}, "E É") == "e é");
  CHECK(with({{"strip_accents", nullptr}}, "E É") == "e e");
  CHECK(with({{"tokenize_chinese_chars", false}}, "北京") == "北 ##京");
  CHECK(with({{"additional_special_tokens", {"[E1]"}}}, "a[E1]a") == "a [E1] a");
  CHECK(with({{"additional_special_tokens", {{{"content", "[E1]"}}}}}, "a[E1]a") == "a [E1] a");
  CHECK(with(json::object(), "a[E1]a") != "a [E1] a");
  CHECK(with({{"unk_token", {{"content", "e"}}}}, "zz") == "e");
  CHECK(from_files(kVocabulary, {{"cls_token", "a"}, {"sep_token", "e"}}).encode("").ids == Ids{5, 8});
  const json added = {{"content", "zz"},      {"special", false}, {"normalized", true},
                      {"single_word", false}, {"lstrip", false},  {"rstrip", false}};
  CHECK(with({{"added_tokens_decoder", {{"13", added}}}}, "aZZa") == "a zz a");
}

TEST_CASE("tokenizer files that are missing, damaged or ask for more are Errors that name the file and the key") {
  const json none = json::object();
  CHECK(refusal_of_files(kVocabulary + "a\n", none).ends_with("token \"a\" has the ids 5 and 13, expected one"));
  CHECK(refusal_of_files("[UNK]\na\xff\n", none) == "vocab.txt: line 2 has an ill-formed character, expected UTF-8");
  CHECK(refusal_of_files("[UNK]\n[SEP]\n", none) ==
        "tokenizer_config.json: cls_token is \"[CLS]\", expected a token of vocab.txt");
  CHECK(refusal_of_files(kVocabulary, {{"mask_token", "<mask>"}}) ==
        "tokenizer_config.json: mask_token is \"<mask>\", expected a token of vocab.txt");
  CHECK(refusal_of_files(kVocabulary, {{"tokenizer_class", "RobertaTokenizer"}})
            .starts_with("tokenizer_config.json: tokenizer_class is \"RobertaTokenizer\", expected BertTokenizer"));
  CHECK(refusal_of_files(kVocabulary, {{"do_basic_tokenize", false}}) ==
        "tokenizer_config.json: do_basic_tokenize is false, expected true");
  CHECK(refusal_of_files(kVocabulary, {{"never_split", {"a"}}}) ==
        "tokenizer_config.json: never_split is [\"a\"], expected null");
  CHECK(refusal_of_files(kVocabulary, {{"additional_special_tokens", "[E1]"}}) ==
        "tokenizer_config.json: additional_special_tokens is \"[E1]\", expected a list of tokens");
  CHECK(refusal_of_files(kVocabulary, {{"additional_special_tokens", {"[E2]"}}}) ==
        "tokenizer_config.json: additional_special_tokens has \"[E2]\", expected a token of vocab.txt");
  CHECK(refusal_of_files(kVocabulary, {{"added_tokens_decoder", {{"x", none}}}}) ==
        "tokenizer_config.json: added_tokens_decoder has the key \"x\", expected an id");

  const TemporaryDirectory directory;
  const auto open = [&] { Tokenizer::from_checkpoint(directory.path()); };
  CHECK(refusal(open) ==
        directory.path().string() + ": has neither tokenizer.json nor vocab.txt nor merges.txt, expected one of them");
  write_bytes(directory / "vocab.txt", kVocabulary);
  CHECK(refusal(open).find("tokenizer_config.json: is missing") != std::string::npos);
  write_bytes(directory / "tokenizer_config.json", "{");
  CHECK(refusal(open).ends_with("tokenizer_config.json: is not valid JSON"));
  write_bytes(directory / "tokenizer_config.json", "{}");
  CHECK_NOTHROW(open());
  write_bytes(directory / "added_tokens.json", "{}");
  CHECK(refusal(open).find("added_tokens.json: is not supported") != std::string::npos);
  write_bytes(directory / "tokenizer.json", "");
  CHECK(refusal(open).ends_with("tokenizer.json: is empty, expected JSON"));
}

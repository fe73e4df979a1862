// The commands of text tasks: forms of answers, order over batches and windows, what is refused.
#include "commands/commands.h"
#include "data/grouped_batches.h"
#include "data/sample_batches.h"
#include "data/text_input.h"
#include "tests/support/golden_tasks.h"
#include "tests/support/small_tokenizers.h"
#include "tests/support/tiny_bert.h"
#include "tests/tools/support.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>

using namespace octavo;
using namespace octavo::test;
using namespace octavo::tools;

namespace {

/// A checkpoint of the golden tasks or another one, and files beside it.
class Tiny : public Scratch {
 public:
  /// One that predicts masked tokens, whose table has so many words; small_tokenizer() has 36.
  explicit Tiny(int vocab_size) {
    TinyBert bert({.vocab_size = vocab_size});
    bert.add("cls.predictions.transform.dense.weight", {48, 48}, 0.2f);
    bert.add("cls.predictions.transform.dense.bias", {48}, 0.5f);
    bert.add("cls.predictions.transform.LayerNorm.weight", {48}, 0.1f, 1.0f);
    bert.add("cls.predictions.transform.LayerNorm.bias", {48}, 0.1f);
    bert.add("cls.predictions.bias", {vocab_size}, 2.0f);
    std::filesystem::create_directory(*this / "model");
    bert.write(*this / "model");
    write("model/tokenizer.json", small_tokenizer().dump());
  }

  explicit Tiny(const std::string& name) {
    std::filesystem::create_directory(*this / "model");
    GoldenTasks().write(name, *this / "model");
  }

  /// What a command answers.
  std::string answer(const Command& command, std::vector<std::string> words) const {
    const bool renamed = &command == &kRun;
    words.insert(words.begin(),
                 {command.name, "-m", path("model"), "-t", "1", "-q", renamed ? "-o" : "--output", path("out")});
    std::vector<const char*> arguments;
    for (const std::string& word : words) arguments.push_back(word.c_str());
    command.run(parse(command.syntax(), static_cast<int>(arguments.size()), arguments.data()));
    return read("out");
  }

  nlohmann::json answer_json(const Command& command, std::vector<std::string> words) const {
    words.emplace_back("--json");
    return nlohmann::json::parse(answer(command, std::move(words)));
  }
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("a line is one text or two with a tab between them, or the columns that are asked for") {
  CHECK(read_text_input("a b", {}, "x").text == "a b");
  CHECK_FALSE(read_text_input("a b", {}, "x").pair);
  CHECK(read_text_input("a\tb", {}, "x").pair == "b");
  CHECK_FALSE(read_text_input("a\tb", {1}, "x").pair);
  CHECK(read_text_input("a\tb\tc", {3, 1}, "x").text == "c");
  CHECK_THROWS_WITH(read_text_input("a\tb\tc", {}, "f.txt:7"), Catch::Contains("f.txt:7: has 3 tab-separated texts"));
}

TEST_CASE("inputs of several sequences are answered in order, each with its own rows, whatever the batches are") {
  for (const std::int64_t size : {1, 2, 3, 100}) {
    std::vector<std::vector<float>> answers;
    GroupedBatches batches(
        {.sequences = size, .tokens = 7},
        [](const TokenBatch& batch) {
          Tensor rows(DType::f32, {count_tokens(batch), 1});
          auto out = rows.writable<float>().begin();
          for (const Tokens& sequence : batch.sequences) out = std::ranges::copy(sequence.ids, out).out;
          return rows;
        },
        [](const Tokens& tokens) { return tokens.ids.size(); });
    const auto keep = [&](const Tensor& rows) {
      answers.emplace_back(rows.as<float>().begin(), rows.as<float>().end());
    };
    batches.add({{.ids = {1, 2}}, {.ids = {3}}, {.ids = {4, 5, 6, 7}}}, keep);
    batches.add({{.ids = {8}}}, keep);
    batches.add({{.ids = {9, 10, 11}}, {.ids = {12}}}, keep);
    batches.finish();
    CHECK(answers == std::vector<std::vector<float>>{{1, 2, 3, 4, 5, 6, 7}, {8}, {9, 10, 11, 12}});
  }
}

TEST_CASE("for models that take pairs two columns are one sample, and always where a model needs two texts") {
  const Tiny classes("three_labels"), questions("questions"), entities("entities");
  const std::string file = classes.write("texts.tsv", "a cat\tthe river\t1\n");
  const auto chosen = [&](const Tiny& tiny, std::vector<int> columns) {
    const Model model = Model::from_checkpoint(tiny.path("model"));
    const SampleOptions options{.columns = std::move(columns)};
    std::vector<std::string> samples = choose(file, options, model, {}).calibration;
    std::ranges::sort(samples);
    return samples;
  };
  using Texts = std::vector<std::string>;
  CHECK(chosen(classes, {}) == Texts{"a cat"});
  CHECK(chosen(classes, {1, 2}) == Texts{"a cat\tthe river"});
  CHECK(chosen(questions, {}) == Texts{"a cat\tthe river"});
  CHECK(chosen(entities, {1, 2}) == Texts{"a cat", "the river"});
  CHECK(text_of("a\tb", Model::from_checkpoint(classes.path("model")).info()).pair == "b");
  CHECK_FALSE(text_of("a\tb", Model::from_checkpoint(entities.path("model")).info()).pair);
}

TEST_CASE("classify prints class, score and text, or JSON, one class unless others are asked for") {
  const Tiny tiny("three_labels");
  const nlohmann::json found = tiny.answer_json(kClassify, {"-p", "a cat", "--top-k", "2"});
  CHECK(found.at("index") == 0);
  REQUIRE(found.at("labels").size() == 2);
  CHECK(found["labels"][0]["score"] > found["labels"][1]["score"]);
  tiny.write("pairs.tsv", "1\ta cat\tthe river\n0\ta\ta\n");
  const std::vector<std::string> lines =
      lines_of(tiny.answer(kClassify, {"-f", tiny.path("pairs.tsv"), "--column", "2,3", "-b", "1"}));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].ends_with("\ta cat\tthe river"));
  CHECK(std::ranges::count(lines[1], '\t') == 3);
  CHECK_THROWS_WITH(tiny.answer(kClassify, {"-f", tiny.path("pairs.tsv")}), Catch::Contains("pairs.tsv:1: has 3"));
  CHECK_THROWS_WITH(tiny.answer(kClassify, {"-p", "a", "--image", "a.png"}),
                    Catch::Contains("no effect beside --image"));
  CHECK_THROWS_WITH(tiny.answer(kClassify, {"-p", "a", "--multi-label"}), Catch::Contains("--candidates"));
}

TEST_CASE("classify compares with a column of labels, by name or number, and names the line of one that is neither") {
  const Tiny tiny("three_labels");
  const auto classified = [&](const std::string& text, std::vector<std::string> words) {
    words.insert(words.begin(), {"-f", tiny.write("texts.tsv", text), "--json"});
    return nlohmann::json::parse(lines_of(tiny.answer(kClassify, std::move(words))).back());
  };
  const std::string best = tiny.answer_json(kClassify, {"-p", "a cat"}).at("labels")[0].at("label"),
                    other = best == "good" ? "bad" : "good";
  const std::string rows = "a cat\t" + best + "\na cat\t" + other + "\na cat\t" + best + "\na cat\t" + best + "\n";
  CHECK(classified("text\tclass\n" + rows, {"--labels", "class"}) ==
        nlohmann::json({{"labelled", 4}, {"accuracy", 0.75}}));
  CHECK(classified(rows, {"--labels", "2"}).at("accuracy") == 0.75);
  CHECK(classified(rows, {"--labels", "2", "--column", "1", "--top-k", "3"}).at("labelled") == 4);
  const auto refused = [&](const std::string& text, const std::vector<std::string>& words, const std::string& message) {
    CHECK_THROWS_WITH(classified(text, words), Catch::Contains(message));
  };
  refused(rows + "a cat\tgreat\n", {"--labels", "2"},
          "texts.tsv:5: the label is 'great', expected bad, so so, good or a number from 0 to 2");
  refused(rows + "a cat\t3\n", {"--labels", "2"}, "texts.tsv:5: the label is '3'");
  refused("text\tclass\n" + rows, {"--labels", "2"},
          "--labels with the name of a column leaves out a line of headings");
  refused(rows + "a cat\n", {"--labels", "2"}, "texts.tsv:5: has 1 tab-separated columns, expected column 2");
  refused("text\tclass\n" + rows, {"--labels", "label"},
          "texts.tsv:1: has no column called 'label'; the first line has text, class");
  refused("1\n", {"--labels", "1"}, "texts.tsv:1: has no text");
  refused(rows, {"--labels", "0"}, "--labels is '0', expected a column from 1");
  CHECK_THROWS_WITH(tiny.answer(kClassify, {"-p", "a", "--labels", "2"}), Catch::Contains("--labels is a column"));
  const Tiny several("multi_label"), numbers("regression");
  CHECK_THROWS_WITH(several.answer(kClassify, {"-f", several.write("t.tsv", rows), "--labels", "2"}),
                    Catch::Contains("several of its classes may be true"));
  const std::string file = numbers.write("t.tsv", "a cat\tthe mat\t0.5\nthe river\ta\t-1e3\nMaria\ta\t7\n");
  const std::string last = lines_of(numbers.answer(kClassify, {"-f", file, "--labels", "3", "--json"})).back();
  CHECK(nlohmann::json::parse(last).contains("spearman"));
  CHECK_THROWS_WITH(numbers.answer(kClassify, {"-f", numbers.write("u.tsv", "a\tnan\n"), "--labels", "2"}),
                    Catch::Contains("u.tsv:1: the label is 'nan', expected a number"));
}

TEST_CASE("classify takes candidates where the model is one of natural language inference") {
  const Tiny tiny("entailment");
  const nlohmann::json found =
      tiny.answer_json(kClassify, {"-p", "a cat", "--candidates", "water, the bank,cat", "--top-k", "3"});
  double sum = 0.0;
  for (const nlohmann::json& label : found.at("labels")) sum += label.at("score").get<double>();
  CHECK(found.at("labels").size() == 3);
  CHECK(sum == Approx(1.0));
  CHECK_THROWS_WITH(tiny.answer(kClassify, {"-p", "a", "--candidates", "a,,b"}),
                    Catch::Contains("--candidates is 'a,,b'"));
  CHECK_THROWS_WITH(tiny.answer(kClassify, {"-p", "a\tb", "--candidates", "a"}), Catch::Contains("has two texts"));
}

TEST_CASE("rank prints documents best first, and all of them in one object of JSON") {
  const Tiny tiny("identity");
  const std::vector<std::string> words = {"--query", "the cat", "-p", "a river", "-p", "the cat sat", "-p", "a mat"};
  const nlohmann::json found = tiny.answer_json(kRank, words);
  REQUIRE(found.at("results").size() == 3);
  CHECK(found["results"][0]["score"] >= found["results"][1]["score"]);
  const std::string best = found["results"][0]["text"];
  CHECK(best == words[3 + 2 * found["results"][0]["index"].get<std::size_t>()]);
  std::vector<std::string> top = words;
  top.insert(top.end(), {"--top-k", "1"});
  const std::vector<std::string> lines = lines_of(tiny.answer(kRank, top));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].ends_with("\t" + best));
}

TEST_CASE("tag prints characters, not bytes, and a blank line between texts") {
  const Tiny tiny("entities");
  const std::string text = "Montréal Maria";  // its first entity ends before the second word
  const nlohmann::json found = tiny.answer_json(kTag, {"-p", text, "--aggregation", "first"});
  for (const nlohmann::json& entity : found.at("entities")) {
    CHECK(entity.at("start").get<int>() <= 9);
    CHECK(entity.at("end").get<int>() <= 14);
    CHECK(text.find(entity.at("text").get<std::string>()) != std::string::npos);
  }
  const std::string two = tiny.answer(kTag, {"-p", text, "-p", text, "--aggregation", "none"});
  CHECK(two.find("\n\n") != std::string::npos);
  CHECK_THROWS_WITH(tiny.answer(kTag, {"-p", "a", "--max-length", "100"}),
                    Catch::Contains("max_length is 100, expected 1 to 48"));
}

TEST_CASE("answer takes flags, JSON or a tab, and says which line of a file is neither") {
  const Tiny tiny("questions");
  const nlohmann::json one =
      tiny.answer_json(kAnswer, {"--question", "who lives in Berlin ?", "--context", "Maria lives in Berlin."});
  tiny.write("asked.jsonl", R"({"question": "who lives in Berlin ?", "context": "Maria lives in Berlin."})"
                            "\nwho lives in Berlin ?\tMaria lives in Berlin.\n");
  const std::vector<std::string> lines = lines_of(tiny.answer(kAnswer, {"-f", tiny.path("asked.jsonl"), "--json"}));
  REQUIRE(lines.size() == 2);
  for (const std::string& line : lines) CHECK(nlohmann::json::parse(line).at("answers") == one.at("answers"));
  tiny.write("bad.jsonl", "who\n");
  CHECK_THROWS_WITH(tiny.answer(kAnswer, {"-f", tiny.path("bad.jsonl")}), Catch::Contains("bad.jsonl:1: has no tab"));
  tiny.write("bad.jsonl", R"({"question": 1, "context": "a"})");
  CHECK_THROWS_WITH(tiny.answer(kAnswer, {"-f", tiny.path("bad.jsonl")}), Catch::Contains("expected a JSON object"));
  CHECK_THROWS_WITH(tiny.answer(kAnswer, {"--question", "who"}), Catch::Contains("--context is missing"));
}

TEST_CASE("fill prints a list for each masked place, and a text without one is an error that names its line") {
  const Tiny tiny("masks");
  const nlohmann::json found = tiny.answer_json(kFill, {"-p", "the [MASK] sat on the [MASK]", "--top-k", "2"});
  REQUIRE(found.at("masks").size() == 2);
  CHECK(found["masks"][0].size() == 2);
  CHECK(lines_of(tiny.answer(kFill, {"-p", "a [MASK]", "--targets", "cat,mat"})).size() == 2);
  tiny.write("texts.txt", "a [MASK]\na cat\n");
  CHECK_THROWS_WITH(tiny.answer(kFill, {"-f", tiny.path("texts.txt")}), Catch::Contains("texts.txt:2: has no [MASK]"));
}

TEST_CASE("fill prints rows that pad the model's table without a token, and refuses a target beyond it") {
  const nlohmann::json found = Tiny(50).answer_json(kFill, {"-p", "a [MASK]", "--top-k", "50"});
  REQUIRE(found.at("masks")[0].size() == 50);
  for (const nlohmann::json& each : found["masks"][0])
    CHECK((each.at("token") == "") == (each.at("id").get<int>() >= 36));
  CHECK_THROWS_WITH(Tiny(20).answer(kFill, {"-p", "a [MASK]", "--targets", "hello"}),
                    Catch::Contains("the target \"hello\" is token 23, which the model does not have"));
}

TEST_CASE("run prints an output by its name, with rows for sequences or tokens") {
  const Tiny tiny("three_labels");
  CHECK(tiny.answer_json(kRun, {"-p", "a cat"}).at("logits").size() == 3);
  CHECK(tiny.answer_json(kRun, {"-p", "a cat", "--output", "pooler_output"}).at("pooler_output").size() == 24);
  CHECK(lines_of(tiny.answer(kRun, {"-p", "a cat", "-p", "a", "--output", "last_hidden_state"})).size() == 4 + 1 + 3);
  CHECK_THROWS_WITH(tiny.answer(kRun, {"-p", "a", "--output", "scores"}),
                    Catch::Contains("it has last_hidden_state, pooler_output, logits"));
}

TEST_CASE("perplexity of a masked model is that of the seed or of the masks given, and of each token alone") {
  const Tiny tiny("masks");
  tiny.write("text.txt", "the cat sat on the mat\n\nMaria lives in Berlin\r\na river in new york\n");
  const auto answer = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"-f", tiny.path("text.txt"), "-c", "8"});
    return tiny.answer_json(kPerplexity, words);
  };
  const nlohmann::json seeded = answer({"--seed", "3"});
  CHECK(seeded.at("perplexity").get<double>() > 1.0);
  CHECK(answer({"--seed", "3", "-b", "1"}).at("tokens") == seeded.at("tokens"));
  CHECK(answer({"--seed", "3", "-b", "1"}).at("perplexity").get<double>() ==
        Approx(seeded["perplexity"].get<double>()).epsilon(1e-5));
  CHECK(answer({"--seed", "4"}).at("perplexity") != seeded["perplexity"]);
  const nlohmann::json pseudo = answer({"--pseudo"});
  CHECK(pseudo.at("blocks") == seeded.at("blocks"));
  CHECK(pseudo.at("tokens").get<int>() > seeded.at("tokens").get<int>());
  CHECK(pseudo.at("top1").get<double>() <= 1.0);
  CHECK_THROWS_WITH(tiny.answer(kPerplexity, {"-f", tiny.path("text.txt"), "-c", "2"}),
                    Catch::Contains("a block has 2 tokens, expected more than the 2 special ones"));
  tiny.write("empty.txt", "\n");
  CHECK_THROWS_WITH(tiny.answer(kPerplexity, {"-f", tiny.path("empty.txt")}), Catch::Contains("has no tokens"));
  CHECK_THROWS_WITH(Tiny("entities").answer(kPerplexity, {"-f", tiny.path("text.txt")}),
                    Catch::Contains("predicts neither next nor masked tokens"));
}

TEST_CASE("rounded embeddings are those of all inputs together, in every form, or of ranges from a file") {
  const Tiny tiny("entities");
  std::string texts;
  for (const char* text : {"the cat sat", "a river", "Maria lives in Berlin", "new york", "a mat ?"})
    texts += std::string(text) + "\n";
  tiny.write("texts.txt", texts);
  const auto answer = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"-f", tiny.path("texts.txt"), "--precision", "int8"});
    return tiny.answer(kEmbed, words);
  };
  const std::string together = answer({});
  CHECK(lines_of(together).size() == 5);
  CHECK(answer({"-b", "1"}) == together);
  std::vector<std::string> json = lines_of(answer({"--json"})), text = lines_of(together);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::ranges::replace(text[i], ' ', ',');
    CHECK(json[i].ends_with("\"embedding\":[" + text[i] + "]}"));
  }
  tiny.answer(kEmbed, {"-f", tiny.path("texts.txt"), "-o", tiny.path("floats.npy")});
  CHECK(answer({"--calibration-embeddings", tiny.path("floats.npy")}) == together);
  answer({"-o", tiny.path("bytes.npy")});
  const std::string bytes = tiny.read("bytes.npy");
  CHECK(bytes.find("'descr': '|i1', 'fortran_order': False, 'shape': (5, 24)") != std::string::npos);
  CHECK(bytes.size() == 128 + 5 * 24);
  CHECK(static_cast<int>(static_cast<signed char>(bytes[128])) == std::stoi(together));
  CHECK_THROWS_WITH(tiny.answer(kEmbed, {"-p", "a", "--precision", "uint8"}), Catch::Contains("one embedding alone"));
  CHECK_THROWS_WITH(answer({"--calibration-embeddings", tiny.path("bytes.npy")}),
                    Catch::Contains("expected a float32"));
  CHECK_THROWS_WITH(answer({"--calibration-embeddings", tiny.path("texts.txt")}), Catch::Contains("is no .npy file"));
  CHECK_THROWS_WITH(answer({"--calibration-embeddings", tiny.path("floats.npy"), "--truncate-dim", "8"}),
                    Catch::Contains("has 24 numbers in each embedding, but those of model have 8"));
}

TEST_CASE("sparse embeddings are pairs of id and value, those of a SparseEncoder without being asked for") {
  const Tiny tiny("masks");
  const nlohmann::json found = tiny.answer_json(kEmbed, {"-p", "the cat", "--sparse"});
  CHECK(found.at("tokens") == 4);
  REQUIRE(!found.at("embedding").empty());
  const std::string line = tiny.answer(kEmbed, {"-p", "the cat", "--sparse"});
  CHECK(line.starts_with(std::to_string(found["embedding"][0].at("id").get<int>()) + ":"));
  CHECK(std::ranges::count(line, ':') == std::ssize(found["embedding"]));
  CHECK_THROWS_WITH(tiny.answer(kEmbed, {"-p", "a", "--sparse", "-o", tiny.path("a.npy")}), Catch::Contains("no .npy"));
  CHECK_THROWS_WITH(Tiny("entities").answer(kEmbed, {"-p", "a", "--sparse"}), Catch::Contains("predict masked tokens"));
  tiny.write("model/config_sentence_transformers.json", R"({"model_type": "SparseEncoder"})");
  CHECK(tiny.answer(kEmbed, {"-p", "the cat"}) == line);
  CHECK(tiny.answer(kEmbed, {"-p", "the cat", "--pooling", "cls"}).find(':') == std::string::npos);
  CHECK_THROWS_WITH(tiny.answer(kEmbed, {"-p", "a", "--no-normalize"}),
                    Catch::Contains("--no-normalize has no effect on the sparse embeddings of model"));
}

// Tasks of texts: what transformers' pipelines and sentence-transformers' cross-encoders themselves say of tiny models.
#include "octavo/text_tasks.h"

#include "tests/support/golden_tasks.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"

#include "octavo/calibration.h"
#include "octavo/error.h"
#include "octavo/text_preprocessor.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <stdexcept>

namespace octavo::test {
namespace {

using nlohmann::json;

bool close(float found, const json& expected) {
  return Approx(expected.get<double>()).margin(1e-4) == static_cast<double>(found);
}

Tokens encoded(const Model& model, const json& input) {
  const TextPreprocessor encoder(model);
  return input.is_array() ? encoder.encode(input[0].get<std::string>(), input[1].get<std::string>())
                          : encoder.encode(input.get<std::string>());
}

template <typename Task, typename... Texts>
auto answered(const Engine& engine, const Task& task, const std::string& text, const Texts&... before) {
  Workspace workspace({.threads = 1});
  const std::vector<TokenWindow> windows = task.encode(before..., text);
  TokenBatch batch;
  for (const TokenWindow& window : windows) batch.sequences.push_back(window.tokens);
  return task.decode(text, windows, engine.logits(batch, workspace));
}

}  // namespace

TEST_CASE("texts and pairs are classified as transformers' pipeline does, by the function that config.json asks for") {
  const GoldenTasks golden;
  for (const char* name : {"three_labels", "single_label", "multi_label", "regression", "one_label"}) {
    const Engine engine(golden.model(name));
    Workspace workspace({.threads = 1});
    golden.for_each_question(
        name, "text-classification", [&](const json& inputs, const json& arguments, const json& answers) {
          TokenBatch batch;
          for (const json& input : inputs) batch.sequences.push_back(encoded(engine.model(), input));
          const int count = arguments.at("top_k").is_null() ? 1000 : arguments.at("top_k").get<int>();
          const auto found = classify(engine, batch, workspace, count);
          REQUIRE(found.size() == answers.size());
          for (std::size_t i = 0; i < found.size(); ++i) {
            INFO(inputs[i].dump());
            REQUIRE(found[i].size() == answers[i].size());
            for (std::size_t k = 0; k < found[i].size(); ++k) {
              CHECK(label_of(engine.model(), found[i][k].id) == answers[i][k].at("label"));
              CHECK(close(found[i][k].score, answers[i][k].at("score")));
            }
          }
        });
  }
}

TEST_CASE("a text has one class unless several may be true at once, and a problem type that is not known is an Error") {
  const GoldenTasks golden;
  Workspace workspace({.threads = 1});
  const auto classes = [&](const char* name) {
    const Engine engine(golden.model(name));
    return classify(engine, {{encoded(engine.model(), "a cat")}}, workspace)[0].size();
  };
  CHECK(classes("three_labels") == 1);
  CHECK(classes("multi_label") == 3);
  CHECK_THROWS_WITH(golden.model("three_labels", {{"problem_type", "ranking"}}),
                    Catch::Contains("problem_type is \"ranking\", expected regression"));
  CHECK_THROWS_WITH(golden.model("identity", {{"sbert_ce_default_activation_function", "torch.nn.ReLU"}}),
                    Catch::Contains("expected torch.nn's Identity or Sigmoid"));
}

TEST_CASE("documents are ranked as sentence-transformers ranks them, by the activation that config.json names") {
  const GoldenTasks golden;
  for (const char* name : {"one_label", "identity", "sigmoid"}) {
    const Engine engine(golden.model(name));
    Workspace workspace({.threads = 1});
    golden.for_each_question(name, "rank", [&](const json& inputs, const json& arguments, const json& answers) {
      TokenBatch batch;
      for (const json& document : inputs)
        batch.sequences.push_back(encoded(engine.model(), {arguments.at("query"), document}));
      std::optional<int> count;
      if (arguments.contains("top_k")) count = arguments.at("top_k").get<int>();
      const std::vector<RankedDocument> found = ranked(rank_scores(engine, batch, workspace), count);
      REQUIRE(found.size() == answers.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK(found[i].index == answers[i].at("corpus_id"));
        CHECK(close(found[i].score, answers[i].at("score")));
      }
    });
  }
  const Engine classes(golden.model("three_labels"));
  Workspace workspace({.threads = 1});
  CHECK_THROWS_WITH(rank_scores(classes, {{encoded(classes.model(), "a")}}, workspace),
                    Catch::Contains("has 3 classes, expected one"));
}

TEST_CASE(
    "candidates are scored as transformers' zero-shot pipeline does, with the text cut and the hypothesis whole") {
  const GoldenTasks golden;
  const Engine engine(golden.model("entailment"));
  Workspace workspace({.threads = 1});
  golden.for_each_question(
      "entailment", "zero-shot-classification", [&](const json& inputs, const json& arguments, const json& answers) {
        ZeroShotOptions options;
        options.multi_label = arguments.value("multi_label", false);
        options.hypothesis = arguments.value("hypothesis_template", options.hypothesis);
        const ZeroShotClassifier classifier(engine.model(), arguments.at("candidate_labels"), options);
        for (std::size_t i = 0; i < inputs.size(); ++i) {
          const TokenBatch batch{classifier.encode(inputs[i].get<std::string>())};
          const std::vector<ClassScore> found = classifier.decode(engine.logits(batch, workspace));
          REQUIRE(found.size() == answers[i].at("labels").size());
          for (std::size_t k = 0; k < found.size(); ++k) {
            CHECK(classifier.candidates()[static_cast<std::size_t>(found[k].id)] == answers[i].at("labels")[k]);
            CHECK(close(found[k].score, answers[i].at("scores")[k]));
          }
        }
      });
  CHECK_THROWS_WITH(ZeroShotClassifier(golden.model("three_labels"), {"a"}), Catch::Contains("begins with \"entail\""));
  CHECK_THROWS_WITH(ZeroShotClassifier(engine.model(), {"a"}, {.hypothesis = "this"}), Catch::Contains("expected {}"));
}

TEST_CASE(
    "entities have the labels, places and scores of transformers' pipeline, whatever the aggregation and length") {
  const GoldenTasks golden;
  const std::map<std::string, Aggregation> names = {{"none", Aggregation::none},
                                                    {"simple", Aggregation::simple},
                                                    {"first", Aggregation::first},
                                                    {"average", Aggregation::average},
                                                    {"max", Aggregation::max}};
  int entities = 0;
  for (const char* name : {"entities", "plain_entities"}) {
    const Engine engine(golden.model(name));
    golden.for_each_question(
        name, "token-classification", [&](const json& inputs, const json& arguments, const json& answers) {
          TokenClassifierOptions options{.aggregation = names.at(arguments.at("aggregation_strategy"))};
          if (arguments.contains("stride")) options.overlap = arguments.at("stride").get<int>();
          const TokenClassifier tagger(engine.model(), options);
          for (std::size_t i = 0; i < inputs.size(); ++i) {
            INFO(inputs[i].dump());
            const std::vector<Entity> found = answered(engine, tagger, inputs[i].get<std::string>());
            REQUIRE(found.size() == answers[i].size());
            for (std::size_t k = 0; k < found.size(); ++k) {
              const json& expected = answers[i][k];
              CHECK(found[k].label == expected.value("entity_group", expected.value("entity", "")));
              CHECK(found[k].start == expected.at("start"));
              CHECK(found[k].end == expected.at("end"));
              CHECK(close(found[k].score, expected.at("score")));
              ++entities;
            }
          }
        });
  }
  CHECK(entities > 50);
}

TEST_CASE(
    "answers have the text, places and scores of transformers' pipeline, of long contexts and of impossible ones") {
  const GoldenTasks golden;
  const Engine engine(golden.model("questions"));
  golden.for_each_question(
      "questions", "question-answering", [&](const json& inputs, const json& arguments, const json& answers) {
        const QuestionAnswererOptions options{.count = arguments.value("top_k", 1),
                                              .max_answer_tokens = arguments.value("max_answer_len", 15),
                                              .impossible = arguments.value("handle_impossible_answer", false),
                                              .whole_words = arguments.value("align_to_words", true)};
        const QuestionAnswerer answerer(engine.model(), options);
        for (std::size_t i = 0; i < inputs.size(); ++i) {
          INFO(inputs[i].dump());
          const std::vector<Answer> found =
              answered(engine, answerer, inputs[i][1].get<std::string>(), inputs[i][0].get<std::string>());
          REQUIRE(found.size() == answers[i].size());
          for (std::size_t k = 0; k < found.size(); ++k) {
            CHECK(found[k].text == answers[i][k].at("answer"));
            CHECK(found[k].start == answers[i][k].at("start"));
            CHECK(found[k].end == answers[i][k].at("end"));
            CHECK(close(found[k].score, answers[i][k].at("score")));
          }
        }
      });
  const QuestionAnswerer narrow(engine.model(), {.max_length = 6});
  CHECK_THROWS_WITH(narrow.encode("who lives in Berlin ?", "a"), Catch::Contains("and the first text leave no room"));
}

TEST_CASE("masked places are filled as transformers' pipeline fills them, from all tokens or from targets") {
  const GoldenTasks golden;
  const Engine engine(golden.model("masks"));
  const MaskFiller filler(engine.model());
  Workspace workspace({.threads = 1});
  golden.for_each_question("masks", "fill-mask", [&](const json& inputs, const json& arguments, const json& answers) {
    const std::vector<std::string> words = arguments.value("targets", std::vector<std::string>{});
    const std::vector<std::int32_t> targets = filler.targets(words);
    TokenBatch batch;
    for (const json& input : inputs) batch.sequences.push_back(encoded(engine.model(), input));
    const auto found = filler.decode(filler.logits(engine, batch, workspace), arguments.value("top_k", 5), targets);
    std::size_t row = 0;
    for (const json& answer : answers) {  // of one masked place without the list around it
      for (const json& mask : answer[0].is_array() ? answer : json::array({answer})) {
        const std::vector<TokenScore>& own = found.at(row++);
        REQUIRE(own.size() == mask.size());
        for (std::size_t k = 0; k < own.size(); ++k) {
          CHECK(own[k].id == mask[k].at("token"));
          CHECK(close(own[k].score, mask[k].at("score")));
        }
      }
    }
    CHECK(row == found.size());
  });
}

TEST_CASE("what a model's head is for survives the file, and another task is an Error that says what it is") {
  const GoldenTasks golden;
  const Model model = golden.model("identity");
  Calibrator calibrator(model);
  Workspace workspace({.threads = 1});
  calibrator.observe({{encoded(model, json::array({"the cat", "a river"})), encoded(model, "who was in Berlin ?")}},
                     workspace);
  const TemporaryDirectory directory;
  calibrator.quantize().model.save(directory / "m.octavo");
  const Model loaded = Model::from_file(directory / "m.octavo");
  CHECK(loaded.info().task == TextTask::sequence_classification);
  CHECK(loaded.info().pair_function == ScoreFunction::none);
  CHECK(loaded.info().score_function == ScoreFunction::sigmoid);
  CHECK_THROWS_WITH(TokenClassifier(loaded), Catch::Contains("does not classify tokens: its head classifies texts"));
  CHECK_THROWS_WITH(MaskFiller(golden.model("entities")),
                    Catch::Contains("does not predict masked tokens: its head classifies tokens"));
}

}  // namespace octavo::test

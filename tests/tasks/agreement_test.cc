// Whether two models answer the same, and how well answers fit labels.
#include "octavo/agreement.h"

#include "tests/support/golden_tasks.h"
#include "tests/support/support.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/tiny_opt.h"
#include "tests/support/tiny_vit.h"

#include "octavo/error.h"
#include "octavo/text_preprocessor.h"
#include "octavo/text_tasks.h"

#include <algorithm>

namespace octavo::test {
namespace {

Workspace& workspace() {
  static Workspace one({.threads = 1});
  return one;
}

TokenBatch batch_of(const Model& model, const std::vector<std::string>& texts) {
  const TextPreprocessor preprocessor(model);
  TokenBatch batch;
  for (const std::string& text : texts) {
    const std::size_t tab = text.find('\t');
    batch.sequences.push_back(tab == std::string::npos
                                  ? preprocessor.encode(text)
                                  : preprocessor.encode(text.substr(0, tab), text.substr(tab + 1)));
  }
  return batch;
}

}  // namespace

TEST_CASE("correlations are those of ranks and of values, equal values share a rank, and of constants there is none") {
  const std::vector<double> a = {1, 2, 3, 10}, b = {2, 4, 6, 7}, c = {1, 1, 2, 3}, constant = {5, 5, 5, 5};
  CHECK(spearman(a, b) == Approx(1.0));
  CHECK(pearson(a, b) == Approx(0.8101).margin(1e-4));
  CHECK(spearman(a, c) == Approx(0.9487).margin(1e-4));
  CHECK(pearson(a, constant) == 0.0);
  CHECK_THROWS_AS(pearson(a, std::vector<double>{1}), Error);
}

TEST_CASE("an agreement counts equal choices and measures scores, and is of the same kind of answers only") {
  const TaskAnswers exact{
      .kind = AnswerKind::classes, .choices = {0, 1, 1}, .scores = {0.9f, 0.1f, 0.4f, 0.6f, 0, 1}, .columns = 2};
  TaskAnswers found = exact;
  found.choices[1] = 0;
  found.scores[2] = 0.55f;
  const Agreement classes = agreement(found, exact);
  CHECK(classes.count == 3);
  CHECK(classes.same == Approx(2.0 / 3.0));
  CHECK(classes.largest_difference == Approx(0.15));
  CHECK(classes.points_lost() == Approx(100.0 / 3.0));
  const TaskAnswers numbers{.kind = AnswerKind::numbers, .scores = {1, 2, 3}, .columns = 1},
      others{.kind = AnswerKind::numbers, .scores = {3, 5, 4}, .columns = 1};
  CHECK(agreement(others, numbers).spearman == Approx(0.5));
  CHECK(agreement(others, numbers).mean_difference == Approx(2.0));
  CHECK_THROWS_AS(agreement(numbers, exact), Error);
}

TEST_CASE("a score is accuracy or correlation over the samples whose label is known") {
  const TaskAnswers classes{.kind = AnswerKind::classes, .choices = {0, 2, 1, 1}};
  const std::vector<SampleLabel> right = {0.0, 1.0, {}, 1.0};
  CHECK(task_score(classes, right).value == Approx(2.0 / 3.0));
  CHECK(task_score(classes, right).count == 3);
  const TaskAnswers numbers{.kind = AnswerKind::numbers, .scores = {0.1f, 0.3f, 9.0f}, .columns = 1};
  CHECK(task_score(numbers, std::vector<SampleLabel>{1.0, 5.0, {}}).pearson == Approx(1.0));
  CHECK_THROWS_AS(task_score(numbers, right), Error);
  CHECK_THROWS_AS(task_score({.kind = AnswerKind::spans, .choices = {1}}, std::vector<SampleLabel>{1.0}), Error);
}

TEST_CASE("each head's answers are those that its task gives") {
  const GoldenTasks golden;
  const auto answers = [&](const std::string& name, const std::vector<std::string>& texts) {
    const Model model = golden.model(name);
    return task_answers(Engine(model), batch_of(model, texts), workspace());
  };
  CHECK(answers("three_labels", {"a cat", "Maria lives\tthe river"}).choices.size() == 2);
  CHECK(answers("multi_label", {"a cat"}).choices.size() == 3);
  CHECK(answers("multi_label", {"a cat"}).kind == AnswerKind::decisions);
  CHECK(answers("regression", {"a cat"}).kind == AnswerKind::numbers);
  CHECK(answers("entities", {"Maria lives in Berlin"}).choices.size() == 4);  // without special tokens

  const Model questions = golden.model("questions");
  const QuestionAnswerer answerer(questions, {.whole_words = false});
  const std::string question = "who lives in Berlin ?", context = "Maria lives in Berlin . the cat sat on the mat";
  const std::vector<TokenWindow> windows = answerer.encode(question, context);
  const TokenBatch batch{{windows[0].tokens}};
  const Answer best = answerer.decode(context, windows, Engine(questions).logits(batch, workspace()))[0];
  const std::int64_t span = task_answers(Engine(questions), batch, workspace()).choices.at(0);
  const std::vector<ByteRange>& offsets = batch.sequences[0].offsets;
  CHECK(offsets[static_cast<std::size_t>(span / 65536)].begin == best.start);
  CHECK(offsets[static_cast<std::size_t>(span % 65536)].end == best.end);

  const Model masks = golden.model("masks");
  const MaskFiller filler(masks);
  const TokenBatch masked = batch_of(masks, {"the [MASK] sat on the [MASK]", "a cat sat"});
  const TaskAnswers tokens = task_answers(Engine(masks), masked, workspace());
  REQUIRE(tokens.choices.size() == 5);  // the masked places, and of the text without one every token
  const auto best_tokens = filler.decode(filler.logits(Engine(masks), masked, workspace()), 1);
  for (std::size_t i = 0; i < 2; ++i) CHECK(tokens.choices[i] == best_tokens[i][0].id);

  CHECK(task_answers(Engine(TinyOpt().model()), random_batch(3, 20, 50), workspace()).choices.size() == 3);
  CHECK(task_answers(Engine(TinyVit().model()), random_images(2, 32), workspace()).choices.size() == 2);
  CHECK_THROWS_WITH(task_answers(Engine(tiny_model()), random_batch(3, 20, 50), workspace()),
                    Catch::Contains("has no head for a task"));
}

TEST_CASE("a comparison's drop is of the score where there are labels, else of the agreement, whatever the batches") {
  const Model model = GoldenTasks().model("three_labels");
  const Engine reference(model);
  const TokenBatch texts = batch_of(model, {"a cat", "the river", "Maria lives in Berlin"});
  const std::vector<std::int64_t> own = task_answers(reference, texts, workspace()).choices;
  const std::vector<SampleLabel> right = {static_cast<double>(own[0]), static_cast<double>(own[1] + 1), {}};
  TaskComparison labelled, plain;
  for (std::size_t i = 0; i < 3; ++i) {
    const TokenBatch one{{texts.sequences[i]}};
    labelled.add(reference, one, workspace(), std::span(right).subspan(i, 1));
  }
  plain.add(reference, texts, workspace());
  const TaskCloseness scored = labelled.closeness(reference, workspace());
  CHECK(scored.found.value().value == 0.5);
  CHECK(scored.found.value().count == 2);
  CHECK(scored.drop() == 0.0);
  CHECK(scored.agreement.same == 1.0);
  CHECK_FALSE(plain.closeness(reference, workspace()).found);
  CHECK_THROWS_AS(plain.add(reference, texts, workspace(), std::span(right).first(2)), Error);
}

}  // namespace octavo::test

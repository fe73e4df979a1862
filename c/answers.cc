// Texts and pictures to classes, ranks, entities, answers and tokens.
#include "c/arguments.h"
#include "c/handles.h"
#include "data/grouped_batches.h"

#include "octavo/tasks.h"
#include "octavo/text_preprocessor.h"
#include "octavo/text_tasks.h"

#include <algorithm>
#include <limits>

namespace octavo::c {
namespace {

constexpr int kMost = std::numeric_limits<int>::max();

/// Runs the sequences of inputs together, in batches, and answers inputs in order.
tools::GroupedBatches batches_of(const InUse& use, const BatchLimits& limits, bool row_per_sequence) {
  return {limits, [&use](const TokenBatch& batch) { return use.engine().logits(batch, use.workspace()); },
          [row_per_sequence](const Tokens& tokens) { return row_per_sequence ? 1 : tokens.ids.size(); }};
}

std::vector<Tokens> sequences_of(const std::vector<TokenWindow>& windows) {
  std::vector<Tokens> sequences;
  for (const TokenWindow& window : windows) sequences.push_back(window.tokens);
  return sequences;
}

/// Tokens that windows have in common; -1 stands for none.
std::optional<int> read_stride(std::int32_t stride) {
  return stride == -1 ? std::optional(0) : read_number("stride", stride, 1, kMost);
}

TextPreprocessor preprocessor_of(const Model& model, std::int32_t max_length, std::optional<std::string> prompt = {}) {
  model.tokenizer();
  return checked_argument([&] {
    return TextPreprocessor(model, {.prompt = prompt, .max_length = read_number("max_length", max_length, 1, kMost)});
  });
}

/// Adds an input's classes to a result; `name` gives the label of a class.
template <typename Name>
void add_classes(const std::vector<ClassScore>& scores, const Name& name, octavo_result& result) {
  for (const ClassScore& score : scores) {
    result.ids.push_back(score.id);
    result.scores.push_back(score.score);
    result.labels.add(name(score.id));
  }
  result.end_input(result.ids.size());
}

void classify_own(const InUse& use, const Texts& texts, const std::optional<Texts>& pairs,
                  const octavo_classify_options& options, octavo_result& result) {
  if (options.hypothesis.data != nullptr || options.multi_label != 0)
    throw InvalidArgument("hypothesis and multi_label have no effect without candidates");
  const TextPreprocessor preprocessor = preprocessor_of(use.model(), options.max_length);
  const std::optional<int> top_k = read_number("top_k", options.top_k, 1, kMost);
  const auto function = read_choice("function_to_apply", options.function_to_apply,
                                    {ScoreFunction::softmax, ScoreFunction::sigmoid, ScoreFunction::none});
  Batcher batcher(read_limits(options.batch_size, options.max_batch_tokens), [&](const TokenBatch& batch) {
    for (const auto& scores : classify(use.engine(), batch, use.workspace(), top_k, function))
      add_classes(
          scores, [&](int id) { return label_of(use.model(), id); }, result);
  });
  for (std::size_t i = 0; i < texts.size(); ++i)
    batcher.add(pairs ? preprocessor.encode(texts[i], (*pairs)[i]) : preprocessor.encode(texts[i]));
  batcher.finish();
}

void classify_candidates(const InUse& use, const Texts& texts, const octavo_classify_options& options,
                         octavo_result& result) {
  if (options.function_to_apply != 0) throw InvalidArgument("function_to_apply and candidates exclude each other");
  ZeroShotOptions zero_shot{.multi_label = read_flag("multi_label", options.multi_label),
                            .max_length = preprocessor_of(use.model(), options.max_length).max_length()};
  if (const auto hypothesis = read_string("hypothesis", options.hypothesis)) zero_shot.hypothesis = *hypothesis;
  const Texts candidates(options.candidates, "candidates");
  if (candidates.size() == 0) throw InvalidArgument("candidates is empty, expected at least one");
  const ZeroShotClassifier classifier(use.model(), candidates.to_strings(), zero_shot);
  const auto most = static_cast<std::size_t>(
      read_number("top_k", options.top_k, 1, kMost).value_or(zero_shot.multi_label ? kMost : 1));
  tools::GroupedBatches batches = batches_of(use, read_limits(options.batch_size, options.max_batch_tokens), true);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    batches.add(classifier.encode(texts[i]), [&](const Tensor& logits) {
      std::vector<ClassScore> scores = classifier.decode(logits);
      scores.resize(std::min(scores.size(), most));
      add_classes(
          scores, [&](int id) { return classifier.candidates()[static_cast<std::size_t>(id)]; }, result);
    });
  }
  batches.finish();
}

}  // namespace
}  // namespace octavo::c

using namespace octavo::c;

octavo_status octavo_classify(octavo_session* session, const octavo_texts* texts, const octavo_texts* pairs,
                              const octavo_classify_options* options, octavo_result** result) {
  return guarded_result(session, result, [&](const InUse& use, octavo_result& made) {
    const Texts given(texts, "texts");
    const auto seconds = read_pairs(pairs, given, "pairs");
    const octavo_classify_options read = read_struct(options, "options");
    octavo::require_task(use.model(), octavo::TextTask::sequence_classification);
    if (read.candidates == nullptr) return classify_own(use, given, seconds, read, made);
    if (seconds) throw InvalidArgument("pairs and candidates exclude each other");
    classify_candidates(use, given, read, made);
  });
}

octavo_status octavo_rank(octavo_session* session, octavo_string query, const octavo_texts* documents,
                          const octavo_rank_options* options, octavo_result** result) {
  return guarded_result(session, result, [&](const InUse& use, octavo_result& made) {
    const auto asked = read_string("query", query);
    if (!asked) throw InvalidArgument("query has no data");
    const Texts given(documents, "documents");
    const octavo_rank_options read = read_struct(options, "options");
    octavo::require_task(use.model(), octavo::TextTask::sequence_classification);
    const octavo::TextPreprocessor preprocessor = preprocessor_of(use.model(), read.max_length);
    const std::optional<int> top_k = read_number("top_k", read.top_k, 1, kMost);
    std::vector<float> scores;
    octavo::Batcher batcher(read_limits(read.batch_size, read.max_batch_tokens), [&](const octavo::TokenBatch& batch) {
      const std::vector<float> found = octavo::rank_scores(use.engine(), batch, use.workspace());
      scores.insert(scores.end(), found.begin(), found.end());
    });
    for (std::size_t i = 0; i < given.size(); ++i) batcher.add(preprocessor.encode(*asked, given[i]));
    batcher.finish();
    for (const octavo::RankedDocument& document : octavo::ranked(scores, top_k)) {
      made.ids.push_back(static_cast<std::int32_t>(document.index));
      made.scores.push_back(document.score);
    }
    made.end_input(made.ids.size());
  });
}

octavo_status octavo_tag(octavo_session* session, const octavo_texts* texts, const octavo_tag_options* options,
                         octavo_result** result) {
  return guarded_result(session, result, [&](const InUse& use, octavo_result& made) {
    using octavo::Aggregation;
    const Texts given(texts, "texts");
    const octavo_tag_options read = read_struct(options, "options");
    require_zero("reserved", read.reserved);
    octavo::require_task(use.model(), octavo::TextTask::token_classification);
    const octavo::TokenClassifierOptions tagging{
        .aggregation = read_choice("aggregation", read.aggregation,
                                   {Aggregation::none, Aggregation::simple, Aggregation::first, Aggregation::average,
                                    Aggregation::max})
                           .value_or(Aggregation::simple),
        .max_length = read_number("max_length", read.max_length, 1, kMost),
        .overlap = read_stride(read.stride)};
    const auto tagger = checked_argument([&] { return octavo::TokenClassifier(use.model(), tagging); });
    octavo::tools::GroupedBatches batches = batches_of(use, read_limits(read.batch_size, read.max_batch_tokens), false);
    for (std::size_t i = 0; i < given.size(); ++i) {
      const auto windows = tagger.encode(given[i]);
      batches.add(sequences_of(windows), [&, i, windows](const octavo::Tensor& logits) {
        for (const octavo::Entity& entity : tagger.decode(given[i], windows, logits)) {
          made.scores.push_back(entity.score);
          made.labels.add(entity.label);
          made.texts.add(entity.text);
          made.starts.push_back(entity.start);
          made.ends.push_back(entity.end);
        }
        made.end_input(made.scores.size());
      });
    }
    batches.finish();
  });
}

octavo_status octavo_answer(octavo_session* session, const octavo_texts* questions, const octavo_texts* contexts,
                            const octavo_answer_options* options, octavo_result** result) {
  return guarded_result(session, result, [&](const InUse& use, octavo_result& made) {
    const Texts asked(questions, "questions");
    const Texts given = *read_pairs(&require(contexts, "contexts"), asked, "contexts");
    const octavo_answer_options read = read_struct(options, "options");
    require_zero("reserved", read.reserved);
    octavo::require_task(use.model(), octavo::TextTask::question_answering);
    const octavo::QuestionAnswererOptions answering{
        .count = read_number("top_k", read.top_k, 1, 100'000).value_or(1),
        .max_answer_tokens = read_number("max_answer_length", read.max_answer_length, 1, 100'000).value_or(15),
        .impossible = read_flag("impossible", read.impossible),
        .max_length = read_number("max_length", read.max_length, 1, kMost),
        .overlap = read_stride(read.stride)};
    const auto answerer = checked_argument([&] { return octavo::QuestionAnswerer(use.model(), answering); });
    octavo::tools::GroupedBatches batches = batches_of(use, read_limits(read.batch_size, read.max_batch_tokens), false);
    for (std::size_t i = 0; i < asked.size(); ++i) {
      const auto windows = answerer.encode(asked[i], given[i]);
      batches.add(sequences_of(windows), [&, i, windows](const octavo::Tensor& logits) {
        for (const octavo::Answer& answer : answerer.decode(given[i], windows, logits)) {
          made.scores.push_back(answer.score);
          made.texts.add(answer.text);
          made.starts.push_back(answer.start);
          made.ends.push_back(answer.end);
        }
        made.end_input(made.scores.size());
      });
    }
    batches.finish();
  });
}

octavo_status octavo_fill_mask(octavo_session* session, const octavo_texts* texts,
                               const octavo_fill_mask_options* options, octavo_result** result) {
  return guarded_result(session, result, [&](const InUse& use, octavo_result& made) {
    const Texts given(texts, "texts");
    const octavo_fill_mask_options read = read_struct(options, "options");
    const int top_k = read_number("top_k", read.top_k, 1, 1'000'000).value_or(5);
    const octavo::MaskFiller filler(use.model());
    const octavo::TextPreprocessor preprocessor = preprocessor_of(use.model(), read.max_length, "");
    const octavo::Tokenizer& tokenizer = preprocessor.tokenizer();
    std::vector<std::int32_t> targets;
    if (read.targets != nullptr) {
      const std::vector<std::string> words = Texts(read.targets, "targets").to_strings();
      if (words.empty()) throw InvalidArgument("targets is empty, expected at least one");
      targets = checked_argument([&] { return filler.targets(words); });
    }
    octavo::tools::GroupedBatches batches(
        read_limits(read.batch_size, read.max_batch_tokens),
        [&](const octavo::TokenBatch& batch) { return filler.logits(use.engine(), batch, use.workspace()); },
        [&](const octavo::Tokens& tokens) { return filler.masks(tokens).size(); });
    for (std::size_t i = 0; i < given.size(); ++i) {
      octavo::Tokens tokens = preprocessor.encode(given[i]);
      if (filler.masks(tokens).empty()) {
        throw InvalidArgument("texts[" + std::to_string(i) + "] has no " + std::string(tokenizer.token(filler.mask())) +
                              (tokens.truncated > 0 ? " within the tokens that the model takes" : ""));
      }
      batches.add({std::move(tokens)}, [&](const octavo::Tensor& logits) {
        std::int32_t place = 0;
        for (const auto& mask : filler.decode(logits, top_k, targets)) {
          for (const octavo::TokenScore& token : mask) {
            made.ids.push_back(token.id);
            made.scores.push_back(token.score);
            made.texts.add(token.id < tokenizer.vocab_size() ? tokenizer.token(token.id) : "");
            made.starts.push_back(place);
            made.ends.push_back(place + 1);
          }
          ++place;
        }
        made.end_input(made.ids.size());
      });
    }
    batches.finish();
  });
}

octavo_status octavo_classify_images(octavo_session* session, const octavo_images* images,
                                     const octavo_classify_images_options* options, octavo_result** result) {
  return guarded_result(session, result, [&](const InUse& use, octavo_result& made) {
    const Images given(images, "images");
    const octavo_classify_images_options read = read_struct(options, "options");
    require_zero("reserved", read.reserved);
    const octavo::ModelInfo& info = use.model().info();
    if (!info.image || info.classes == 0) throw octavo::Error(info.name + ": does not classify pictures");
    const int top_k = read_number("top_k", read.top_k, 1, kMost).value_or(5);
    const auto most = static_cast<std::size_t>(read_limits(read.batch_size, 0).sequences);
    for (std::size_t first = 0; first < given.size(); first += most) {
      const octavo::ImageBatch batch{
          given.prepare(first, std::min(most, given.size() - first), *info.image, use.workspace().threads())};
      for (const auto& scores : octavo::classify(use.engine(), batch, use.workspace(), top_k))
        add_classes(
            scores, [&](int id) { return octavo::label_of(use.model(), id); }, made);
    }
  });
}

octavo_status octavo_tokenize(octavo_model* model, const octavo_texts* texts, const octavo_texts* pairs,
                              const octavo_tokenize_options* options, octavo_result** result) {
  return guarded([&] {
    const octavo::Model& of = require(model, "model").engine.model();
    require(result, "result") = nullptr;
    const Texts given(texts, "texts");
    const auto seconds = read_pairs(pairs, given, "pairs");
    const octavo_tokenize_options read = read_struct(options, "options");
    require_zero("reserved", read.reserved);
    const octavo::TextPreprocessor preprocessor = preprocessor_of(of, read.max_length, "");
    auto made = std::make_unique<octavo_result>();
    for (std::size_t i = 0; i < given.size(); ++i) {
      const octavo::Tokens tokens =
          seconds ? preprocessor.encode(given[i], (*seconds)[i]) : preprocessor.encode(given[i]);
      for (std::size_t k = 0; k < tokens.ids.size(); ++k) {
        made->ids.push_back(tokens.ids[k]);
        made->texts.add(preprocessor.tokenizer().token(tokens.ids[k]));
        made->starts.push_back(tokens.offsets[k].begin);
        made->ends.push_back(tokens.offsets[k].end);
      }
      made->end_input(made->ids.size());
    }
    *result = made.release();
  });
}

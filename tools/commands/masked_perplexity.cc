#include "commands/masked_perplexity.h"

#include "cli/numbers.h"
#include "cli/progress.h"
#include "commands/common_flags.h"
#include "data/token_windows.h"
#include "report/perplexity.h"

#include "octavo/error.h"
#include "octavo/masking.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <deque>
#include <limits>
#include <optional>
#include <vector>

namespace octavo::tools {
namespace {

int read_block(const Arguments& arguments, const ModelInfo& info) {
  const auto context = arguments.integer("ctx", 1, 65536);
  if (context && *context > info.max_positions) {
    throw Error("--ctx is " + std::to_string(*context) + ", but " + info.name + " takes at most " +
                std::to_string(info.max_positions) + " tokens.");
  }
  return static_cast<int>(context.value_or(std::min(info.max_length, 512)));
}

/// Sequences in batches, and what the model says of the tokens asked for.
class Scorer {
 public:
  Scorer(const Engine& engine, Workspace& workspace, const BatchLimits& limits)
      : engine_(engine), workspace_(workspace), batcher_(limits, [this](const TokenBatch& batch) { run(batch); }) {}

  void add(MaskedTokens masked) {
    labels_.push_back(std::move(masked.labels));
    batcher_.add(std::move(masked.tokens));
  }

  void finish() { batcher_.finish(); }

  const Perplexity& perplexity() const { return perplexity_; }

  /// The share of the tokens that are the likeliest in their places.
  double top1() const { return static_cast<double>(found_) / static_cast<double>(perplexity_.tokens()); }

  std::string text() const { return to_text(perplexity_) + ", top-1 " + fixed(100.0 * top1(), 2) + " %"; }

 private:
  void run(const TokenBatch& batch) {
    std::vector<MaskedTokens> masked;
    for (const Tokens& tokens : batch.sequences) {
      masked.push_back({.tokens = tokens, .labels = std::move(labels_.front())});
      labels_.pop_front();
    }
    for (const TokenLoss& token : masked_losses(engine_, masked, workspace_)) {
      perplexity_.add(token.loss);
      found_ += token.is_likeliest;
    }
  }

  const Engine& engine_;
  Workspace& workspace_;
  Batcher batcher_;
  std::deque<std::vector<std::int32_t>> labels_;
  Perplexity perplexity_;
  std::int64_t found_ = 0;
};

/// What is asked: sequences of a file, or blocks of a text to hide tokens of.
struct Questions {
  std::vector<MaskedTokens> masked = {};
  std::vector<Tokens> blocks = {};  ///< where each token is hidden alone

  std::size_t size() const { return masked.size() + blocks.size(); }
};

Questions read_questions(const Arguments& arguments, const Model& model) {
  if (const std::optional<std::string> masks = arguments.text("masks")) return {.masked = read_masked_tokens(*masks)};
  const std::string text = read_text(arguments.required("file"));
  std::vector<Tokens> blocks = blocks_of(text, model.tokenizer(), read_block(arguments, model.info()));
  if (arguments.on("pseudo")) return {.blocks = std::move(blocks)};
  MaskingOptions options{
      .seed = static_cast<std::uint64_t>(*arguments.integer("seed", 0, std::numeric_limits<std::int64_t>::max()))};
  Questions questions;
  for (Tokens& block : blocks) {
    questions.masked.push_back(mask_tokens(model, std::move(block), options));
    ++options.text;
  }
  return questions;
}

void score(const Questions& questions, const Model& model, Scorer& scorer, const Log& log) {
  Progress progress("perplexity", log);
  progress.update(0, 0.0);
  std::int64_t done = 0;
  const auto advance = [&] {
    ++done;
    progress.update(done, static_cast<double>(done) / static_cast<double>(questions.size()));
    if (scorer.perplexity().tokens() > 0) {
      log.detail("after " + std::to_string(done) + " of " + std::to_string(questions.size()) +
                 " blocks: " + scorer.text());
    }
  };
  for (const MaskedTokens& masked : questions.masked) {
    scorer.add(masked);
    advance();
  }
  for (const Tokens& block : questions.blocks) {
    for (MaskedTokens& masked : mask_each(model, block)) scorer.add(std::move(masked));
    advance();
  }
  scorer.finish();
}

}  // namespace

std::string masked_perplexity(const Engine& engine, Workspace& workspace, const Arguments& arguments, const Log& log) {
  if (arguments.given("stride"))
    throw UsageError("--stride has no effect on a model that predicts masked tokens: its blocks do not overlap");
  const Questions questions = read_questions(arguments, engine.model());
  Scorer scorer(engine, workspace, read_run_options(arguments).batch);
  score(questions, engine.model(), scorer, log);
  const Perplexity& perplexity = scorer.perplexity();
  if (perplexity.tokens() == 0) throw Error("no token is asked for, expected at least one");
  perplexity.require_number();
  if (!arguments.on("json")) return scorer.text();
  const nlohmann::ordered_json json = {{"perplexity", perplexity.value()},
                                       {"stderr", perplexity.standard_error()},
                                       {"top1", scorer.top1()},
                                       {"tokens", perplexity.tokens()},
                                       {"blocks", questions.size()}};
  return json.dump();
}

}  // namespace octavo::tools

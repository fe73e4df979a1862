// `octavo perplexity`: how well a decoder predicts a text.
#include "cli/numbers.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "commands/commands.h"
#include "commands/common_flags.h"
#include "data/batching.h"
#include "data/encoder.h"
#include "data/open_model.h"
#include "data/token_windows.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <cmath>

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {
      {"f,file", "the text, taken as a whole; - is standard input (required)", "FILE"},
      {"c,ctx", "tokens of a block; by default the model's limit, at most 512", "N"},
      {"stride", "tokens from one block to the next, below -c for blocks that overlap: each token counts once", "N"},
      {"json", "print one JSON object"},
  };
  return {.usage = "-m MODEL -f FILE [-c N] [OPTION...]",
          .about =
              "Cuts a text into blocks and prints the exponential of a decoder's mean loss per token, with its "
              "standard error. With -v\n"
              "the value so far after each batch on stderr.",
          .example = "octavo perplexity -m opt.octavo -f wikitext.txt -c 256",
          .flags = join({model_flags(), own, run_flags(), {output_flags()[1]}, verbosity_flags()})};
}

/// exp of the mean of losses.
class Perplexity {
 public:
  void add(double loss) {
    ++tokens_;
    sum_ += loss;
    squares_ += loss * loss;
  }
  std::int64_t tokens() const { return tokens_; }
  double value() const { return std::exp(mean()); }

  /// Throws octavo::Error when the exponential is too large for a number.
  void require_number() const {
    if (std::isfinite(value()) && std::isfinite(standard_error())) return;
    std::string loss;
    append_fixed(loss, mean(), 2);
    throw Error("the mean loss per token is " + loss + ", whose exponential is too large for a number.");
  }

  /// By the deviation of single tokens' losses.
  double standard_error() const {
    if (tokens_ < 2) return 0.0;
    const double n = static_cast<double>(tokens_), variance = std::max(squares_ / n - mean() * mean(), 0.0);
    return value() * std::sqrt(variance / (n - 1.0));
  }

 private:
  double mean() const { return sum_ / static_cast<double>(tokens_); }
  std::int64_t tokens_ = 0;
  double sum_ = 0.0, squares_ = 0.0;
};

std::string to_text(const Perplexity& perplexity) {
  std::string text = "PPL = ";
  append_fixed(text, perplexity.value(), 4);
  text += " +- ";
  append_fixed(text, perplexity.standard_error(), 4);
  return text;
}

struct Blocks {
  std::size_t context, stride;
};

Blocks read_blocks(const Arguments& arguments, const ModelInfo& info) {
  const auto context = arguments.integer("ctx", 2, 65536);
  if (context && *context > info.max_positions) {
    throw Error("--ctx is " + std::to_string(*context) + ", but " + info.name + " takes at most " +
                std::to_string(info.max_positions) + " tokens.");
  }
  const std::int64_t tokens = context.value_or(std::min(info.max_positions, 512));
  const std::int64_t stride = arguments.integer("stride", 1, tokens).value_or(tokens);
  return {static_cast<std::size_t>(tokens), static_cast<std::size_t>(stride)};
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const RunOptions options = read_run_options(arguments);
  const std::string path = arguments.required("model"), file = arguments.required("file"),
                    target = read_output(arguments);
  const Engine engine(open_model(path, log), {.isa = options.isa});
  const ModelInfo& info = engine.model().info();
  if (!info.decoder) throw Error(info.name + " does not predict the next token, expected a decoder such as OPT.");
  const Blocks blocks = read_blocks(arguments, info);
  Workspace workspace({.threads = options.threads});
  describe(engine, workspace, log);
  const std::vector<ScoredWindow> windows =
      windows_of(engine.model().tokenizer().encode(read_text(file)), blocks.context, blocks.stride);

  Output output(target);
  Perplexity perplexity;
  std::size_t done = 0;
  {
    Progress progress("perplexity", log);
    progress.update(0, 0.0);
    Batcher batcher(options.batch, [&](const TokenBatch& batch) {
      for (const std::vector<double>& losses : engine.losses(batch, workspace)) {
        const std::size_t scored = windows[done++].scored;
        for (std::size_t i = losses.size() - scored; i < losses.size(); ++i) perplexity.add(losses[i]);
      }
      log.detail("after " + std::to_string(done) + " of " + std::to_string(windows.size()) +
                 " blocks: " + to_text(perplexity));
      progress.update(static_cast<std::int64_t>(done), static_cast<double>(done) / static_cast<double>(windows.size()));
    });
    for (const ScoredWindow& window : windows) batcher.add(window.tokens);
    batcher.finish();
  }
  perplexity.require_number();
  const nlohmann::ordered_json json = {{"perplexity", perplexity.value()},
                                       {"stderr", perplexity.standard_error()},
                                       {"tokens", perplexity.tokens()},
                                       {"blocks", windows.size()}};
  output.write((arguments.on("json") ? json.dump() : to_text(perplexity)) + "\n");
  output.commit();
  return 0;
}

}  // namespace

constinit const Command kPerplexity = {"perplexity", "how well a decoder predicts a text", syntax, run};

}  // namespace octavo::tools

// `octavo perplexity`: how well a model predicts a text.
#include "report/perplexity.h"

#include "cli/output.h"
#include "cli/progress.h"
#include "commands/commands.h"
#include "commands/common_flags.h"
#include "commands/masked_perplexity.h"
#include "data/open_model.h"
#include "data/token_windows.h"

#include "octavo/error.h"
#include "octavo/text_tasks.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {
      {"f,file", "the text, taken as a whole; - is standard input", "FILE"},
      {"c,ctx", "tokens of a block; by default the model's limit, at most 512", "N"},
      {"stride", "tokens from one block to the next, below -c for blocks that overlap: each token counts once", "N"},
  };
  const Flags masked = {
      {"seed", "of the choice of masked tokens", "N", "0"},
      {"masks", "instead of a text a safetensors file of input_ids and labels, -100 where nothing is asked", "FILE"},
      {"pseudo", "hide each token alone, one after the other (slow): the pseudo-perplexity"},
  };
  return {
      .usage = "-m MODEL (-f FILE [-c N] | --masks FILE) [OPTION...]",
      .about =
          "Cuts a text into blocks and prints the exponential of the mean loss per token, with its standard error.\n"
          "A decoder predicts each token behind the first; of other models 15 % of the tokens are hidden and asked\n"
          "for, and the share that the model finds is printed too. With -v the value so far after each batch on\n"
          "stderr.",
      .example = "octavo perplexity -m opt.octavo -f wikitext.txt -c 256",
      .flags = join({model_flags(),
                     own,
                     masked,
                     {{"json", "print one JSON object"}},
                     run_flags(),
                     {output_flags()[1]},
                     verbosity_flags()}),
      .rules = {{{"file", "ctx", "seed", "pseudo", "stride"}, Rule::When::beside, "masks"},
                {{"seed"}, Rule::When::beside, "pseudo"}}};
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

struct Scored {
  Perplexity perplexity;
  std::size_t blocks = 0;
};

Scored score(const Engine& engine, const std::vector<ScoredWindow>& windows, Workspace& workspace,
             const RunOptions& options, const Log& log) {
  Scored scored;
  Progress progress("perplexity", log);
  progress.update(0, 0.0);
  Batcher batcher(options.batch, [&](const TokenBatch& batch) {
    for (const std::vector<double>& losses : engine.losses(batch, workspace)) {
      const std::size_t count = windows[scored.blocks++].scored;
      for (std::size_t i = losses.size() - count; i < losses.size(); ++i) scored.perplexity.add(losses[i]);
    }
    log.detail("after " + std::to_string(scored.blocks) + " of " + std::to_string(windows.size()) +
               " blocks: " + to_text(scored.perplexity));
    progress.update(static_cast<std::int64_t>(scored.blocks),
                    static_cast<double>(scored.blocks) / static_cast<double>(windows.size()));
  });
  for (const ScoredWindow& window : windows) batcher.add(window.tokens);
  batcher.finish();
  scored.perplexity.require_number();
  return scored;
}

std::string answer_of_decoder(const Engine& engine, Workspace& workspace, const Arguments& arguments, const Log& log) {
  for (const char* flag : {"seed", "masks", "pseudo"}) {
    if (arguments.given(flag))
      throw UsageError("--" + std::string(flag) + " has no effect on a decoder, which predicts the next token");
  }
  const std::string file = arguments.required("file");
  const Blocks blocks = read_blocks(arguments, engine.model().info());
  const std::vector<ScoredWindow> windows =
      windows_of(engine.model().tokenizer().encode(read_text(file)), blocks.context, blocks.stride);
  const Scored scored = score(engine, windows, workspace, read_run_options(arguments), log);
  if (!arguments.on("json")) return to_text(scored.perplexity);
  const nlohmann::ordered_json json = {{"perplexity", scored.perplexity.value()},
                                       {"stderr", scored.perplexity.standard_error()},
                                       {"tokens", scored.perplexity.tokens()},
                                       {"blocks", scored.blocks}};
  return json.dump();
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const RunOptions options = read_run_options(arguments);
  const std::string path = arguments.required("model"), target = read_output(arguments);
  if (!arguments.text("masks") && !arguments.text("file")) throw UsageError("--file or --masks is missing");
  const Engine engine(open_model(path, log), {.isa = options.isa});
  const ModelInfo& info = engine.model().info();
  const bool decoder = info.decoder.has_value();
  if (!decoder && info.task != TextTask::masked_language_model)
    throw Error(info.name + " predicts neither next nor masked tokens, expected a decoder or a masked language model");
  Workspace workspace({.threads = options.threads});
  describe(engine, workspace, log);
  Output output(target);
  output.write((decoder ? answer_of_decoder(engine, workspace, arguments, log)
                        : masked_perplexity(engine, workspace, arguments, log)) +
               "\n");
  output.commit();
  return 0;
}

}  // namespace

constinit const Command kPerplexity = {"perplexity", "how well a model predicts a text", syntax, run};

}  // namespace octavo::tools

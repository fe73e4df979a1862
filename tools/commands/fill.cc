// `octavo fill`: what may stand in masked places of texts.
#include "cli/escaped.h"
#include "cli/json_line.h"
#include "cli/numbers.h"
#include "commands/answer_inputs.h"
#include "commands/commands.h"
#include "data/encoder.h"
#include "data/open_model.h"

#include "octavo/error.h"
#include "octavo/text_tasks.h"

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {{"top-k", "tokens printed for each masked place", "N", "5"},
                     {"targets",
                      "only these words, with commas between them: tokens of the vocabulary, else the first token of "
                      "each; their scores stay the same",
                      "WORDS"}};
  return {.usage = "-m MODEL (-p TEXT | -f FILE)... [OPTION...]",
          .about =
              "Prints the likeliest tokens for each [MASK] (or <mask>) of each text, best first, a line each: token,\n"
              "score, its number in the vocabulary, the masked place's number from 0; separated by tabs. A blank line\n"
              "separates texts.",
          .example = "octavo fill -m bert.octavo -p \"Paris is the [MASK] of France.\"",
          .flags = join(
              {model_flags(), input_flags(), own, run_flags(), max_length_flags(), output_flags(), verbosity_flags()})};
}

using Masks = std::vector<std::vector<TokenScore>>;

/// "" for a row that pads the model's table.
std::string token_of(const Tokenizer& tokenizer, std::int32_t id) {
  return id < tokenizer.vocab_size() ? std::string(tokenizer.token(id)) : "";
}

std::string to_json(const Masks& masks, const Tokenizer& tokenizer, std::int64_t index) {
  ordered_json lists = ordered_json::array();
  for (const std::vector<TokenScore>& mask : masks) {
    ordered_json list = ordered_json::array();
    for (const TokenScore& each : mask)
      list.push_back({{"id", each.id}, {"token", token_of(tokenizer, each.id)}, {"score", each.score}});
    lists.push_back(std::move(list));
  }
  return json_line({{"index", index}, {"masks", lists}});
}

std::string to_text(const Masks& masks, const Tokenizer& tokenizer, std::int64_t index) {
  std::string lines = index > 0 ? "\n" : "";
  for (std::size_t place = 0; place < masks.size(); ++place) {
    for (const TokenScore& each : masks[place]) {
      lines += escaped(token_of(tokenizer, each.id)) + "\t";
      append_fixed(lines, static_cast<double>(each.score), 4);
      lines += "\t" + std::to_string(each.id) + "\t" + std::to_string(place) + "\n";
    }
  }
  return lines;
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const std::string path = arguments.required("model");
  const RunOptions options = read_run_options(arguments);
  const int count = static_cast<int>(*arguments.integer("top-k", 1, 1'000'000));
  const std::vector<std::string> words = read_list(arguments, "targets");
  const bool json = arguments.on("json");
  Inputs inputs = read_inputs(arguments);
  const Engine engine(open_model(path, log), {.isa = options.isa});
  const MaskFiller filler(engine.model());
  const std::vector<std::int32_t> targets = filler.targets(words);
  Workspace workspace({.threads = options.threads});
  describe(engine, workspace, log);
  Encoder encoder(engine.model(), read_max_length(arguments), {.prompt = ""});
  const Tokenizer& tokenizer = encoder.tokenizer();
  answer_inputs({.engine = engine,
                 .workspace = workspace,
                 .options = options,
                 .label = "fill",
                 .output = read_output(arguments),
                 .log = log,
                 .run = [&](const TokenBatch& batch) { return filler.logits(engine, batch, workspace); },
                 .rows = [&](const Tokens& tokens) { return filler.masks(tokens).size(); }},
                inputs, [&](const std::string& line, std::int64_t index) -> Question {
                  Tokens tokens = encoder.encode(line);
                  if (filler.masks(tokens).empty()) {
                    throw Error(inputs.place() + ": has no " + std::string(tokenizer.token(filler.mask())) +
                                (tokens.truncated > 0 ? " within the tokens that the model takes" : ""));
                  }
                  return {{std::move(tokens)}, [&, index](const Tensor& logits) {
                            const Masks masks = filler.decode(logits, count, targets);
                            return json ? to_json(masks, tokenizer, index) : to_text(masks, tokenizer, index);
                          }};
                });
  encoder.report_truncated(log);
  return 0;
}

}  // namespace

constinit const Command kFill = {"fill", "what may stand in masked places of texts", syntax, run};

}  // namespace octavo::tools

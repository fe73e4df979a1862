// `octavo generate`: text from a decoder, shown as it is made.
#include "octavo/generate.h"

#include "cli/numbers.h"
#include "cli/output.h"
#include "cli/stopwatch.h"
#include "commands/commands.h"
#include "commands/common_flags.h"
#include "data/encoder.h"
#include "data/open_model.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <limits>

namespace octavo::tools {
namespace {

Syntax syntax() {
  const Flags own = {
      {"n,tokens", "most tokens to make", "N", "128"},
      {"c,ctx", "most tokens of prompt and text together; by default the model's limit", "N"},
      {"temp", "temperature; 0 takes the likeliest token", "T", "0"},
      {"top-k", "choose among the K likeliest tokens; 0: all", "K", "0"},
      {"top-p", "choose among the likeliest tokens that together have this probability", "P", "1"},
      {"min-p", "choose among tokens with this share of the likeliest one's probability", "P", "0"},
      {"repeat-penalty", "divides the logits of tokens so far, of beams their log-probabilities; 1: none", "X", "1"},
      {"beams", "beam search with N beams; the text comes at the end", "N", "1"},
      {"s,seed", "seed of the choice", "N", "0"},
      {"stop", "end before this text; may be repeated", "TEXT"},
  };
  return {
      .usage = "-m MODEL (-p TEXT | -f FILE)... [-n N] [OPTION...]",
      .about =
          "Continues each prompt, and prints what it makes as soon as it is certain; times follow on stderr. An empty "
          "prompt is the\n"
          "beginning of a text.",
      .example = "octavo generate -m opt.octavo -p \"The city of\" -n 50",
      .flags = join(
          {model_flags(), input_flags(), own, {run_flags()[0], run_flags()[3]}, output_flags(), verbosity_flags()}),
      .rules = {{{"temp"}, Rule::When::beside, "beams"},
                {{"top-k", "top-p", "min-p", "seed"}, Rule::When::without, "temp"}}};
}

GenerateOptions read_options(const Arguments& arguments) {
  GenerateOptions options;
  options.max_new_tokens = static_cast<int>(*arguments.integer("tokens", 1, 65536));
  options.context = static_cast<int>(arguments.integer("ctx", 2, 65536).value_or(0));
  options.sampling = {
      .repetition_penalty = *arguments.number("repeat-penalty", 0.01, 100.0),
      .temperature = *arguments.number("temp", 0.0, 100.0),
      .top_k = static_cast<int>(*arguments.integer("top-k", 0, 1 << 24)),
      .top_p = *arguments.number("top-p", 1e-6, 1.0),
      .min_p = *arguments.number("min-p", 0.0, 1.0),
      .seed = static_cast<std::uint64_t>(*arguments.integer("seed", 0, std::numeric_limits<std::int64_t>::max()))};
  options.beams = static_cast<int>(*arguments.integer("beams", 1, 64));
  if (options.beams > 1 && options.sampling.temperature > 0.0)
    throw UsageError("--beams and --temp exclude each other");
  options.stops = arguments.texts("stop");
  for (const std::string& stop : options.stops) {
    if (stop.empty()) throw UsageError("--stop is '', expected a text");
  }
  return options;
}

/// --ctx beyond the model's limit is an error of its own, before any work.
void check_context(const GenerateOptions& options, const ModelInfo& info) {
  if (!info.decoder) throw Error(info.name + " does not predict the next token, expected a decoder such as OPT.");
  if (options.context <= info.max_positions) return;
  throw Error("--ctx is " + std::to_string(options.context) + ", but " + info.name + " takes at most " +
              std::to_string(info.max_positions) + " tokens.");
}

/// "9 tokens at 123.4/s"
std::string rate(std::size_t tokens, double seconds) {
  std::string text = std::to_string(tokens) + " tokens at ";
  append_fixed(text, static_cast<double>(tokens) / std::max(seconds, 1e-9), 1);
  return text + "/s";
}

std::string to_json(const Generation& made, std::size_t prompt_tokens) {
  const nlohmann::ordered_json object = {{"text", made.text},
                                         {"tokens", made.tokens},
                                         {"prompt_tokens", prompt_tokens},
                                         {"finish_reason", std::string(name_of(made.finish))}};
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const GenerateOptions options = read_options(arguments);
  const auto threads = static_cast<int>(arguments.integer("threads", 1, 1024).value_or(0));
  const std::string path = arguments.required("model"), target = read_output(arguments);
  const std::string isa = read_isa(arguments);
  const bool json = arguments.on("json");
  Inputs inputs = read_inputs(arguments);
  const Stopwatch loading;
  const Engine engine(open_model(path, log), {.isa = isa});
  check_context(options, engine.model().info());
  const Tokenizer& tokenizer = engine.model().tokenizer();
  Workspace workspace({.threads = threads});
  describe(engine, workspace, log);
  std::string load = "load ";
  append_fixed(load, loading.seconds(), 2);

  Output output(target);
  const TextSink show = [&](std::string_view piece) {
    output.write(piece);
    output.flush();
  };
  while (const std::optional<std::string> prompt = inputs.next()) {
    const Tokens tokens = tokenizer.encode(*prompt);
    const Generation made = generate(engine, tokenizer, tokens, workspace, options, json ? TextSink{} : show);
    output.write(json ? to_json(made, tokens.ids.size()) : "\n");
    output.flush();
    const std::size_t steps =
        made.tokens.empty() ? 0 : made.tokens.size() - 1;  // the prompt's pass makes the first token
    log.say(load + " s, prompt " + rate(tokens.ids.size(), made.prompt_seconds) + ", decode " +
            rate(steps, made.decode_seconds));
  }
  output.commit();
  return 0;
}

}  // namespace

constinit const Command kGenerate = {"generate", "text that continues a prompt", syntax, run};

}  // namespace octavo::tools

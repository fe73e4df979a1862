// `octavo tokenize`: the tokens a model sees, and where in the text they come from.
#include "cli/escaped.h"
#include "cli/output.h"
#include "commands/commands.h"
#include "commands/common_flags.h"
#include "data/encoder.h"
#include "data/open_model.h"

#include "octavo/tokenizer.h"

#include <nlohmann/json.hpp>

#include <optional>

namespace octavo::tools {
namespace {

Syntax syntax() {
  return {.usage = "-m MODEL (-p TEXT | -f FILE)... [OPTION...]",
          .about =
              "Prints the tokens of each input as the model sees them: id, token, and the bytes of the input that it\n"
              "stands for, from begin to before end (equal for added special tokens). A blank line separates inputs.",
          .example = "octavo tokenize -m model.octavo -p \"Hello, world\"",
          .flags = join({model_flags(), input_flags(), max_length_flags(), output_flags(), verbosity_flags()})};
}

std::string to_text(const Tokens& tokens, const Tokenizer& tokenizer) {
  std::string text;
  for (std::size_t i = 0; i < tokens.ids.size(); ++i) {
    text += std::to_string(tokens.ids[i]) + '\t' + escaped(tokenizer.token(tokens.ids[i])) + '\t' +
            std::to_string(tokens.offsets[i].begin) + '\t' + std::to_string(tokens.offsets[i].end) + '\n';
  }
  return text;
}

std::string to_json(const Tokens& tokens, const Tokenizer& tokenizer, std::int64_t index) {
  nlohmann::ordered_json object = {{"index", index}, {"ids", tokens.ids}};
  auto& names = object["tokens"] = nlohmann::ordered_json::array();
  auto& offsets = object["offsets"] = nlohmann::ordered_json::array();
  for (const std::int32_t id : tokens.ids) names.push_back(std::string(tokenizer.token(id)));
  for (const ByteRange& span : tokens.offsets) offsets.push_back({span.begin, span.end});
  object["truncated"] = tokens.truncated;
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const bool json = arguments.on("json");
  const std::optional<std::int64_t> max_length = read_max_length(arguments);
  const std::string path = arguments.required("model");
  Inputs inputs = read_inputs(arguments);
  Encoder encoder(open_model(path, log), max_length, {.prompt = ""});
  Output output(read_output(arguments));

  for (std::int64_t index = 0; const std::optional<std::string> text = inputs.next(); ++index) {
    const Tokens tokens = encoder.encode(*text);
    if (!json && index > 0) output.write("\n");
    output.write(json ? to_json(tokens, encoder.tokenizer(), index) : to_text(tokens, encoder.tokenizer()));
  }
  output.commit();
  encoder.report_truncated(log);
  return 0;
}

}  // namespace

constinit const Command kTokenize = {"tokenize", "token ids, tokens and offsets of texts", syntax, run};

}  // namespace octavo::tools

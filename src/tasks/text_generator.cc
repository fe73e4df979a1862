#include "octavo/text_generator.h"

#include "octavo/error.h"

#include <utility>

namespace octavo {
namespace {

Model checked(Model model) {
  if (!model.info().decoder)
    throw Error(model.info().name + " does not predict the next token, expected a decoder such as OPT");
  model.tokenizer();  // throws when there is none
  return model;
}

}  // namespace

TextGenerator::TextGenerator(const std::filesystem::path& model, const SessionOptions& options)
    : TextGenerator(Model::open(model), options) {}

TextGenerator::TextGenerator(Model model, const SessionOptions& options)
    : session_(checked(std::move(model)), options) {}

Generation TextGenerator::generate(std::string_view prompt, const GenerateOptions& options, const TextSink& sink) {
  const Tokenizer& tokenizer = model().tokenizer();
  return octavo::generate(session_.engine(), tokenizer, tokenizer.encode(prompt), session_.workspace(), options, sink);
}

}  // namespace octavo

// Prompts to texts in one object: that it gives what generate() gives, and refuses models that make no texts.
#include "octavo/text_generator.h"

#include "tests/support/small_tokenizers.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/tiny_opt.h"

#include "octavo/error.h"

namespace octavo::test {
namespace {

Model small_decoder() {
  TinyOpt opt({.vocab_size = 270});
  opt.config["bos_token_id"] = 256;
  opt.config["eos_token_id"] = 256;
  TemporaryDirectory directory;
  opt.write(directory.path());
  write_bytes(directory / "tokenizer.json", small_bpe().dump());
  return Model::from_checkpoint(directory.path());
}

}  // namespace

TEST_CASE("a generator continues a prompt as generate() does, and shows the text while it is made") {
  const Model model = small_decoder();
  const GenerateOptions options{.max_new_tokens = 15, .sampling = {.temperature = 1.2, .seed = 5}};
  Workspace workspace({.threads = 1});
  const Generation expected =
      generate(Engine(model), model.tokenizer(), model.tokenizer().encode("hello"), workspace, options);
  TextGenerator generator(model, {.threads = 1});
  std::string shown;
  const Generation made = generator.generate("hello", options, [&](std::string_view piece) { shown += piece; });
  CHECK(made.tokens == expected.tokens);
  CHECK(made.text == expected.text);
  CHECK(shown == made.text);
  CHECK(!generator.generate("", {.max_new_tokens = 3}).tokens.empty());
}

TEST_CASE("a generator refuses encoders and decoders without a tokenizer") {
  CHECK_THROWS_WITH(TextGenerator(TinyBert().model()), Catch::Contains("does not predict the next token"));
  CHECK_THROWS_WITH(TextGenerator(TinyOpt().model()), Catch::Contains("has no tokenizer"));
}

}  // namespace octavo::test

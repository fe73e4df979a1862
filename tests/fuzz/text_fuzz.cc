// Any bytes are a text: its tokens have offsets that lie in it in order, and decode to well-formed text.
#include "tests/fuzz/fuzz.h"
#include "tests/support/golden_tokenizers.h"
#include "tests/support/small_tokenizers.h"

#include "octavo/error.h"
#include "octavo/tokenizer.h"

#include <vector>

using namespace octavo;

namespace {

const std::vector<Tokenizer>& tokenizers() {
  static const std::vector<Tokenizer> all = [] {
    std::vector<Tokenizer> result = {
        Tokenizer::from_checkpoint(OCTAVO_SOURCE_DIR "/models/pretrained/all-MiniLM-L6-v2-gated"),
        Tokenizer::from_json(test::small_tokenizer().dump()), Tokenizer::from_json(test::small_bpe().dump())};
    const nlohmann::json golden = test::read_golden_tokenizers(OCTAVO_SOURCE_DIR);
    for (const nlohmann::json& kind : golden["tokenizers"]) {
      result.push_back(Tokenizer::from_json(test::tokenizer_file_of(golden, kind)));
    }
    return result;
  }();
  return all;
}

void check_tokens(const Tokenizer& tokenizer, const Tokens& tokens, std::string_view text) {
  fuzz::expect(tokens.offsets.size() == tokens.ids.size() && tokens.type_ids.size() == tokens.ids.size(),
               "every token has an offset and a type");
  std::int32_t last = 0;
  for (std::size_t i = 0; i < tokens.ids.size(); ++i) {
    const ByteRange span = tokens.offsets[i];
    fuzz::expect(0 <= span.begin && span.begin <= span.end && span.end <= static_cast<std::int32_t>(text.size()),
                 "a token comes from the text");
    fuzz::expect(tokenizer.token(tokens.ids[i]).size() > 0, "a token has a text");
    if (span.begin == span.end) continue;
    fuzz::expect(span.begin >= last || span.end >= last, "tokens come in the order of the text");
    last = span.begin;
  }
}

void check_decoding(const Tokenizer& tokenizer, const Tokens& tokens) {
  for (const bool skip : {false, true}) {
    const std::string text = tokenizer.decode(tokens.ids, {.skip_special_tokens = skip});
    StreamDecoder decoder(tokenizer, {.skip_special_tokens = skip});
    std::string streamed;
    for (const std::int32_t id : tokens.ids) streamed += decoder.push(id);
    fuzz::expect(streamed + decoder.finish() == text, "decoding token by token gives the same text");
    nlohmann::json(text).dump();  // throws where the text is not well-formed UTF-8
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Tokenizer& tokenizer = tokenizers()[data[0] % tokenizers().size()];
  const int max_length = data[1] % 64;
  const std::string_view text = fuzz::as_text(data + 2, size - 2);
  const Tokens whole = tokenizer.encode(text);
  fuzz::expect(whole.truncated == 0, "nothing is cut without being asked for");
  check_tokens(tokenizer, whole, text);
  check_decoding(tokenizer, whole);
  try {
    const Tokens cut = tokenizer.encode(text, max_length);
    fuzz::expect(cut.ids.size() <= static_cast<std::size_t>(max_length), "tokens are cut at max_length");
    fuzz::expect(cut.ids.size() + static_cast<std::size_t>(cut.truncated) == whole.ids.size(),
                 "cut tokens are counted");
    check_tokens(tokenizer, cut, text);
    const std::size_t half = text.size() / 2;
    const Tokens pair = tokenizer.encode(text.substr(0, half), text.substr(half), max_length);
    fuzz::expect(pair.ids.size() <= static_cast<std::size_t>(max_length), "a pair is cut at max_length");
  } catch (const Error&) {  // there is no room for the special tokens
    fuzz::expect(max_length < 4, "there is room for the special tokens");
  }
  return 0;
}

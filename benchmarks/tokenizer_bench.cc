// How fast is text turned into ids? Bytes per second on one core, for text that is plain, accented, Chinese or hostile.
// Usage: octavo_tokenizer_bench [FILE [DIRECTORY]]  (a UTF-8 text file, measured as one text and line by line; a
// checkpoint whose tokenizer is measured in place of the shipped one's)
#include "octavo/tokenizer.h"

#include <benchmark/benchmark.h>

#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

std::string repeat(const std::string& text, std::size_t bytes) {
  std::string result;
  while (result.size() < bytes) result += text;
  return result;
}

void encode(benchmark::State& state, const octavo::Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  std::int64_t bytes = 0, tokens = 0;
  for (auto _ : state) {
    for (const std::string& text : texts) {
      const octavo::Tokens result = tokenizer.encode(text);
      bytes += static_cast<std::int64_t>(text.size());
      tokens += static_cast<std::int64_t>(result.ids.size());
    }
  }
  state.SetBytesProcessed(bytes);
  state.counters["tokens"] = benchmark::Counter(static_cast<double>(tokens), benchmark::Counter::kIsRate);
}

std::vector<std::string> read_lines(const char* file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const std::string checkpoint = argc > 2 ? argv[2] : OCTAVO_SOURCE_DIR "/models/pretrained/all-MiniLM-L6-v2-gated";
  const auto tokenizer = octavo::Tokenizer::from_checkpoint(checkpoint);
  const auto measure = [&](const char* name, const std::vector<std::string>& texts) {
    benchmark::RegisterBenchmark(name,
                                 [&tokenizer, texts](benchmark::State& state) { encode(state, tokenizer, texts); });
  };
  constexpr std::size_t kMegabyte = 1 << 20;
  measure("english", {repeat("The quick brown foxes, unaffably, jumped over 13 lazy dogs. ", kMegabyte)});
  measure("accents", {repeat("Où est l'été ? Ça brûle à Besançon, évidemment. ", kMegabyte)});
  measure("chinese", {repeat("北京的天气今天很好。", kMegabyte)});
  measure("one_word", {std::string(kMegabyte, 'a')});
  measure("short_words_without_spaces", {repeat("a.", kMegabyte)});
  benchmark::RegisterBenchmark("load", [&checkpoint](benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(octavo::Tokenizer::from_checkpoint(checkpoint));
  });
  measure("white_space", {std::string(kMegabyte, ' ')});
  measure("special_tokens", {repeat("[MASK]", kMegabyte)});
  measure("brackets", {std::string(kMegabyte, '[')});
  measure("invalid_utf8", {std::string(kMegabyte, '\xf0')});
  if (argc > 1) {
    const std::vector<std::string> lines = read_lines(argv[1]);
    std::string all;
    for (const std::string& line : lines) all += line + "\n";
    if (all.empty()) {
      std::cerr << argv[1] << ": has no text to measure\n";
      return 1;
    }
    measure("file_as_one_text", {all});
    measure("file_by_lines", lines);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

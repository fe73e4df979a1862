// Every flag of every subcommand does what it is for: a table with a line for each, so that no flag can be without one.
#include "tests/tools/flag_lines.h"
#include "tests/tools/tiny_models.h"

#include <set>

namespace octavo::test {
namespace {

Words joined(const char* command, const Words& base, const Words& added = {}) {
  Words words = {command};
  words.insert(words.end(), base.begin(), base.end());
  words.insert(words.end(), added.begin(), added.end());
  return words;
}

}  // namespace

TEST_CASE("every flag of every subcommand has a line in the table of what flags change") {
  std::set<std::string> expected, found;
  for (const Command* command : all_commands()) {
    for (const Flag& flag : command->syntax().flags) {
      expected.insert(std::string(command->name) + " --" + flag.names.substr(flag.names.find(',') + 1));
    }
  }
  for (const Line& line : flag_lines()) found.insert(std::string(line.command) + " --" + line.flag);
  CHECK(found == expected);
}

TEST_CASE("every flag changes the answer or the log, or the speed alone where that is what it is for") {
  const TinyModels models;
  for (const Line& line : flag_lines()) {
    if (line.command == std::string("selftest")) continue;  // takes seconds, and is tested as a whole
    CAPTURE(line.command, line.flag);
    const Ran without = models.run(joined(line.command, line.base)),
              with = models.run(joined(line.command, line.base, line.added));
    CAPTURE(without.err, with.err);
    CHECK(without.code == 0);
    CHECK(with.code == 0);
    if (line.effect == Effect::answer) CHECK(with.out != without.out);
    if (line.effect == Effect::log || line.effect == Effect::speed) CHECK(with.out == without.out);
    if (line.effect == Effect::log) CHECK(with.err != without.err);
  }
}

TEST_CASE("a flag that would have no effect is wrong usage, and the message names both") {
  const TinyModels models;
  const std::vector<std::pair<Words, std::string>> cases = {
      {joined("generate", kText, {"--top-k", "5"}), "--top-k has no effect without --temp"},
      {joined("generate", kText, {"--top-p", "0.5"}), "--top-p has no effect without --temp"},
      {joined("generate", kText, {"--min-p", "0.5"}), "--min-p has no effect without --temp"},
      {joined("generate", kText, {"--seed", "5", "--temp", "0.0"}), "--seed has no effect without --temp"},
      {joined("generate", kText, {"--beams", "2", "--temp", "1"}), "--temp has no effect beside --beams"},
      {joined("generate", {"-m", "opt", "-p", "a"}, {"--isa", "scalar"}), "--isa has no effect on --model opt"},
      {joined("embed", kTwo, {"--similarity", "--no-normalize"}), "--no-normalize has no effect beside --similarity"},
      {joined("embed", kTwo, {"--calibration-embeddings", "two.npy"}),
       "--calibration-embeddings has no effect without"},
      {joined("embed", kTwo, {"--precision", "int8", "--similarity"}), "--precision has no effect beside --similarity"},
      {joined("embed", kTwo, {"--sparse", "--pooling", "cls"}), "--pooling has no effect beside --sparse"},
      {joined("perplexity", kMasked, {"--stride", "4"}),
       "--stride has no effect on a model that predicts masked tokens"},
      {joined("perplexity", kMasked, {"--pseudo", "--seed", "4"}), "--seed has no effect beside --pseudo"},
      {joined("perplexity", kMasked, {"--masks", "masks.safetensors"}), "--file has no effect beside --masks"},
      {joined("perplexity", kPerplexity, {"--pseudo"}), "--pseudo has no effect on a decoder"},
      {joined("embed", kPictures, {"--max-length", "4"}), "--max-length has no effect beside --image"},
      {joined("embed", {"-m", "vit.octavo", "-f", "list.txt"}, {"--max-length", "4"}),
       "--max-length has no effect on --model vit.octavo"},
      {joined("embed", kPictures, {"--prompt", "x"}), "--prompt has no effect beside --image"},
      {joined("embed", {"-m", "bert", "-p", "a"}, {"--isa", "scalar"}), "--isa has no effect on --model bert"},
      {joined("calibrate", kCalibrate, {"--percentile", "99"}),
       "--percentile has no effect without --method percentile"},
      {joined("calibrate", kPaper, {"--paper", "--copies", "3"}), "--copies has no effect beside --paper"},
      {joined("calibrate", kPaper, {"--paper", "--ablations", "on"}), "--ablations has no effect beside --paper"},
      {joined("calibrate", kPaper, {"--paper", "--target-cosine", "0.9"}),
       "--target-cosine has no effect beside --paper"},
      {joined("calibrate", kCalibrate, {"--target-cosine", "0.9", "--extra-bits", "all"}),
       "--extra-bits has no effect beside --target-cosine"},
      {joined("calibrate", kCalibrate, {"--drop", "1", "--drop-until", "0.1"}),
       "--drop-until has no effect beside --drop"},
      {joined("calibrate", kCalibrate, {"--drop", "1", "--target-cosine", "0.9"}),
       "--target-cosine has no effect beside --drop"},
      {joined("calibrate", kCalibrate, {"--head", "int8"}), "--head has no effect on bert"},
      {joined("calibrate", kCalibrate, {"--token-merge", "2"}), "--token-merge has no effect on bert"},
      {joined("calibrate", kCalibrate, {"--ffn-width", "0.5", "--drop-neurons", "0.1"}),
       "--drop-neurons has no effect beside --ffn-width"},
      {joined("calibrate", kCalibrate, {"--drop-heads", "0.1", "--max-drop", "1"}),
       "--max-drop has no effect beside --drop-heads"},
      {joined("calibrate", kCalibrate, {"--drop-heads", "1"}), "--drop-heads is '1', expected"},
      {joined("calibrate", kCalibrate, {"--ffn-width", "0.5,0"}), "--ffn-width is '0', expected"},
      {joined("calibrate", kCalibrate, {"--hard-attention", "4"}), "--hard-attention is '4', expected"},
      {joined("calibrate", kCalibrate, {"--hard-attention", "0@1"}), "--hard-attention is '0@1', expected"},
      {joined("calibrate", kCalibratePictures, {"--drop", "1", "--token-merge", "2"}),
       "--drop has no effect beside --token-merge"},
      {joined("calibrate", kCalibratePictures, {"--max-drop", "1", "--token-prune", "0@1"}),
       "--max-drop has no effect beside --token-prune"},
      {joined("calibrate", kCalibratePictures, {"--token-prune", "0.5"}), "--token-prune is '0.5', expected RATIO"},
      {joined("calibrate", kCalibratePictures, {"--token-prune", "1.5@0"}), "--token-prune is '1.5@0', expected RATIO"},
      {joined("calibrate", kCalibratePictures, {"--token-prune", "auto:x"}), "expected auto:LOSS with points"},
      {joined("calibrate", kCalibratePictures, {"--token-merge", "2,3@1,0"}), "with as many layers, from 0, in order"},
      {joined("calibrate", kCalibratePictures, {"--token-merge", "2", "--token-prune", "0@1"}),
       "--token-merge is '2', of every layer"},
      {joined("calibrate", kCalibratePictures, {"--token-merge", "auto:1", "--token-prune", "auto:2"}),
       "a search within the same points"},
      {joined("calibrate", {"vit", "-d", "pictures"}, {"--max-length", "4"}), "--max-length has no effect on vit"},
      {joined("calibrate", {"vit", "-d", "pictures"}, {"--column", "4"}), "--column has no effect on vit"},
      {joined("analyze", kAnalyze, {"--isa", "scalar"}), "--isa has no effect without --model"},
      {joined("analyze", kAnalyze, {"--bits", "4:4", "-m", "bert.octavo"}), "--bits has no effect beside --model"},
      {joined("bench", {"-m", "bert.octavo", "-f", "texts.txt"}, {"--length", "4"}),
       "--length has no effect beside --file"},
      {joined("bench", {"-m", "vit.octavo"}, {"--length", "4"}), "--length has no effect on --model vit.octavo"},
      {joined("bench", {"-m", "bert"}, {"--isa", "scalar"}), "--isa has no effect on --model bert"},
      {joined("bench", kBench, {"--profile"}), "--profile has no effect beside --output-format csv"},
  };
  for (const auto& [words, message] : cases) {
    const Ran ran = models.run(words);
    CAPTURE(message, ran.err);
    CHECK(ran.code == 2);
    CHECK(ran.err.find(message) != std::string::npos);
  }
  CHECK(models.run(joined("bench", {"-m", "vit.octavo"}, {"--decode", "2"})).code == 1);
}

}  // namespace octavo::test

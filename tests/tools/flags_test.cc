// Every flag of every subcommand does what it is for: a table with a line for each, so that no flag can be without one.
#include "commands/commands.h"
#include "tests/support/byte_level_support.h"
#include "tests/support/golden_tasks.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/tiny_opt.h"
#include "tests/support/tiny_vit.h"
#include "tests/tools/support.h"

#include <algorithm>
#include <set>
#include <unistd.h>

using namespace octavo::tools;

namespace octavo::test {
namespace {

using Words = std::vector<std::string>;

/// What a flag changes of what the command does without it.
enum class Effect {
  answer,    ///< the answer, or where it goes
  log,       ///< what stands on standard error
  speed,     ///< nothing else
  rounding,  ///< nothing but the last digits of sums in float32
};

struct Line {
  const char* command;
  const char* flag;
  Words base, added;
  Effect effect = Effect::answer;
};

struct Ran {
  int code = 0;
  std::string out, err;
};

/// Models of each family, and what they are asked about.
class Kitchen {
 public:
  Kitchen() {
    setenv("OCTAVO_TOP_UP", "off", 1);  // these samples are few
    std::filesystem::create_directory(scratch_ / "bert");
    std::filesystem::create_directory(scratch_ / "opt");
    std::filesystem::create_directory(scratch_ / "vit");
    TinyBert().write(scratch_ / "bert");
    write_bytes(scratch_ / "bert/tokenizer.json", small_tokenizer().dump());
    TinyOpt opt({.vocab_size = 270, .gate = false});
    opt.config["bos_token_id"] = opt.config["eos_token_id"] = 256;
    opt.write(scratch_ / "opt");
    write_bytes(scratch_ / "opt/tokenizer.json", small_bpe().dump());
    std::filesystem::copy(scratch_ / "bert", scratch_ / "warned");
    write_bytes(scratch_ / "warned/tokenizer_config.json", R"({"new_setting": 3})");
    write_bytes(scratch_ / "warned/config_sentence_transformers.json", R"({"prompts": {"q": "hello "}})");
    TinyVit(TinyVitOptions{.gate = false}).write(scratch_ / "vit");
    std::string texts, table;
    for (int i = 0; i < 40; ++i) {
      texts +=
          "a b c " + std::string(static_cast<std::size_t>(i % 7), 'a') + " hello ! x e " + (i % 3 ? "un" : "Hello");
      texts += "\n";
      table += "a b\thello x x\n";
      write_picture("pictures/" + std::to_string(i % 10) + ".ppm", i);
    }
    scratch_.write("texts.txt", texts);
    scratch_.write("table.tsv", table);
    std::string sentences;
    for (int i = 0; i < 16; ++i)
      sentences += i % 2 ? "Maria lives in Berlin ?\tthe cat sat\n" : "where is it ?\ta river\n";
    scratch_.write("tasks.txt", sentences);
    scratch_.write("cells.tsv", "a cat\tMaria lives in [MASK] .\n");
    scratch_.write("asked.tsv", "what ?\tthe cat sat on the mat in the bank of new york\n");
    std::string labelled = "first\tsecond\tclass\n";
    for (int i = 0; i < 16; ++i) labelled += i % 2 ? "Maria lives\tthe cat\tgood\n" : "a river\ta\t0\n";
    scratch_.write("labelled.tsv", labelled);
    scratch_.write("labels.tsv", "0.ppm\t1\n1.ppm\t2\n");
    scratch_.write("list.txt", scratch_.path("pictures/3.ppm") + "\n");
    for (const char* name : {"bert", "opt"}) {
      run({"calibrate", name, "-d", "texts.txt", "-o", std::string(name) + ".octavo", "--ablations", "off"});
    }
    const GoldenTasks tasks;
    for (const char* name : {"three_labels", "entailment", "identity", "entities", "questions", "masks"}) {
      std::filesystem::create_directory(scratch_ / name);
      tasks.write(name, scratch_ / name);
      run({"calibrate", name, "-d", "tasks.txt", "-o", std::string(name) + ".octavo", "--ablations", "off"});
    }
    run({"embed", "-m", "bert.octavo", "-p", "hello", "-p", "b x", "-o", "two.npy"});
    Tensor ids(DType::s32, {1, 4}), labels(DType::s32, {1, 4});
    std::ranges::copy(std::vector<std::int32_t>{2, 4, 9, 3}, ids.writable<std::int32_t>().begin());
    std::ranges::copy(std::vector<std::int32_t>{-100, 7, 8, -100}, labels.writable<std::int32_t>().begin());
    write_safetensors(scratch_ / "masks.safetensors", {{"input_ids", ids}, {"labels", labels}}, {});
    labels.writable<std::int32_t>()[2] = -100;
    write_safetensors(scratch_ / "fewer.safetensors", {{"input_ids", ids}, {"labels", labels}}, {});
    run({"calibrate", "vit", "-d", "pictures", "-o", "vit.octavo", "--ablations", "off"});
  }

  /// Runs a command in the scratch folder; what it writes to m.octavo counts as its answer.
  Ran run(const Words& words) const {
    const std::filesystem::path before = std::filesystem::current_path();
    std::filesystem::current_path(scratch_.TemporaryDirectory::path());
    std::filesystem::remove("m.octavo");
    Ran result;
    {
      const Redirect out(STDOUT_FILENO, "out.captured"), err(STDERR_FILENO, "err.captured");
      result.code = run_here(words);
    }
    result.out = read_bytes(std::filesystem::exists("m.octavo") ? "m.octavo" : "out.captured");
    result.err = read_bytes("err.captured");
    std::filesystem::current_path(before);
    return result;
  }

 private:
  static int run_here(const Words& words) {
    try {
      for (const Command* command : all_commands()) {
        if (words[0] != command->name) continue;
        std::vector<const char*> pointers;
        for (const std::string& word : words) pointers.push_back(word.c_str());
        return command->run(parse(command->syntax(), static_cast<int>(pointers.size()), pointers.data()));
      }
    } catch (const UsageError& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 2;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    return 1;
  }

  void write_picture(const std::string& name, int shade) const {
    std::string bytes = "P6 32 32 255\n";
    for (int i = 0; i < 32 * 32 * 3; ++i) bytes += static_cast<char>((i * 7 + shade * 31) & 127);
    scratch_.write(name, bytes);
  }

  Scratch scratch_;
};

const Words kEmbed = {"-m", "bert.octavo", "-p", "a b hello"}, kTwo = {"-m", "bert.octavo", "-p", "a b", "-p", "x"},
            kPictures = {"-m", "vit.octavo", "--image", "pictures"}, kText = {"-m", "opt.octavo", "-p", "hello w"},
            kSampled = {"-m", "opt.octavo", "-p", "hello w", "-n", "20", "--temp", "1.5"},
            kCalibrate = {"bert", "-d", "texts.txt", "-o", "m.octavo", "--ablations", "off", "--samples", "30"},
            kPaper = {"bert", "-d", "texts.txt", "-o", "m.octavo", "--samples", "30"},
            kAnalyze = {"bert", "-d", "texts.txt"}, kBench = {"-m", "opt.octavo", "-p", "4", "-r", "2", "-o", "csv"},
            kTokenize = {"-m", "bert.octavo", "-p", "a b hello"}, kPerplexity = {"-m", "opt.octavo", "-f", "texts.txt"};

const Words kClasses = {"-m", "three_labels.octavo", "-p", "Maria lives in Berlin ?", "--json"},
            kCandidates = {"-m", "entailment.octavo", "-p", "a cat", "--candidates", "water,cat", "--json"},
            kRanked = {"-m", "identity.octavo", "--query", "the cat", "-p", "a river", "-p", "a cat", "--json"},
            kTagged = {"-m", "entities.octavo", "-p", "Maria lives in Berlin , not Montreal", "--json"},
            kAsked = {"-m",    "questions.octavo", "--question",
                      "who ?", "--context",        "Maria lives in Berlin . the cat sat on the long mat",
                      "--json"},
            kFilled = {"-m", "masks.octavo", "-p", "the [MASK] sat", "--json"},
            kLabelled = {"three_labels", "-d",  "labelled.tsv", "-o",  "m.octavo",
                         "--ablations",  "off", "--column",     "1,2", "--json"},
            kMasked = {"-m", "masks.octavo", "-f", "tasks.txt"},
            kOutput = {"-m", "three_labels.octavo", "-p", "a cat sat"};

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// The flags that all commands of text tasks have.
void add_common(std::vector<Line>& lines, const char* command, const Words& base, const char* checkpoint) {
  lines.push_back({command, "model", base, {"--model", checkpoint}});
  lines.push_back({command, "threads", base, {"--threads", "1"}, Effect::speed});
  lines.push_back({command, "batch-size", base, {"--batch-size", "1"}, Effect::speed});
  lines.push_back({command, "max-batch-tokens", base, {"--max-batch-tokens", "4"}, Effect::speed});
  lines.push_back({command, "isa", base, {"--isa", "scalar", "-v"}, Effect::log});
  lines.push_back({command, "verbose", base, {"--verbose"}, Effect::log});
  lines.push_back({command, "quiet", with(base, {"-v"}), {"--quiet"}, Effect::log});
}

std::vector<Line> task_lines() {
  std::vector<Line> lines = {
      {"classify", "prompt", kClasses, {"--prompt", "a"}},
      {"classify", "column", {"-m", "three_labels.octavo", "-f", "cells.tsv"}, {"--column", "2"}},
      {"classify", "candidates", {"-m", "entailment.octavo", "-p", "a cat"}, {"--candidates", "water,cat"}},
      {"classify", "hypothesis", kCandidates, {"--hypothesis", "not {} , a river"}},
      {"classify", "multi-label", kCandidates, {"--multi-label"}},
      {"classify", "max-length", kClasses, {"--max-length", "4"}},
      {"calibrate", "labels", kLabelled, {"--labels", "class"}},
      {"calibrate", "max-drop", with(kLabelled, {"--labels", "class"}), {"--max-drop", "0"}},

      {"rank", "query", kRanked, {"--query", "a mat"}},
      {"rank", "prompt", kRanked, {"--prompt", "a"}},
      {"rank", "file", kRanked, {"--file", "texts.txt"}},
      {"rank", "column", {"-m", "identity.octavo", "--query", "the cat", "-f", "cells.tsv"}, {"--column", "2"}},
      {"rank", "top-k", kRanked, {"--top-k", "1"}},
      {"rank", "max-length", kRanked, {"--max-length", "6"}},
      {"rank", "json", {"-m", "identity.octavo", "--query", "the cat", "-p", "a"}, {"--json"}},
      {"rank", "output", kRanked, {"--output", "answer.txt"}},

      {"tag", "prompt", kTagged, {"--prompt", "a"}},
      {"tag", "file", kTagged, {"--file", "texts.txt"}},
      {"tag", "aggregation", kTagged, {"--aggregation", "none"}},
      {"tag", "column", {"-m", "entities.octavo", "-f", "cells.tsv", "--json"}, {"--column", "2"}},
      {"tag", "max-length", kTagged, {"--max-length", "5"}},
      {"tag", "stride", with(kTagged, {"--max-length", "6"}), {"--stride", "0"}},
      {"tag", "json", {"-m", "entities.octavo", "-p", "Maria lives in Berlin"}, {"--json"}},
      {"tag", "output", kTagged, {"--output", "answer.txt"}},

      {"answer", "question", kAsked, {"--question", "where is the cat ?"}},
      {"answer", "context", kAsked, {"--context", "a cat"}},
      {"answer", "file", {"-m", "questions.octavo", "-f", "cells.tsv"}, {"--file", "asked.tsv"}},
      {"answer", "top-k", kAsked, {"--top-k", "3"}},
      {"answer", "max-answer-length", with(kAsked, {"--top-k", "9"}), {"--max-answer-length", "1"}},
      {"answer", "impossible", with(kAsked, {"--top-k", "50"}), {"--impossible"}},
      {"answer", "max-length", kAsked, {"--max-length", "8"}},
      {"answer", "stride", with(kAsked, {"--max-length", "9"}), {"--stride", "0"}},
      {"answer", "json", {"-m", "questions.octavo", "-f", "asked.tsv"}, {"--json"}},
      {"answer", "output", kAsked, {"--output", "answer.txt"}},

      {"fill", "prompt", kFilled, {"--prompt", "a [MASK]"}},
      {"fill", "file", kFilled, {"--file", "cells.tsv"}},
      {"fill", "top-k", kFilled, {"--top-k", "2"}},
      {"fill", "targets", kFilled, {"--targets", "cat,mat"}},
      {"fill", "max-length", kFilled, {"--max-length", "4"}},
      {"fill", "json", {"-m", "masks.octavo", "-p", "a [MASK]"}, {"--json"}},
      {"fill", "output", kFilled, {"--output", "answer.txt"}},

      {"run", "prompt", kOutput, {"--prompt", "a"}},
      {"run", "file", kOutput, {"--file", "texts.txt"}},
      {"run", "output", kOutput, {"--output", "pooler_output"}},
      {"run", "column", {"-m", "three_labels.octavo", "-f", "cells.tsv"}, {"--column", "2"}},
      {"run", "max-length", kOutput, {"--max-length", "4"}},
      {"run", "json", kOutput, {"--json"}},
      {"run", "output-file", kOutput, {"--output-file", "answer.txt"}},
  };
  add_common(lines, "rank", kRanked, "identity");
  add_common(lines, "tag", kTagged, "entities");
  add_common(lines, "answer", kAsked, "questions");
  add_common(lines, "fill", kFilled, "masks");
  add_common(lines, "run", kOutput, "three_labels");
  return lines;
}

const std::vector<Line>& lines() {
  static const std::vector<Line> kLines = [] {
    std::vector<Line> all = task_lines();
    const std::vector<Line> others = {
        {"embed", "model", kEmbed, {"--model", "bert"}},
        {"embed", "prompt", kEmbed, {"--prompt", "x"}},
        {"embed", "file", kEmbed, {"--file", "texts.txt"}},
        {"embed", "image", kPictures, {"--image", "pictures/1.ppm"}},
        {"embed", "pooling", kEmbed, {"--pooling", "cls"}},
        {"embed", "precision", kEmbed, {"--precision", "binary"}},
        {"embed",
         "calibration-embeddings",
         with(kTwo, {"--precision", "int8"}),
         {"--calibration-embeddings", "two.npy"}},
        {"embed", "sparse", {"-m", "masks.octavo", "-p", "the cat"}, {"--sparse"}},
        {"embed", "normalize", {"-m", "bert.octavo", "-p", "a", "--no-normalize"}, {"--normalize"}},
        {"embed", "no-normalize", kEmbed, {"--no-normalize"}},
        {"embed", "similarity", kTwo, {"--similarity"}},
        {"embed", "truncate-dim", kEmbed, {"--truncate-dim", "7"}},
        {"embed", "prefix", kEmbed, {"--prefix", "x "}},
        {"embed", "prompt-name", {"-m", "warned", "-p", "a"}, {"--prompt-name", "q"}},
        {"embed", "threads", kTwo, {"--threads", "1"}, Effect::speed},
        {"embed", "batch-size", kTwo, {"--batch-size", "1"}, Effect::speed},
        {"embed", "max-batch-tokens", kTwo, {"--max-batch-tokens", "4"}, Effect::speed},
        {"embed", "isa", kTwo, {"--isa", "scalar", "-v"}, Effect::log},
        {"embed", "max-length", kEmbed, {"--max-length", "3"}},
        {"embed", "json", kEmbed, {"--json"}},
        {"embed", "output", kEmbed, {"--output", "answer.txt"}},
        {"embed", "verbose", kEmbed, {"--verbose"}, Effect::log},
        {"embed", "quiet", {"-m", "bert.octavo", "-p", "a b", "--max-length", "3"}, {"--quiet"}, Effect::log},

        {"classify", "model", kPictures, {"--model", "vit"}},
        {"classify", "image", kPictures, {"--image", "pictures/1.ppm"}},
        {"classify", "file", kPictures, {"--file", "list.txt"}},
        {"classify", "top-k", kPictures, {"--top-k", "2"}},
        {"classify", "labels", kPictures, {"--labels", "labels.tsv"}, Effect::log},
        {"classify", "threads", kPictures, {"--threads", "1"}, Effect::speed},
        {"classify", "batch-size", kPictures, {"--batch-size", "1"}, Effect::speed},
        {"classify", "max-batch-tokens", kPictures, {"--max-batch-tokens", "20"}, Effect::speed},
        {"classify", "isa", kPictures, {"--isa", "scalar", "-v"}, Effect::log},
        {"classify", "json", kPictures, {"--json"}},
        {"classify", "output", kPictures, {"--output", "answer.txt"}},
        {"classify", "verbose", kPictures, {"--verbose"}, Effect::log},
        {"classify", "quiet", {"-m", "vit.octavo", "--image", "pictures", "-v"}, {"--quiet"}, Effect::log},

        {"generate", "model", kText, {"--model", "opt", "-v"}, Effect::log},
        {"generate", "prompt", kText, {"--prompt", "x"}},
        {"generate", "file", kText, {"--file", "list.txt"}},
        {"generate", "tokens", kText, {"--tokens", "3"}},
        {"generate", "ctx", kText, {"--ctx", "8"}},
        {"generate", "temp", kText, {"--temp", "1.5"}},
        {"generate", "top-k", kSampled, {"--top-k", "2"}},
        {"generate", "top-p", kSampled, {"--top-p", "0.1"}},
        {"generate", "min-p", kSampled, {"--min-p", "0.9"}},
        {"generate", "seed", kSampled, {"--seed", "7"}},
        {"generate", "repeat-penalty", kText, {"--repeat-penalty", "4"}},
        {"generate", "beams", kText, {"--beams", "4"}},
        {"generate", "stop", kText, {"--stop", "a"}, Effect::speed},  // what the model says has no fixed text
        {"generate", "threads", kText, {"--threads", "1"}, Effect::speed},
        {"generate", "isa", kText, {"--isa", "scalar", "-v"}, Effect::log},
        {"generate", "json", kText, {"--json"}},
        {"generate", "output", kText, {"--output", "answer.txt"}},
        {"generate", "verbose", kText, {"--verbose"}, Effect::log},
        {"generate", "quiet", kText, {"--quiet"}, Effect::log},

        {"perplexity", "model", kPerplexity, {"--model", "opt"}},
        {"perplexity", "file", kPerplexity, {"--file", "list.txt"}},
        {"perplexity", "ctx", kPerplexity, {"--ctx", "10"}},
        {"perplexity", "stride", kPerplexity, {"--stride", "5"}},
        {"perplexity", "seed", kMasked, {"--seed", "5"}},
        {"perplexity",
         "masks",
         {"-m", "masks.octavo", "--masks", "masks.safetensors"},
         {"--masks", "fewer.safetensors"}},
        {"perplexity", "pseudo", kMasked, {"--pseudo"}},
        {"perplexity", "json", kPerplexity, {"--json"}},
        {"perplexity", "threads", kPerplexity, {"--threads", "1"}, Effect::speed},
        {"perplexity", "batch-size", kPerplexity, {"--batch-size", "1"}, Effect::speed},
        {"perplexity", "max-batch-tokens", kPerplexity, {"--max-batch-tokens", "50"}, Effect::speed},
        {"perplexity", "isa", kPerplexity, {"--isa", "scalar", "-v"}, Effect::log},
        {"perplexity", "output", kPerplexity, {"--output", "answer.txt"}},
        {"perplexity", "verbose", kPerplexity, {"--verbose"}, Effect::log},
        {"perplexity", "quiet", {"-m", "opt.octavo", "-f", "texts.txt", "-v"}, {"--quiet"}, Effect::log},

        {"tokenize", "model", kTokenize, {"--model", "opt"}},
        {"tokenize", "prompt", kTokenize, {"--prompt", "x"}},
        {"tokenize", "file", kTokenize, {"--file", "texts.txt"}},
        {"tokenize", "max-length", kTokenize, {"--max-length", "3"}},
        {"tokenize", "json", kTokenize, {"--json"}},
        {"tokenize", "output", kTokenize, {"--output", "answer.txt"}},
        {"tokenize", "verbose", kTokenize, {"--verbose"}, Effect::speed},  // it has nothing more to say
        {"tokenize", "quiet", {"-m", "bert.octavo", "-p", "a b", "--max-length", "3"}, {"--quiet"}, Effect::log},

        {"info", "model", {}, {"--model", "bert.octavo"}},
        {"info", "json", {}, {"--json"}},
        {"info", "output", {}, {"--output", "answer.txt"}},
        {"info", "verbose", {}, {"--verbose"}, Effect::speed},  // likewise
        {"info", "quiet", {"-m", "warned"}, {"--quiet"}, Effect::log},

        {"bench", "model", kBench, {"--model", "bert.octavo"}},
        {"bench", "length", kBench, {"--length", "5"}},
        {"bench", "file", {"-m", "bert.octavo", "-r", "1", "-f", "list.txt", "-o", "csv"}, {"--file", "texts.txt"}},
        {"bench", "decode", kBench, {"--decode", "2"}},
        {"bench", "batch-size", kBench, {"--batch-size", "2"}},
        {"bench", "threads", kBench, {"--threads", "1,2"}},
        {"bench", "isa", kBench, {"--isa", "scalar"}},
        {"bench", "repetitions", {"-m", "opt.octavo", "-p", "4", "-o", "json"}, {"--repetitions", "2"}},
        {"bench", "warmup", kBench, {"--warmup", "2"}},
        {"bench", "profile", {"-m", "opt.octavo", "-p", "4"}, {"--profile"}},
        {"bench", "output-format", kBench, {"--output-format", "md"}},
        {"bench", "verbose", kBench, {"--verbose"}},
        {"bench", "quiet", kBench, {"--quiet"}},

        {"analyze", "data", kAnalyze, {"--data", "list.txt"}},
        {"analyze", "column", {"bert", "-d", "table.tsv"}, {"--column", "2"}},
        {"analyze", "samples", kAnalyze, {"--samples", "3"}},
        {"analyze", "seed", {"bert", "-d", "texts.txt", "--samples", "3"}, {"--seed", "5"}},
        {"analyze", "model", kAnalyze, {"--model", "bert.octavo"}},
        {"analyze", "bits", kAnalyze, {"--bits", "4:4"}},
        {"analyze", "sensitivity", kAnalyze, {"--sensitivity"}},
        {"analyze", "html", kAnalyze, {"--html", "m.octavo"}},
        {"analyze", "json", kAnalyze, {"--json"}},
        {"analyze", "output", kAnalyze, {"--output", "answer.txt"}},
        {"analyze", "softmax", kAnalyze, {"--softmax", "-0.1:1"}},
        {"analyze", "alpha", kAnalyze, {"--alpha", "4:40"}},
        {"analyze", "softmax1", kAnalyze, {"--softmax1"}},
        {"analyze", "attn-prune", kAnalyze, {"--attn-prune", "0.1"}},
        {"analyze", "attn-log-bits", {"bert", "-d", "texts.txt", "--attn-prune", "0.01"}, {"--attn-log-bits", "2"}},
        {"analyze", "gate-type", kAnalyze, {"--gate-type", "conditional_per_head"}},
        {"analyze", "gate-scale", kAnalyze, {"--gate-scale", "1"}},
        {"analyze", "threads", kAnalyze, {"--threads", "1"}, Effect::speed},
        {"analyze", "batch-size", kAnalyze, {"--batch-size", "1"}, Effect::rounding},
        {"analyze", "max-batch-tokens", kAnalyze, {"--max-batch-tokens", "10"}, Effect::rounding},
        {"analyze", "isa", {"bert", "-d", "texts.txt", "-m", "bert.octavo"}, {"--isa", "scalar"}, Effect::speed},
        {"analyze", "max-length", kAnalyze, {"--max-length", "4"}},
        {"analyze", "verbose", kAnalyze, {"--verbose"}, Effect::speed},  // likewise
        {"analyze", "quiet", kAnalyze, {"--quiet"}, Effect::log},

        {"calibrate", "data", kCalibrate, {"--data", "table.tsv"}},
        {"calibrate", "column", {"bert", "-d", "table.tsv", "-o", "m.octavo"}, {"--column", "2"}},
        {"calibrate", "top-up", {"bert", "-d", "texts.txt", "-o", "m.octavo", "--samples", "1"}, {"--top-up", "on"}},
        {"calibrate", "samples", kCalibrate, {"--samples", "10"}},
        {"calibrate", "seed", kCalibrate, {"--seed", "5"}},
        {"calibrate", "method", kCalibrate, {"--method", "mse"}},
        {"calibrate",
         "percentile",
         {"bert", "-d", "texts.txt", "-o", "m.octavo", "--method", "percentile"},
         {"--percentile", "90"}},
        {"calibrate", "weights", kCalibrate, {"--weights", "per-tensor"}},
        {"calibrate", "residual", kCalibrate, {"--residual", "int8"}},
        {"calibrate", "head", {"opt", "-d", "texts.txt", "-o", "m.octavo", "--ablations", "off"}, {"--head", "int8"}},
        {"calibrate", "probabilities", kCalibrate, {"--probabilities", "uint16"}},
        {"calibrate", "paper", kPaper, {"--paper"}},
        {"calibrate", "equalize", kCalibrate, {"--equalize", "none"}},
        {"calibrate", "copies", kCalibrate, {"--copies", "0"}},
        {"calibrate", "bias-correction", kCalibrate, {"--bias-correction", "off"}},
        {"calibrate", "rounding", kCalibrate, {"--rounding", "nearest"}},
        {"calibrate", "ablations", kCalibrate, {"--ablations", "on"}},
        {"calibrate", "extra-bits", kCalibrate, {"--extra-bits", "all"}},
        {"calibrate", "target-cosine", kCalibrate, {"--target-cosine", "0.99999"}},
        {"calibrate", "memory", kCalibrate, {"--memory", "0"}, Effect::speed},
        {"calibrate",
         "report",
         {"bert", "-d", "texts.txt", "-o", "other.octavo"},
         {"--report", "r.json", "-o", "m.octavo"}},
        {"calibrate", "output", kCalibrate, {"--output", "other.octavo"}},
        {"calibrate", "json", {"bert", "-d", "texts.txt", "-o", "other.octavo"}, {"--json"}},
        {"calibrate", "softmax", kCalibrate, {"--softmax", "-0.1:1"}},
        {"calibrate", "alpha", kCalibrate, {"--alpha", "4:40"}},
        {"calibrate", "softmax1", kCalibrate, {"--softmax1"}},
        {"calibrate", "attn-prune", kCalibrate, {"--attn-prune", "0.1"}},
        {"calibrate", "attn-log-bits", kCalibrate, {"--attn-prune", "0.01", "--attn-log-bits", "2"}},
        {"calibrate", "gate-type", kCalibrate, {"--gate-type", "conditional_per_head"}},
        {"calibrate", "gate-scale", kCalibrate, {"--gate-scale", "1"}},
        {"calibrate", "threads", kCalibrate, {"--threads", "1"}, Effect::speed},
        {"calibrate", "batch-size", kPaper, {"--paper", "--batch-size", "3"}},
        {"calibrate", "max-batch-tokens", kPaper, {"--paper", "--max-batch-tokens", "30"}},
        {"calibrate", "isa", kCalibrate, {"--isa", "scalar"}, Effect::speed},
        {"calibrate", "max-length", kCalibrate, {"--max-length", "4"}},
        {"calibrate", "verbose", kCalibrate, {"--verbose"}, Effect::log},
        {"calibrate", "quiet", kCalibrate, {"--quiet"}, Effect::log},

        {"selftest", "seed", {}, {"--seed", "3"}, Effect::speed},  // the answer of a good machine
        {"selftest", "json", {}, {"--json"}},
        {"selftest", "output", {}, {"--output", "answer.txt"}},
        {"selftest", "verbose", {}, {"--verbose"}, Effect::log},
        {"selftest", "quiet", {"-v"}, {"--quiet"}, Effect::log},
    };
    all.insert(all.end(), others.begin(), others.end());
    return all;
  }();
  return kLines;
}

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
  for (const Line& line : lines()) found.insert(std::string(line.command) + " --" + line.flag);
  CHECK(found == expected);
}

TEST_CASE("every flag changes the answer or the log, or the speed alone where that is what it is for") {
  const Kitchen kitchen;
  for (const Line& line : lines()) {
    if (line.command == std::string("selftest")) continue;  // takes seconds, and is tested as a whole
    CAPTURE(line.command, line.flag);
    const Ran without = kitchen.run(joined(line.command, line.base)),
              with = kitchen.run(joined(line.command, line.base, line.added));
    CAPTURE(without.err, with.err);
    CHECK(without.code == 0);
    CHECK(with.code == 0);
    if (line.effect == Effect::answer) CHECK(with.out != without.out);
    if (line.effect == Effect::log || line.effect == Effect::speed) CHECK(with.out == without.out);
    if (line.effect == Effect::log) CHECK(with.err != without.err);
  }
}

TEST_CASE("a flag that would have no effect is wrong usage, and the message names both") {
  const Kitchen kitchen;
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
      {joined("calibrate", kCalibrate, {"--head", "int8"}), "--head has no effect on bert"},
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
    const Ran ran = kitchen.run(words);
    CAPTURE(message, ran.err);
    CHECK(ran.code == 2);
    CHECK(ran.err.find(message) != std::string::npos);
  }
  CHECK(kitchen.run(joined("bench", {"-m", "vit.octavo"}, {"--decode", "2"})).code == 1);
}

}  // namespace octavo::test

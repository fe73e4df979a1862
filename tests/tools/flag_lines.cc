#include "tests/tools/flag_lines.h"

namespace octavo::test {
namespace {

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

}  // namespace

const std::vector<Line>& flag_lines() {
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
        {"calibrate", "weight-bits", kCalibrate, {"--weight-bits", "4"}},
        {"calibrate",
         "vocabulary-bits",
         {"opt", "-d", "texts.txt", "-o", "m.octavo", "--ablations", "off", "--weight-bits", "4"},
         {"--vocabulary-bits", "8"}},
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
        {"calibrate", "drop", kCalibrate, {"--drop", "1"}},
        {"calibrate", "drop-until", kCalibrate, {"--drop-until", "0.9"}},
        {"calibrate", "drop-heads", kCalibrate, {"--drop-heads", "0.34"}},
        {"calibrate", "drop-neurons", kCalibrate, {"--drop-neurons", "0.17"}},
        {"calibrate", "ffn-width", kCalibrate, {"--ffn-width", "0.5"}},
        {"calibrate", "hard-attention", kCalibrate, {"--hard-attention", "2@0,1"}},
        {"calibrate", "outlier-lanes", kCalibrate, {"--outlier-lanes", "8"}},
        {"calibrate",
         "sample-choice",
         {"bert", "-d", "texts.txt", "-o", "m.octavo", "--ablations", "off", "--samples", "4"},
         {"--sample-choice", "covering"}},
        {"calibrate", "token-prune", kCalibratePictures, {"--token-prune", "0.5@0"}},
        {"calibrate", "token-merge", kCalibratePictures, {"--token-merge", "2"}},
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

}  // namespace octavo::test

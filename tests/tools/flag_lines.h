// What every flag of every subcommand changes: a line for each.
#pragma once

#include <string>
#include <vector>

namespace octavo::test {

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

/// Commands on the models of tiny_models.h, which flags are added to.
inline const Words kEmbed = {"-m", "bert.octavo", "-p", "a b hello"},
                   kTwo = {"-m", "bert.octavo", "-p", "a b", "-p", "x"},
                   kPictures = {"-m", "vit.octavo", "--image", "pictures"},
                   kText = {"-m", "opt.octavo", "-p", "hello w"},
                   kSampled = {"-m", "opt.octavo", "-p", "hello w", "-n", "20", "--temp", "1.5"},
                   kCalibrate = {"bert", "-d", "texts.txt", "-o", "m.octavo", "--ablations", "off", "--samples", "30"},
                   kCalibratePictures = {"vit", "-d", "pictures", "-o", "m.octavo", "--ablations", "off"},
                   kPaper = {"bert", "-d", "texts.txt", "-o", "m.octavo", "--samples", "30"},
                   kAnalyze = {"bert", "-d", "texts.txt"},
                   kBench = {"-m", "opt.octavo", "-p", "4", "-r", "2", "-o", "csv"},
                   kTokenize = {"-m", "bert.octavo", "-p", "a b hello"},
                   kPerplexity = {"-m", "opt.octavo", "-f", "texts.txt"};

inline const Words kClasses = {"-m", "three_labels.octavo", "-p", "Maria lives in Berlin ?", "--json"},
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

const std::vector<Line>& flag_lines();

}  // namespace octavo::test

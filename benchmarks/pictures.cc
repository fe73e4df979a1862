// Accuracy and speed of picture models: closeness to float32, top-1 and top-5, pictures/s of the model alone and from
// files, and where the time goes. Usage: octavo_pictures CHECKPOINT LABELS.tsv [MODEL.octavo...]     (picture beside
// the list, tab, class)
#include "cli/stopwatch.h"
#include "data/class_labels.h"
#include "data/picture_batches.h"

#include "octavo/comparison.h"
#include "octavo/error.h"
#include "octavo/tasks.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace octavo;
using namespace octavo::tools;

constexpr std::size_t kBatch = 32;

struct Pictures {
  std::vector<std::string> files;
  std::vector<ImageBatch> batches;
};

Pictures read_pictures(const std::filesystem::path& labels, const ImageSettings& settings) {
  std::ifstream in(labels);
  if (!in) throw Error(labels.string() + ": cannot be read");
  Pictures pictures;
  double decode = 0.0, prepare = 0.0;
  for (std::string line; std::getline(in, line);) {
    pictures.files.push_back((labels.parent_path() / line.substr(0, line.find('\t'))).string());
    if (pictures.batches.empty() || pictures.batches.back().images.size() == kBatch) pictures.batches.emplace_back();
    const Stopwatch first;
    const Image image = read_image(pictures.files.back());
    decode += first.seconds();
    const Stopwatch second;
    pictures.batches.back().images.push_back(prepare_image(image, settings));
    prepare += second.seconds();
  }
  const double count = static_cast<double>(pictures.files.size());
  std::printf("%zu pictures; one thread: decode %.2f ms each, resize and crop %.2f ms each\n", pictures.files.size(),
              1e3 * decode / count, 1e3 * prepare / count);
  return pictures;
}

struct Answers {
  std::vector<Tensor> logits;
  double seconds = 0.0;
};

Answers answer_all(const Engine& engine, const Pictures& pictures, Workspace& workspace) {
  engine.logits(pictures.batches.front(), workspace);  // buffers
  Answers answers;
  const Stopwatch stopwatch;
  for (const ImageBatch& batch : pictures.batches) answers.logits.push_back(engine.logits(batch, workspace));
  answers.seconds = stopwatch.seconds();
  return answers;
}

double seconds_from_files(const Engine& engine, const Pictures& pictures, Workspace& workspace) {
  const Stopwatch stopwatch;
  const auto handle = [&](const ImageBatch& batch, const std::vector<LoadedPicture>&) {
    engine.logits(batch, workspace);
  };
  for_each_picture_batch(pictures.files, engine.model().info(), {.sequences = kBatch}, {.threads = workspace.threads()},
                         handle);
  return stopwatch.seconds();
}

void report(const Engine& engine, const Pictures& pictures, const std::string& labels,
            const std::vector<Tensor>* reference, std::vector<Tensor>* kept) {
  Workspace workspace;
  Answers answers = answer_all(engine, pictures, workspace);
  ClassLabels truth(labels, engine.model().info().classes);
  Closeness closeness;
  std::size_t next = 0, same = 0;
  for (std::size_t i = 0; i < answers.logits.size(); ++i) {
    const auto own = best_classes(answers.logits[i], 5);
    if (reference) closeness.add(answers.logits[i], (*reference)[i]);
    const auto theirs = reference ? best_classes((*reference)[i], 1) : own;
    for (std::size_t j = 0; j < own.size(); ++j) {
      truth.count(pictures.files[next++], own[j]);
      same += own[j][0].id == theirs[j][0].id;
    }
  }
  const double count = static_cast<double>(pictures.files.size());
  std::printf(
      "%-12s %d threads: top-1 %.1f %%, top-5 %.1f %%; same first class as float32 %.1f %%, cosine of logits mean %.4f "
      "lowest %.4f\n",
      std::string(engine.isa()).c_str(), workspace.threads(), 100 * truth.top1(), 100 * truth.top5(),
      100 * static_cast<double>(same) / count, closeness.mean(), closeness.lowest());
  const double files = seconds_from_files(engine, pictures, workspace);
  std::printf("             %.1f pictures/s, %.1f from files\n", count / answers.seconds, count / files);
  if (kept) *kept = std::move(answers.logits);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::cerr << "usage: octavo_pictures CHECKPOINT LABELS.tsv [MODEL.octavo...]\n";
    return 2;
  }
  const Engine reference(Model::open(argv[1]));
  if (!reference.model().info().image || reference.model().info().classes == 0)
    throw Error(std::string(argv[1]) + ": does not classify pictures");
  const Pictures pictures = read_pictures(argv[2], *reference.model().info().image);
  std::vector<Tensor> logits;
  report(reference, pictures, argv[2], nullptr, &logits);
  for (int i = 3; i < argc; ++i) report(Engine(Model::open(argv[i])), pictures, argv[2], &logits, nullptr);
  return 0;
} catch (const Error& error) {
  std::cerr << "octavo_pictures: " << error.what() << "\n";
  return 1;
}

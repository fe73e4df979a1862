// Accuracy of sentence embeddings on an STS-B file: Spearman correlation with the human scores, and closeness to
// float32. Usage: octavo_stsb CHECKPOINT PAIRS.tsv [MODEL.octavo...]     (sentence 1, tab, sentence 2, tab, score)
#include "octavo/error.h"
#include "octavo/tasks.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

namespace {

using namespace octavo;

struct Pairs {
  std::vector<std::string> sentences;  ///< first and second of each pair, alternating
  std::vector<double> scores;
};

Pairs read_pairs(const char* path) {
  std::ifstream in(path);
  if (!in) throw Error(std::string(path) + ": cannot be read");
  Pairs pairs;
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find('\t'), second = line.find('\t', first + 1);
    if (second == std::string::npos) throw Error(std::string(path) + ": a line has fewer than three columns");
    pairs.sentences.push_back(line.substr(0, first));
    pairs.sentences.push_back(line.substr(first + 1, second - first - 1));
    pairs.scores.push_back(std::atof(line.c_str() + second + 1));
  }
  return pairs;
}

using Rows = std::vector<std::vector<float>>;

Rows embed_all(const Engine& engine, const std::vector<std::string>& sentences) {
  const Tokenizer& tokenizer = engine.model().tokenizer();
  Workspace workspace;
  Rows rows;
  for (std::size_t first = 0; first < sentences.size(); first += 32) {
    TokenBatch batch;
    for (std::size_t i = first; i < std::min(first + 32, sentences.size()); ++i) {
      batch.sequences.push_back(tokenizer.encode(sentences[i], engine.model().info().max_positions));
    }
    const Tensor vectors = embed(engine, batch, workspace);
    const auto columns = static_cast<std::size_t>(vectors.columns());
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const auto row = vectors.as<float>().subspan(i * columns, columns);
      rows.emplace_back(row.begin(), row.end());
    }
  }
  return rows;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0, std::plus<>(),
                            [](float x, float y) { return double{x} * double{y}; });
}

/// Ranks from 1, equal values sharing their mean rank.
std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> result(values.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    while (last + 1 < order.size() && values[order[last + 1]] == values[order[first]]) ++last;
    for (std::size_t i = first; i <= last; ++i) result[order[i]] = static_cast<double>(first + last) / 2.0 + 1.0;
    first = last + 1;
  }
  return result;
}

double spearman(const std::vector<double>& a, const std::vector<double>& b) {
  const std::vector<double> x = ranks(a), y = ranks(b);
  const double mean = (static_cast<double>(x.size()) + 1.0) / 2.0;
  double xy = 0.0, xx = 0.0, yy = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  return xy / std::sqrt(xx * yy);
}

double score(const Rows& rows, const Pairs& pairs) {
  std::vector<double> similarity;
  for (std::size_t i = 0; i < rows.size(); i += 2) similarity.push_back(dot(rows[i], rows[i + 1]));
  return spearman(similarity, pairs.scores);
}

void report(const char* path, const Pairs& pairs, const Rows& reference) {
  const Engine engine(Model::open(path));
  const Rows rows = embed_all(engine, pairs.sentences);
  double sum = 0.0, lowest = 1.0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double cosine = dot(rows[i], reference[i]);
    sum += cosine;
    lowest = std::min(lowest, cosine);
  }
  std::printf("%-40s %-12s Spearman %.4f   cosine to float32: mean %.5f lowest %.5f\n", path,
              std::string(engine.isa()).c_str(), score(rows, pairs), sum / static_cast<double>(rows.size()), lowest);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::cerr << "usage: octavo_stsb CHECKPOINT PAIRS.tsv [MODEL.octavo...]\n";
    return 2;
  }
  const Pairs pairs = read_pairs(argv[2]);
  const Rows reference = embed_all(Engine(Model::open(argv[1])), pairs.sentences);
  std::printf("%-40s %-12s Spearman %.4f\n", argv[1], "float32", score(reference, pairs));
  for (int i = 3; i < argc; ++i) report(argv[i], pairs, reference);
  return 0;
} catch (const Error& error) {
  std::cerr << "octavo_stsb: " << error.what() << "\n";
  return 1;
}

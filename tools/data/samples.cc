// Reservoir sampling over the samples of a file.
#include "data/samples.h"

#include "data/text_input.h"

#include "octavo/error.h"

#include <algorithm>
#include <optional>
#include <random>
#include <span>
#include <utility>

namespace octavo::tools {
namespace {

/// Random numbers that are the same everywhere: the standard fixes the engine but not its distributions.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }

 private:
  std::mt19937_64 engine_;
};

struct Sample {
  std::string text;
  double label = 0.0;
};

/// Keeps `capacity` of the samples offered, each with the same chance.
class Reservoir {
 public:
  Reservoir(std::size_t capacity, std::uint64_t seed) : capacity_(capacity), random_(seed) {}

  /// Gives back what is not kept.
  std::optional<Sample> offer(Sample sample) {
    ++offered_;
    if (kept_.size() < capacity_) {
      kept_.push_back(std::move(sample));
      return {};
    }
    if (const std::uint64_t slot = random_.below(offered_); slot < capacity_) std::swap(kept_[slot], sample);
    return sample;
  }

  std::uint64_t offered() const { return offered_; }

  std::vector<Sample> take_shuffled() {
    for (std::size_t i = kept_.size(); i > 1; --i) std::swap(kept_[i - 1], kept_[random_.below(i)]);
    return std::move(kept_);
  }

 private:
  std::size_t capacity_;
  Random random_;
  std::vector<Sample> kept_;
  std::uint64_t offered_ = 0;
};

bool has_text(const std::string& text) { return text.find_first_not_of(" \t\v\f\r") != std::string::npos; }

/// As many as are left beside `count`; an eighth when that is more.
std::size_t held_out_of(std::int64_t kept, std::int64_t count) {
  return static_cast<std::size_t>(std::min(kHeldOut, std::max(kept - count, kept / 8)));
}

}  // namespace

std::vector<std::string> split_tabs(const std::string& line) {
  std::vector<std::string> cells;
  for (std::size_t begin = 0;;) {
    const std::size_t tab = line.find('\t', begin);
    cells.push_back(line.substr(begin, tab - begin));
    if (tab == std::string::npos) return cells;
    begin = tab + 1;
  }
}

std::vector<std::string> split_columns(const std::string& line, const std::vector<int>& columns,
                                       const std::string& place) {
  if (columns.empty()) return {line};
  const std::vector<std::string> cells = split_tabs(line);
  std::vector<std::string> chosen;
  for (const int column : columns) {
    if (column > std::ssize(cells)) {
      throw Error(place + ": has " + std::to_string(cells.size()) + " tab-separated columns, expected column " +
                  std::to_string(column) + ".");
    }
    chosen.push_back(cells[static_cast<std::size_t>(column - 1)]);
  }
  return chosen;
}

namespace {

void append(std::span<Sample> from, bool labelled, std::vector<std::string>& texts, std::vector<double>& labels) {
  for (Sample& sample : from) {
    texts.push_back(std::move(sample.text));
    if (labelled) labels.push_back(sample.label);
  }
}

/// Parts what was kept of `usable` samples into those to calibrate on and held-out ones.
void part(std::vector<Sample> kept, std::uint64_t usable, const SampleOptions& options, Samples& samples) {
  samples.usable = static_cast<std::int64_t>(usable);
  const std::span<Sample> all(kept);
  const std::size_t calibration = kept.size() - held_out_of(std::ssize(kept), options.count);
  append(all.first(calibration), options.label_column > 0, samples.calibration, samples.calibration_labels);
  append(all.subspan(calibration), options.label_column > 0, samples.held_out, samples.held_out_labels);
}

/// Texts of a line's samples, without those that are empty.
std::vector<Sample> samples_of(const std::string& line, const std::vector<int>& columns, const SampleOptions& options,
                               const std::string& place) {
  if (options.label_column > 0) {
    LabelledInput found = read_labelled_input(line, columns, options.label_column, place);
    const double label = options.read_label(found.label, place);
    return {{found.input.pair ? found.input.text + "\t" + *found.input.pair : found.input.text, label}};
  }
  std::vector<std::string> cells = split_columns(line, columns, place);
  if (options.pairs && cells.size() == 2) cells = {cells[0] + "\t" + cells[1]};
  std::vector<Sample> samples;
  for (std::string& cell : cells) samples.push_back({std::move(cell)});
  return samples;
}

}  // namespace

Samples choose_samples(std::vector<std::string> list, const SampleOptions& options, const std::string& name) {
  if (list.empty()) throw Error(name + ": has no samples, expected some to calibrate on.");
  Samples samples;
  Reservoir reservoir(static_cast<std::size_t>(options.count + kHeldOut), options.seed);
  for (std::string& sample : list) reservoir.offer({std::move(sample)});
  part(reservoir.take_shuffled(), reservoir.offered(), options, samples);
  return samples;
}

Samples first_samples(std::vector<std::string> list, std::int64_t count) {
  Samples samples;
  std::vector<Sample> kept;
  for (std::string& sample : std::span(list).first(std::min(list.size(), static_cast<std::size_t>(count + kHeldOut))))
    kept.push_back({std::move(sample)});
  part(std::move(kept), list.size(), {.count = count}, samples);
  return samples;
}

Samples choose_samples(LineReader& reader, const SampleOptions& options) {
  std::vector<int> columns = options.columns;
  const bool labelled = options.label_column > 0;
  if (columns.empty() && !labelled && reader.name().ends_with(".tsv")) columns = {1};
  Samples samples;
  Reservoir reservoir(static_cast<std::size_t>(options.count + kHeldOut), options.seed),
      others(labelled ? static_cast<std::size_t>(kLabelledHeldOut - kHeldOut) : 0, options.seed + 1);
  while (const std::optional<std::string> line = reader.next()) {
    if (!has_text(*line)) {
      ++samples.empty;
      continue;
    }
    const std::string place = reader.name() + ":" + std::to_string(reader.line());
    for (Sample& sample : samples_of(*line, columns, options, place)) {
      if (!has_text(sample.text))
        ++samples.empty;
      else if (std::optional<Sample> left = reservoir.offer(std::move(sample)); left && labelled)
        others.offer(*std::move(left));
    }
  }
  if (reservoir.offered() == 0) throw Error(reader.name() + ": has no line with text, expected calibration samples.");
  part(reservoir.take_shuffled(), reservoir.offered(), options, samples);
  std::vector<Sample> more = others.take_shuffled();
  append(more, labelled, samples.held_out, samples.held_out_labels);
  return samples;
}

}  // namespace octavo::tools

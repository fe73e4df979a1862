// Which lines of a data file a calibration sees: a random choice that depends on the seed and the file only.
#pragma once

#include "data/input.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace octavo::tools {

struct SampleOptions {
  std::vector<int> columns = {};  ///< from 1; each is a sample of its own. Empty: whole lines, or column 1 of a .tsv
  bool pairs = false;             ///< two columns are one sample instead, with a tab between them
  int label_column = 0;  ///< from 1, of what is right of a line's sample; without `columns` all others are its texts
  std::function<double(const std::string& cell, const std::string& place)> read_label = {};
  std::int64_t count = 512;  ///< samples to calibrate on
  std::uint64_t seed = 0;
};

struct Samples {
  std::vector<std::string> calibration;  ///< at most `count`
  std::vector<std::string> held_out;     ///< others, to measure on; at most kHeldOut, with labels kLabelledHeldOut
  std::vector<double> calibration_labels, held_out_labels;  ///< one for each, or none
  std::int64_t usable = 0;                                  ///< samples in the file
  std::int64_t empty = 0;                                   ///< lines or cells without text, which are skipped
};

constexpr std::int64_t kHeldOut = 64, kLabelledHeldOut = 512;

/// Reads the file once and keeps `count` + kHeldOut samples, each with the same chance (reservoir sampling), in random
/// order. Where the file has fewer, an eighth of them is held out. With labels more are held out where the file has
/// them, and the others are the same. Throws octavo::Error when no sample has text or when a line lacks a column.
Samples choose_samples(LineReader& reader, const SampleOptions& options);

/// The same choice among samples that are already in a list. Throws octavo::Error, beginning with `name`, when it is
/// empty.
Samples choose_samples(std::vector<std::string> list, const SampleOptions& options, const std::string& name);

/// The first `count` of a list that needs no choice, and those behind them held out.
Samples first_samples(std::vector<std::string> list, std::int64_t count);

/// What stands between the tabs of a line: at least one cell.
std::vector<std::string> split_tabs(const std::string& line);

/// The tab-separated columns (from 1), or the whole line when there are none. `place` stands in messages.
std::vector<std::string> split_columns(const std::string& line, const std::vector<int>& columns,
                                       const std::string& place);

}  // namespace octavo::tools

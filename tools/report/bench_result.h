// What `octavo bench` measured, and how it is written down.
#pragma once

#include "octavo/engine.h"

#include <cstdint>
#include <string>
#include <vector>

namespace octavo::tools {

/// Time of one op of a model, all layers together.
struct ProfileLine {
  std::string op, name;     ///< "Linear", "encoder.layer.*.intermediate.dense"
  int count = 0;            ///< nodes of the graph
  double milliseconds = 0;  ///< of one pass, or of one step of decoding
};

/// The times of single nodes, those whose names differ in a number only taken together, as they come first.
std::vector<ProfileLine> profile_of(const std::vector<OpTime>& times, double passes);

/// One row: a model on one shape of input.
struct BenchResult {
  std::string model, precision;  ///< as given on the command line; "int8" or "float32"
  std::uintmax_t size = 0;       ///< bytes of the weights' files
  std::int64_t parameters = 0;
  std::string isa;
  int threads = 1;
  std::int64_t batch = 0;   ///< sequences per batch; of a file, at most
  std::int64_t length = 0;  ///< tokens of each sequence; 0: as a file has them
  std::int64_t decode =
      0;  ///< tokens that each sequence then decodes, one by one, which is what is timed; 0: the pass itself
  std::int64_t sequences = 0;             ///< of one repetition
  std::int64_t tokens = 0;                ///< in them
  std::vector<double> milliseconds;       ///< of each repetition
  double peak_memory_mb = 0;              ///< of the process, from loading the model to the last repetition
  double load_ms = 0;                     ///< from the path to an engine
  double first_ms = 0;                    ///< the first run, buffers and threads included
  std::vector<ProfileLine> profile = {};  ///< empty unless asked for

  /// "len 128 x 8", "decode 64 after 128 x 8", or "file" for what a file has.
  std::string test() const;

  /// Of each repetition; of each token where tokens are decoded.
  std::vector<double> latencies() const;
};

struct Statistics {
  double min = 0, mean = 0, deviation = 0, p50 = 0, p90 = 0, p99 = 0;
};

/// Percentiles are the nearest of the samples at or above; the deviation is that of samples, 0 of a single one.
/// `samples` is not empty.
Statistics statistics_of(std::vector<double> samples);

enum class BenchFormat { markdown, csv, json, json_lines };

std::string to_text(const std::vector<BenchResult>& results, BenchFormat format);

}  // namespace octavo::tools

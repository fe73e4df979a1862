// How near whole passes come to what the machine can do: of passes over tokens or pictures the share of the peak of the
// product instruction, of decoding the share of the memory's bandwidth.
//
// Usage: octavo_forward_bench MODEL.octavo [--rounds N] [CASE...]
//   CASE  BATCHxLENGTH, of pictures BATCH; or decode@LENGTH, the tokens behind so many. Each with one thread and with
//   all.
//
// Every round runs the limits and each case once in turn, so that a machine whose speed changes treats all alike. A
// share is the ninth decile over rounds of what a pass does relative to the limits measured just before and after it.
#include "benchmarks/peak.h"

#include "octavo/engine.h"
#include "octavo/error.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace octavo;

struct Shape {
  std::string name;
  int batch = 1, length = 128;
  bool decode = false;
};

/// Tokens that one repetition of a decoding case decodes.
constexpr int kSteps = 16;

Shape parse_shape(const std::string& name, const ModelInfo& info) {
  Shape shape{.name = name, .length = info.image ? info.max_positions : 128};
  if (name.starts_with("decode@")) {
    shape.decode = true;
    shape.length = std::atoi(name.c_str() + 7);
  } else {
    shape.batch = std::atoi(name.c_str());
    if (const std::size_t x = name.find('x'); x != std::string::npos) shape.length = std::atoi(name.c_str() + x + 1);
  }
  if (shape.batch < 1 || shape.length < 1 || shape.length + (shape.decode ? kSteps : 0) > info.max_positions) {
    throw Error("'" + name + "' is no case, expected BATCHxLENGTH, BATCH of pictures, or decode@LENGTH, within " +
                std::to_string(info.max_positions) + " positions");
  }
  return shape;
}

TokenBatch tokens_of(int sequences, int length, int vocab_size) {
  TokenBatch batch;
  for (int i = 0; i < sequences; ++i) {
    Tokens tokens;
    for (int t = 0; t < length; ++t) tokens.ids.push_back((i * 7919 + t * 104729 + 1000) % vocab_size);
    batch.sequences.push_back(std::move(tokens));
  }
  return batch;
}

ImageBatch images_of(int count, const ImageSettings& settings) {
  ImageBatch batch;
  for (int i = 0; i < count; ++i) {
    Image image{.width = settings.width, .height = settings.height, .pixels = {}};
    for (int p = 0; p < settings.width * settings.height * 3; ++p) {
      image.pixels.push_back(static_cast<std::uint8_t>((p * 31 + p / 672 * 17 + i * 101) & 255));
    }
    batch.images.push_back(std::move(image));
  }
  return batch;
}

/// Multiply-adds of all products of one pass over tokens, attention's included, for heads that divide hidden_size; of
/// pictures without those of patches and classes. A decoder's attention counts the keys that a token may see.
double multiply_adds(const ModelInfo& info, const Shape& shape) {
  const double hidden = info.hidden_size, length = shape.length, tokens = shape.batch * length;
  const double keys = info.decoder ? (length + 1) / 2 : length;
  return info.layers * tokens * (4 * hidden * hidden + 2 * hidden * info.intermediate_size + 2 * keys * hidden);
}

/// Bytes of weights that a step of decoding reads: every weight but those of the positions is one byte, or with 4 bits
/// half a one, and a byte for 32.
double weight_bytes(const Model& model) {
  const ModelInfo& info = model.info();
  const bool four_bit = model.summary_json().find("\"four_bit_weights\"") != std::string::npos;
  return (static_cast<double>(info.parameters) - 1.0 * info.hidden_size * info.max_positions) *
         (four_bit ? 17.0 / 32.0 : 1.0);
}

/// One row of the table.
class Case {
 public:
  Case(const Engine& engine, const Shape& shape, int threads) : engine_(engine), shape_(shape), threads_(threads) {
    const ModelInfo& info = engine.model().info();
    if (info.image) {
      images_ = images_of(shape.batch, *info.image);
    } else {
      tokens_ = tokens_of(shape.batch, shape.length, info.vocab_size);
    }
    if (shape.decode) {
      cache_.emplace(engine.model());
      weight_bytes_ = weight_bytes(engine.model());
    }
    prepare();
    run();
  }

  void measure(const Stream& stream) {
    prepare();
    const double before = limit(stream), seconds = run(), limit_now = std::max(before, limit(stream));
    const ModelInfo& info = engine_.model().info();
    const double done = shape_.decode ? kSteps * weight_bytes_ : multiply_adds(info, shape_);
    limits_.push_back(1e-9 * limit_now);
    milliseconds_.push_back(1e3 * seconds / (shape_.decode ? kSteps : 1));
    if (limit_now > 0) shares_.push_back(100 * done / seconds / limit_now);
  }

  void print() const {
    std::printf("%-12s %7d %10.3f %10.3f", shape_.name.c_str(), threads_, quantile(milliseconds_, 0),
                quantile(milliseconds_, 0.5));
    if (!shares_.empty()) std::printf(" %10.1f %10.1f", quantile(shares_, 0.5), quantile(shares_, 0.9));
    std::printf("  of %.1f %s/s\n", quantile(limits_, 0.9), shape_.decode ? "GB" : "GMAC");
  }

 private:
  double limit(const Stream& stream) const {
    return shape_.decode ? stream.rate(threads_) : threads_ * peak_rate(engine_.isa());
  }

  void prepare() {
    if (!cache_) return;
    cache_->truncate(0);
    KvCache* cache = &*cache_;
    engine_.decode(tokens_, {&cache, 1}, workspace_);
  }

  double run() {
    const auto start = std::chrono::steady_clock::now();
    if (cache_) {
      KvCache* cache = &*cache_;
      for (int step = 0; step < kSteps; ++step) engine_.decode({{{.ids = {1000 + step}}}}, {&cache, 1}, workspace_);
    } else if (!images_.images.empty()) {
      engine_.logits(images_, workspace_);
    } else if (engine_.model().info().decoder) {
      engine_.logits(tokens_, workspace_);
    } else {
      engine_.run(tokens_, workspace_);
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  static double quantile(std::vector<double> values, double q) {
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
  }

  const Engine& engine_;
  Shape shape_;
  int threads_;
  double weight_bytes_ = 0.0;
  Workspace workspace_{{.threads = threads_}};
  TokenBatch tokens_ = {};
  ImageBatch images_ = {};
  std::optional<KvCache> cache_ = {};
  std::vector<double> milliseconds_ = {}, shares_ = {},
                      limits_ = {};  // limits_: giga multiply-adds or bytes per second
};

void run(const std::string& file, std::vector<std::string> names, int rounds) {
  const Engine engine(Model::open(file));
  const ModelInfo& info = engine.model().info();
  if (names.empty())
    names = info.image ? std::vector<std::string>{"1", "8"} : std::vector<std::string>{"1x128", "8x128"};
  std::vector<Case> cases;
  for (const std::string& name : names) {
    for (int threads = 1; threads <= default_threads(); threads *= 2)
      cases.emplace_back(engine, parse_shape(name, info), threads);
  }
  const Stream stream;
  for (int round = 0; round < rounds; ++round) {
    for (Case& c : cases) c.measure(stream);
  }
  std::printf("%s, %s, %s\n", cpu_name().c_str(), std::string(engine.isa()).c_str(), file.c_str());
  std::printf("case         threads     min ms  median ms  %% (median) %% (9th decile)\n");
  for (const Case& c : cases) c.print();
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> names(argv + 1, argv + argc);
  int rounds = 20;
  if (const auto flag = std::find(names.begin(), names.end(), "--rounds");
      flag != names.end() && flag + 1 != names.end()) {
    rounds = std::max(1, std::atoi(flag[1].c_str()));
    names.erase(flag, flag + 2);
  }
  if (names.empty()) {
    std::fprintf(stderr,
                 "Usage: octavo_forward_bench MODEL.octavo [--rounds N] [BATCHxLENGTH | BATCH | decode@LENGTH]...\n");
    return 2;
  }
  try {
    run(names[0], {names.begin() + 1, names.end()}, rounds);
  } catch (const Error& error) {
    std::fprintf(stderr, "octavo_forward_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}

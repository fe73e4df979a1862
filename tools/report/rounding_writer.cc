#include "report/rounding_writer.h"

#include "octavo/error.h"

#include <string>
#include <utility>

namespace octavo::tools {
namespace {

class RoundingWriter : public EmbeddingWriter {
 public:
  RoundingWriter(std::unique_ptr<EmbeddingWriter> next, Rounding rounding, const Log& log)
      : next_(std::move(next)),
        rounding_(std::move(rounding)),
        waits_(rounding_.needs_ranges() && rounding_.ranges.lowest.empty()),
        log_(log) {}

  void write(const std::vector<std::size_t>& tokens, const Tensor& vectors) override {
    if (!waits_) return next_->write(tokens, quantize_embeddings(vectors, rounding_.precision, rounding_.ranges));
    rounding_.ranges.include(vectors);
    inputs_ += vectors.rows();
    kept_.emplace_back(tokens, vectors);
  }

  void finish() override {
    constexpr std::int64_t kEnough = 100;  // sentence-transformers warns below it
    if (inputs_ == 1)
      throw Error("one embedding alone has no ranges to be rounded in; --calibration-embeddings gives some");
    if (inputs_ > 0 && inputs_ < kEnough) {
      log_.warn("the ranges of " + std::to_string(inputs_) +
                " embeddings are narrow; --calibration-embeddings gives those of more");
    }
    for (const auto& [tokens, vectors] : kept_)
      next_->write(tokens, quantize_embeddings(vectors, rounding_.precision, rounding_.ranges));
    next_->finish();
  }

 private:
  std::unique_ptr<EmbeddingWriter> next_;
  Rounding rounding_;
  bool waits_;  ///< for the ranges of all embeddings
  const Log& log_;
  std::int64_t inputs_ = 0;
  std::vector<std::pair<std::vector<std::size_t>, Tensor>> kept_;
};

}  // namespace

DType Rounding::dtype() const {
  switch (precision) {
    case EmbeddingPrecision::int8:
    case EmbeddingPrecision::binary:
      return DType::s8;
    case EmbeddingPrecision::uint8:
    case EmbeddingPrecision::ubinary:
      return DType::u8;
    case EmbeddingPrecision::float32:
      break;
  }
  return DType::f32;
}

std::int64_t Rounding::columns(std::int64_t columns) const {
  const bool bits = precision == EmbeddingPrecision::binary || precision == EmbeddingPrecision::ubinary;
  return bits ? (columns + 7) / 8 : columns;
}

std::unique_ptr<EmbeddingWriter> rounding_writer(std::unique_ptr<EmbeddingWriter> next, Rounding rounding,
                                                 const Log& log) {
  return std::make_unique<RoundingWriter>(std::move(next), std::move(rounding), log);
}

}  // namespace octavo::tools

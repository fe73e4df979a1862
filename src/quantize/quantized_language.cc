#include "quantize/quantized_language.h"

#include "quantize/float_rows.h"

#include <Eigen/Core>

namespace octavo {

QuantizedBytes bytes_of_stream(double scale, const Quantizer& bytes) {
  const Multiplier m = make_multiplier(scale / bytes.scale);
  return {.encoding = {.scale = static_cast<float>(bytes.scale), .zero_point = bytes.zero_point},
          .multiplier = m.multiplier,
          .shift = m.shift};
}

std::vector<float> word_rows(const Model::Data& model, const EmbedTokens& op, int columns) {
  std::vector<float> words = float_values(model, op.word);
  if (op.projection.empty()) return words;
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const std::vector<float> weight = float_values(model, op.projection);
  const auto width = static_cast<Eigen::Index>(weight.size()) / columns,
             count = static_cast<Eigen::Index>(words.size()) / width;
  std::vector<float> result(static_cast<std::size_t>(count) * static_cast<std::size_t>(columns));
  Eigen::Map<Matrix>(result.data(), count, columns).noalias() =
      Eigen::Map<const Matrix>(words.data(), count, width) *
      Eigen::Map<const Matrix>(weight.data(), columns, width).transpose();
  return result;
}

}  // namespace octavo

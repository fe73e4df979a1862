#include "octavo/text_encoder.h"

#include "octavo/error.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace octavo {
namespace {

Model checked(Model model) {
  if (model.info().image) throw Error(model.info().name + ": takes pictures, expected a model of texts");
  model.tokenizer();  // throws when there is none
  return model;
}

}  // namespace

TextEncoder::TextEncoder(const std::filesystem::path& model, const SessionOptions& options)
    : TextEncoder(Model::open(model), options) {}

TextEncoder::TextEncoder(Model model, const SessionOptions& options) : session_(checked(std::move(model)), options) {}

Tensor TextEncoder::encode(const std::vector<std::string>& texts, const TextOptions& texts_as,
                           const EmbedOptions& options) {
  const TextPreprocessor preprocessor(model(), texts_as);
  Tensor result(DType::f32, {std::ssize(texts), embedding_size(model(), options)});
  auto next = result.writable<float>().begin();
  Batcher batcher({}, [&](const TokenBatch& batch) {
    const Tensor embeddings = embed(session_.engine(), batch, session_.workspace(), options);
    next = std::ranges::copy(embeddings.as<float>(), next).out;
  });
  for (const std::string& text : texts) batcher.add(preprocessor.encode(text));
  batcher.finish();
  return result;
}

std::vector<std::vector<SparseValue>> TextEncoder::encode_sparse(const std::vector<std::string>& texts,
                                                                 const TextOptions& texts_as,
                                                                 const std::optional<SparseInfo>& as) {
  const TextPreprocessor preprocessor(model(), texts_as);
  std::vector<std::vector<SparseValue>> result;
  Batcher batcher({}, [&](const TokenBatch& batch) {
    std::ranges::move(embed_sparse(session_.engine(), batch, session_.workspace(), as), std::back_inserter(result));
  });
  for (const std::string& text : texts) batcher.add(preprocessor.encode(text));
  batcher.finish();
  return result;
}

Tensor TextEncoder::similarity(const Tensor& a, const Tensor& b) const {
  Tensor result(DType::f32, {a.rows(), b.rows()});
  auto next = result.writable<float>().begin();
  for (std::int64_t i = 0; i < a.rows(); ++i) {
    for (std::int64_t j = 0; j < b.rows(); ++j) {
      const double closeness =
          octavo::similarity(a.row<float>(i), b.row<float>(j), model().info().embedding.similarity);
      *next++ = static_cast<float>(closeness);
    }
  }
  return result;
}

}  // namespace octavo

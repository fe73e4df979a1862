// Text, JSON Lines, .npy and the matrix of similarities.
#include "report/embedding_writer.h"

#include "cli/npy.h"
#include "cli/numbers.h"

#include "octavo/tasks.h"

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace octavo::tools {
namespace {

void append_row(std::string& text, const Tensor& vectors, std::int64_t row, char separator) {
  switch (vectors.dtype()) {
    case DType::s8:
      return append_numbers(text, vectors.row<std::int8_t>(row), separator);
    case DType::u8:
      return append_numbers(text, vectors.row<std::uint8_t>(row), separator);
    default:
      return append_numbers(text, vectors.row<float>(row), separator);
  }
}

void append_json_row(std::string& text, const Tensor& vectors, std::int64_t row) {
  text += '[';
  append_row(text, vectors, row, ',');
  text += ']';
}

class TextWriter : public EmbeddingWriter {
 public:
  TextWriter(Output& output, Rows rows) : output_(output), rows_(rows) {}

  void write(const std::vector<std::size_t>& tokens, const Tensor& vectors) override {
    std::int64_t next = 0;
    for (const std::size_t count : tokens) {
      std::string text;
      if (rows_ == Rows::per_token && index_++ > 0) text += '\n';
      for (std::size_t row = 0; row < (rows_ == Rows::per_token ? count : 1); ++row) {
        append_row(text, vectors, next++, ' ');
        text += '\n';
      }
      output_.write(text);
    }
  }

 private:
  Output& output_;
  Rows rows_;
  std::int64_t index_ = 0;
};

class JsonWriter : public EmbeddingWriter {
 public:
  JsonWriter(Output& output, Rows rows, std::string key) : output_(output), rows_(rows), key_(std::move(key)) {}

  void write(const std::vector<std::size_t>& tokens, const Tensor& vectors) override {
    std::int64_t next = 0;
    for (const std::size_t count : tokens) {
      std::string text =
          "{\"index\":" + std::to_string(index_++) + ",\"tokens\":" + std::to_string(count) + ",\"" + key_ + "\":";
      if (rows_ == Rows::per_token) text += '[';
      for (std::size_t row = 0; row < (rows_ == Rows::per_token ? count : 1); ++row) {
        if (row > 0) text += ',';
        append_json_row(text, vectors, next++);
      }
      output_.write(text + (rows_ == Rows::per_token ? "]}\n" : "}\n"));
    }
  }

 private:
  Output& output_;
  Rows rows_;
  std::string key_;  ///< needs no escapes
  std::int64_t index_ = 0;
};

class NpyEmbeddingWriter : public EmbeddingWriter {
 public:
  NpyEmbeddingWriter(Output& output, std::int64_t columns, DType dtype) : writer_(output, columns, dtype) {}
  void write(const std::vector<std::size_t>&, const Tensor& vectors) override { writer_.write(vectors); }
  void finish() override { writer_.finish(); }

 private:
  NpyWriter writer_;
};

class SimilarityWriter : public EmbeddingWriter {
 public:
  SimilarityWriter(Output& output, const SimilarityForm& form)
      : output_(output), columns_(static_cast<std::size_t>(form.columns)), form_(form) {}

  void write(const std::vector<std::size_t>&, const Tensor& vectors) override {
    const std::span<const float> values = vectors.as<float>();
    values_.insert(values_.end(), values.begin(), values.end());
  }

  void finish() override {
    const std::size_t inputs = values_.size() / columns_;
    if (form_.format == MatrixFormat::npy) {
      NpyWriter writer(output_, static_cast<std::int64_t>(inputs));
      for (std::size_t i = 0; i < inputs; ++i) writer.write(similarities_with(i, inputs));
      writer.finish();
      return;
    }
    for (std::size_t i = 0; i < inputs; ++i) output_.write(line(i, similarities_with(i, inputs)));
  }

 private:
  std::span<const float> row(std::size_t i) const { return std::span(values_).subspan(i * columns_, columns_); }

  /// f32 [1, inputs]
  Tensor similarities_with(std::size_t i, std::size_t inputs) const {
    Tensor result(DType::f32, {1, static_cast<std::int64_t>(inputs)});
    const std::span<float> out = result.writable<float>();
    for (std::size_t j = 0; j < inputs; ++j) out[j] = static_cast<float>(similarity(row(i), row(j), form_.kind));
    return result;
  }

  std::string line(std::size_t i, const Tensor& similarities) const {
    std::string text;
    if (form_.format == MatrixFormat::json) {
      text = "{\"index\":" + std::to_string(i) + ",\"similarity\":";
      append_json_row(text, similarities, 0);
      return text + "}\n";
    }
    const std::span<const float> values = similarities.as<float>();
    for (std::size_t j = 0; j < values.size(); ++j) {
      if (j > 0) text += ' ';
      append_fixed(text, values[j], 6);
    }
    return text + "\n";
  }

  Output& output_;
  std::size_t columns_;
  SimilarityForm form_;
  std::vector<float> values_;
};

}  // namespace

std::unique_ptr<EmbeddingWriter> text_writer(Output& output, Rows rows) {
  return std::make_unique<TextWriter>(output, rows);
}

std::unique_ptr<EmbeddingWriter> json_writer(Output& output, Rows rows, const std::string& key) {
  return std::make_unique<JsonWriter>(output, rows, key);
}

std::unique_ptr<EmbeddingWriter> npy_writer(Output& output, std::int64_t columns, DType dtype) {
  return std::make_unique<NpyEmbeddingWriter>(output, columns, dtype);
}

std::unique_ptr<EmbeddingWriter> similarity_writer(Output& output, const SimilarityForm& form) {
  return std::make_unique<SimilarityWriter>(output, form);
}

}  // namespace octavo::tools

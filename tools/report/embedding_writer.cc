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

/// The rows of a batch's vectors, taken in order.
class RowReader {
 public:
  explicit RowReader(const Tensor& vectors)
      : values_(vectors.as<float>()), columns_(static_cast<std::size_t>(vectors.columns())) {}

  std::span<const float> next() {
    at_ += columns_;
    return values_.subspan(at_ - columns_, columns_);
  }

 private:
  std::span<const float> values_;
  std::size_t columns_, at_ = 0;
};

class TextWriter : public EmbeddingWriter {
 public:
  TextWriter(Output& output, Rows rows) : output_(output), rows_(rows) {}

  void write(const std::vector<std::size_t>& tokens, const Tensor& vectors) override {
    RowReader reader(vectors);
    for (const std::size_t count : tokens) {
      std::string text;
      if (rows_ == Rows::per_token && index_++ > 0) text += '\n';
      for (std::size_t row = 0; row < (rows_ == Rows::per_token ? count : 1); ++row) {
        append_numbers(text, reader.next(), ' ');
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
    RowReader reader(vectors);
    for (const std::size_t count : tokens) {
      std::string text =
          "{\"index\":" + std::to_string(index_++) + ",\"tokens\":" + std::to_string(count) + ",\"" + key_ + "\":";
      if (rows_ == Rows::per_input) {
        append_json_array(text, reader.next());
      } else {
        append_list(text, reader, count);
      }
      output_.write(text + "}\n");
    }
  }

 private:
  static void append_list(std::string& text, RowReader& reader, std::size_t count) {
    for (std::size_t row = 0; row < count; ++row) {
      text += row == 0 ? '[' : ',';
      append_json_array(text, reader.next());
    }
    text += ']';
  }

  Output& output_;
  Rows rows_;
  std::string key_;  ///< needs no escapes
  std::int64_t index_ = 0;
};

class NpyEmbeddingWriter : public EmbeddingWriter {
 public:
  NpyEmbeddingWriter(Output& output, std::int64_t columns) : writer_(output, columns) {}
  void write(const std::vector<std::size_t>&, const Tensor& vectors) override { writer_.write(vectors.as<float>()); }
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

  std::vector<float> similarities_with(std::size_t i, std::size_t inputs) const {
    std::vector<float> result(inputs);
    for (std::size_t j = 0; j < inputs; ++j) result[j] = static_cast<float>(similarity(row(i), row(j), form_.kind));
    return result;
  }

  std::string line(std::size_t i, const std::vector<float>& values) const {
    std::string text;
    if (form_.format == MatrixFormat::json) {
      text = "{\"index\":" + std::to_string(i) + ",\"similarity\":";
      append_json_array(text, values);
      return text + "}\n";
    }
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

std::unique_ptr<EmbeddingWriter> npy_writer(Output& output, std::int64_t columns) {
  return std::make_unique<NpyEmbeddingWriter>(output, columns);
}

std::unique_ptr<EmbeddingWriter> similarity_writer(Output& output, const SimilarityForm& form) {
  return std::make_unique<SimilarityWriter>(output, form);
}

}  // namespace octavo::tools

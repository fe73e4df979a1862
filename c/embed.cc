// Texts and pictures to vectors.
#include "c/arguments.h"
#include "c/handles.h"

#include "octavo/embedding_precision.h"
#include "octavo/tasks.h"
#include "octavo/text_preprocessor.h"
#include "octavo/text_tasks.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <span>

namespace octavo::c {
namespace {

constexpr int kMost = std::numeric_limits<int>::max();

/// octavo_embed_options as the library has them.
struct Settings {
  TextOptions texts;
  EmbedOptions embedding;
  BatchLimits limits;
};

Settings read_settings(const octavo_embed_options* given) {
  const octavo_embed_options options = read_struct(given, "options");
  Settings settings;
  if (const auto prompt = read_string("prompt", options.prompt)) settings.texts.prompt = std::string(*prompt);
  settings.texts.prompt_name = std::string(read_string("prompt_name", options.prompt_name).value_or(""));
  settings.texts.max_length = read_number("max_length", options.max_length, 1, kMost);
  if (options.pooling == OCTAVO_POOLING_POOLER) {
    settings.embedding.pooler = true;
  } else if (const auto pooling = read_choice("pooling", options.pooling,
                                              {Pooling::mean, Pooling::cls, Pooling::max, Pooling::mean_sqrt_len_tokens,
                                               Pooling::weightedmean, Pooling::lasttoken})) {
    settings.embedding.pooling = {*pooling};
  }
  settings.embedding.normalize = read_choice("normalize", options.normalize, {true, false});
  settings.embedding.truncate_dim = read_number("truncate_dim", options.truncate_dim, 1, kMost);
  settings.limits = read_limits(options.batch_size, options.max_batch_tokens);
  return settings;
}

std::size_t columns_of(const Model& model, const Settings& settings) {
  return static_cast<std::size_t>(checked_argument([&] { return embedding_size(model, settings.embedding); }));
}

/// Where rows go: the caller's numbers.
class Rows {
 public:
  Rows(float* out, std::size_t room, std::size_t rows, std::size_t columns) : next_(out) {
    if (room / std::max<std::size_t>(columns, 1) < rows)
      throw InvalidArgument("out_count is " + std::to_string(room) + ", expected at least " + std::to_string(rows) +
                            " x " + std::to_string(columns));
    if (rows > 0) require(out, "out");
  }

  void add(const Tensor& rows) { next_ = std::ranges::copy(rows.as<float>(), next_).out; }

 private:
  float* next_;
};

/// Hands the tokens of texts to `run` in batches. Throws InvalidArgument for a prompt or length that the model lacks.
void for_each_batch(const Model& model, const Texts& texts, const Settings& settings, const Batcher::Run& run) {
  if (model.info().image) throw Error(model.info().name + ": takes pictures, expected a model of texts");
  model.tokenizer();
  const auto preprocessor = checked_argument([&] { return TextPreprocessor(model, settings.texts); });
  Batcher batcher(settings.limits, run);
  for (std::size_t i = 0; i < texts.size(); ++i) batcher.add(preprocessor.encode(texts[i]));
  batcher.finish();
}

void require_no_pooling(const Settings& settings) {
  const EmbedOptions& options = settings.embedding;
  const char* name = options.pooler || !options.pooling.empty() ? "pooling"
                     : options.normalize                        ? "normalize"
                     : options.truncate_dim                     ? "truncate_dim"
                                                                : nullptr;
  if (name != nullptr) throw InvalidArgument(std::string(name) + " has no effect here: nothing is pooled");
}

}  // namespace
}  // namespace octavo::c

using namespace octavo::c;

octavo_status octavo_embedding_size(octavo_model* model, const octavo_embed_options* options, size_t* columns) {
  return guarded([&] {
    require(columns, "columns") = columns_of(require(model, "model").engine.model(), read_settings(options));
  });
}

octavo_status octavo_embed(octavo_session* session, const octavo_texts* texts, const octavo_embed_options* options,
                           float* out, size_t out_count) {
  return guarded_run(session, [&](const InUse& use) {
    const Texts given(texts, "texts");
    const Settings settings = read_settings(options);
    Rows rows(out, out_count, given.size(), columns_of(use.model(), settings));
    for_each_batch(use.model(), given, settings, [&](const octavo::TokenBatch& batch) {
      rows.add(octavo::embed(use.engine(), batch, use.workspace(), settings.embedding));
    });
  });
}

octavo_status octavo_embed_images(octavo_session* session, const octavo_images* images,
                                  const octavo_embed_options* options, float* out, size_t out_count) {
  return guarded_run(session, [&](const InUse& use) {
    const Images given(images, "images");
    const Settings settings = read_settings(options);
    if (settings.texts.prompt || !settings.texts.prompt_name.empty() || settings.texts.max_length)
      throw InvalidArgument("prompt, prompt_name and max_length are for texts");
    const octavo::ModelInfo& info = use.model().info();
    if (!info.image) throw octavo::Error(info.name + ": takes texts, not pictures");
    Rows rows(out, out_count, given.size(), columns_of(use.model(), settings));
    const auto most = static_cast<std::size_t>(settings.limits.sequences);
    for (std::size_t first = 0; first < given.size(); first += most) {
      const octavo::ImageBatch batch{
          given.prepare(first, std::min(most, given.size() - first), *info.image, use.workspace().threads())};
      rows.add(octavo::embed(use.engine(), batch, use.workspace(), settings.embedding));
    }
  });
}

octavo_status octavo_quantize_embeddings(const float* embeddings, size_t rows, size_t columns,
                                         octavo_precision precision, const float* lowest, const float* highest,
                                         void* out, size_t out_bytes) {
  return guarded([&] {
    using octavo::EmbeddingPrecision;
    const auto chosen = read_choice(
        "precision", precision,
        {EmbeddingPrecision::int8, EmbeddingPrecision::uint8, EmbeddingPrecision::binary, EmbeddingPrecision::ubinary});
    if (!chosen) throw InvalidArgument("precision is 0, expected one of octavo_precision");
    if (columns == 0 || columns > static_cast<std::size_t>(kMost) || rows > static_cast<std::size_t>(kMost))
      throw InvalidArgument("rows and columns are " + std::to_string(rows) + " and " + std::to_string(columns) +
                            ", expected at least one column and at most 2147483647");
    const bool bits = *chosen == EmbeddingPrecision::binary || *chosen == EmbeddingPrecision::ubinary;
    const std::size_t row_bytes = bits ? (columns + 7) / 8 : columns;
    if (out_bytes / row_bytes < rows)
      throw InvalidArgument("out_bytes is " + std::to_string(out_bytes) + ", expected at least " +
                            std::to_string(rows * row_bytes));
    if ((lowest == nullptr) != (highest == nullptr))
      throw InvalidArgument("lowest or highest is NULL, expected both or none");
    if (rows == 0) return;
    const octavo::Tensor numbers(octavo::DType::f32,
                                 {static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns)}, nullptr,
                                 &require(embeddings, "embeddings"));
    octavo::ColumnRanges ranges;
    if (lowest != nullptr) {
      ranges = {.lowest = {lowest, lowest + columns}, .highest = {highest, highest + columns}};
    } else if (!bits) {
      ranges.include(numbers);
    }
    const octavo::Tensor rounded = octavo::quantize_embeddings(numbers, *chosen, ranges);
    std::memcpy(&require(static_cast<char*>(out), "out"), rounded.data(), rounded.bytes());
  });
}

octavo_status octavo_embed_tokens(octavo_session* session, const octavo_texts* texts,
                                  const octavo_embed_options* options, octavo_result** result) {
  return guarded_result(session, result, [&](const InUse& use, octavo_result& made) {
    const Texts given(texts, "texts");
    const Settings settings = read_settings(options);
    require_no_pooling(settings);
    made.columns = static_cast<std::size_t>(use.model().info().hidden_size);
    for_each_batch(use.model(), given, settings, [&](const octavo::TokenBatch& batch) {
      for (const octavo::Tokens& tokens : batch.sequences) {
        made.ids.insert(made.ids.end(), tokens.ids.begin(), tokens.ids.end());
        made.end_input(made.ids.size());
      }
      const octavo::Tensor rows = use.engine().run(batch, use.workspace());
      const std::span<const float> numbers = rows.as<float>();
      made.vectors.insert(made.vectors.end(), numbers.begin(), numbers.end());
    });
  });
}

octavo_status octavo_embed_sparse(octavo_session* session, const octavo_texts* texts,
                                  const octavo_embed_options* options, octavo_result** result) {
  return guarded_result(session, result, [&](const InUse& use, octavo_result& made) {
    const Texts given(texts, "texts");
    const Settings settings = read_settings(options);
    require_no_pooling(settings);
    octavo::require_task(use.model(), octavo::TextTask::masked_language_model);
    for_each_batch(use.model(), given, settings, [&](const octavo::TokenBatch& batch) {
      for (const auto& values : octavo::embed_sparse(use.engine(), batch, use.workspace())) {
        for (const octavo::SparseValue& value : values) {
          made.ids.push_back(value.id);
          made.scores.push_back(value.value);
        }
        made.end_input(made.ids.size());
      }
    });
  });
}

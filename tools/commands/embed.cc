// `octavo embed`: one vector per input text, in the order of the inputs.
#include "cli/progress.h"
#include "commands/commands.h"
#include "commands/common_flags.h"
#include "commands/embed_settings.h"
#include "data/batching.h"
#include "data/encoder.h"
#include "data/open_model.h"
#include "data/picture_batches.h"
#include "report/rounding_writer.h"
#include "report/sparse_writer.h"

#include "octavo/error.h"
#include "octavo/text_tasks.h"

#include <memory>
#include <optional>
#include <unistd.h>

namespace octavo::tools {
namespace {

Syntax syntax() {
  return {.usage = "-m MODEL (-p TEXT | -f FILE | --image FILE...)... [OPTION...]",
          .about =
              "Prints an embedding per input: a line of numbers, JSON, or a float32 array with -o NAME.npy.\n"
              "An empty line is an input too. A model of pictures takes --image, or their names with -f.",
          .example = "octavo embed -m model.octavo -f sentences.txt -o sentences.npy",
          .flags = join({model_flags(),
                         input_flags(),
                         {image_flags()[0]},
                         embed_flags(),
                         run_flags(),
                         max_length_flags(),
                         output_flags(),
                         verbosity_flags()}),
          .max_positionals = 1 << 20,
          .rules = embed_rules()};
}

/// What a run needs, whatever the inputs are.
struct EmbedRun {
  const Engine& engine;
  Workspace& workspace;
  const EmbedSettings& settings;
  const RunOptions& options;
  const Log& log;
};

std::unique_ptr<EmbeddingWriter> make_writer(const EmbedRun& all, Output& output) {
  const EmbedSettings& settings = all.settings;
  const ModelInfo& info = all.engine.model().info();
  const std::int64_t columns =
      settings.per_token ? info.hidden_size : embedding_size(all.engine.model(), settings.embedding);
  if (settings.similarity) {
    return similarity_writer(output,
                             {.columns = columns, .kind = info.embedding.similarity, .format = settings.format});
  }
  const Rounding& rounding = settings.rounding;
  std::unique_ptr<EmbeddingWriter> writer =
      settings.format == MatrixFormat::npy    ? npy_writer(output, rounding.columns(columns), rounding.dtype())
      : settings.format == MatrixFormat::json ? json_writer(output, settings.rows())
                                              : text_writer(output, settings.rows());
  if (rounding.precision == EmbeddingPrecision::float32) return writer;
  if (!rounding.ranges.lowest.empty() && std::ssize(rounding.ranges.lowest) != columns) {
    throw Error("--calibration-embeddings has " + std::to_string(rounding.ranges.lowest.size()) +
                " numbers in each embedding, but those of " + info.name + " have " + std::to_string(columns));
  }
  return rounding_writer(std::move(writer), rounding, all.log);
}

template <typename Batch>
Tensor vectors_of(const EmbedRun& all, const Batch& batch) {
  return all.settings.per_token ? all.engine.run(batch, all.workspace)
                                : embed(all.engine, batch, all.workspace, all.settings.embedding);
}

/// On a terminal the answer itself shows how far things are.
Log progress_log(const EmbedRun& all) {
  return all.settings.output.empty() && ::isatty(STDOUT_FILENO) != 0 ? Log(Verbosity::quiet) : all.log;
}

/// Features of pictures; one that cannot be read ends the run, since the rows of the answer belong to the inputs.
void write_pictures(const EmbedRun& all, const std::vector<std::string>& files, Output& output,
                    EmbeddingWriter& writer) {
  const Log log = progress_log(all);
  Progress progress("embed", log);
  const ModelInfo& info = all.engine.model().info();
  std::int64_t done = 0;
  for_each_picture_batch(files, info, all.options.batch, {.threads = all.workspace.threads()},
                         [&](const ImageBatch& batch, const std::vector<LoadedPicture>& pictures) {
                           for (const LoadedPicture& picture : pictures) {
                             if (!picture.error.empty()) throw Error(picture.error);
                           }
                           const std::vector<std::size_t> tokens(batch.images.size(),
                                                                 static_cast<std::size_t>(info.max_positions));
                           writer.write(tokens, vectors_of(all, batch));
                           output.flush();
                           done += std::ssize(pictures);
                           progress.update(done, static_cast<double>(done) / static_cast<double>(files.size()));
                         });
}

/// Calls `run` with each batch of the texts.
template <typename Run>
void for_each_text_batch(const EmbedRun& all, Inputs& inputs, Encoder& encoder, const Run& run) {
  const Log log = progress_log(all);
  Progress progress("embed", log);
  std::int64_t done = 0;
  Batcher batcher(all.options.batch, [&](const TokenBatch& batch) {
    run(batch);
    progress.update(done += std::ssize(batch.sequences), inputs.fraction());
  });
  while (const std::optional<std::string> text = inputs.next()) batcher.add(encoder.encode(*text));
  batcher.finish();
}

/// Cosines do not depend on lengths.
void check_normalize(const Arguments& arguments, const EmbedSettings& settings, const Model& model) {
  if (!settings.similarity || model.info().embedding.similarity != Similarity::cosine) return;
  for (const char* flag : {"normalize", "no-normalize"}) {
    if (arguments.given(flag))
      throw UsageError("--" + std::string(flag) + " has no effect beside --similarity, which is of cosines");
  }
}

void embed_pictures(const EmbedRun& all, const std::vector<std::string>& files) {
  Output output(all.settings.output);
  const auto writer = make_writer(all, output);
  write_pictures(all, files, output, *writer);
  writer->finish();
  output.commit();
}

void embed_texts(const EmbedRun& all, Inputs& inputs, Encoder& encoder) {
  Output output(all.settings.output);
  const auto writer = make_writer(all, output);
  for_each_text_batch(all, inputs, encoder, [&](const TokenBatch& batch) {
    writer->write(lengths(batch), vectors_of(all, batch));
    output.flush();
  });
  writer->finish();
  output.commit();
}

void embed_texts_sparsely(const EmbedRun& all, Inputs& inputs, Encoder& encoder) {
  if (all.settings.format == MatrixFormat::npy) {
    throw UsageError("--output " + all.settings.output +
                     ": sparse embeddings are text or JSON, they have no .npy form");
  }
  Output output(all.settings.output);
  SparseWriter writer(output, all.settings.format);
  for_each_text_batch(all, inputs, encoder, [&](const TokenBatch& batch) {
    writer.write(lengths(batch), embed_sparse(all.engine, batch, all.workspace));
    output.flush();
  });
  output.commit();
}

/// Throws for what only texts have.
void require_no_texts(const EmbedRun& all, const Arguments& arguments) {
  const TextOptions& texts = all.settings.texts;
  if (texts.prompt || !texts.prompt_name.empty() || !arguments.texts("prompt").empty())
    throw Error(all.engine.model().info().name + ": takes pictures, not texts.");
  if (arguments.given("max-length"))
    throw UsageError("--max-length has no effect on --model " + arguments.required("model") + ", which takes pictures");
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const EmbedSettings asked = read_embed_settings(arguments);
  const RunOptions options = read_run_options(arguments);
  const std::optional<std::int64_t> max_length = read_max_length(arguments);
  const std::string path = arguments.required("model");
  const bool pictures = arguments.text("image").has_value();
  if (!pictures && !arguments.positionals().empty())
    throw UsageError("unexpected argument '" + arguments.positionals()[0] + "'");
  std::optional<Inputs> texts;
  if (!pictures) texts = read_inputs(arguments);

  const Engine engine(open_model(path, log), {.isa = options.isa});
  const ModelInfo& info = engine.model().info();
  if (pictures && !info.image) throw Error(info.name + ": takes texts, not pictures.");
  const EmbedSettings settings = settings_for(info, asked, arguments);
  check_normalize(arguments, settings, engine.model());
  if (settings.sparse) require_task(engine.model(), TextTask::masked_language_model);
  Workspace workspace({.threads = options.threads});
  describe(engine, workspace, log);
  const EmbedRun all{engine, workspace, settings, options, log};
  if (info.image) {
    require_no_texts(all, arguments);
    embed_pictures(all, read_pictures(arguments));
    return 0;
  }
  Encoder encoder(engine.model(), max_length, settings.texts);
  settings.sparse ? embed_texts_sparsely(all, *texts, encoder) : embed_texts(all, *texts, encoder);
  encoder.report_truncated(log);
  return 0;
}

}  // namespace

constinit const Command kEmbed = {"embed", "sentence embeddings and their similarity", syntax, run};

}  // namespace octavo::tools

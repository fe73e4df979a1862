// `octavo embed`: one vector per input text, in the order of the inputs.
#include "cli/progress.h"
#include "commands/commands.h"
#include "commands/common_flags.h"
#include "data/batching.h"
#include "data/encoder.h"
#include "data/open_model.h"
#include "data/picture_batches.h"
#include "report/embedding_writer.h"

#include "octavo/error.h"
#include "octavo/tasks.h"

#include <memory>
#include <optional>
#include <unistd.h>

namespace octavo::tools {
namespace {

constexpr std::int64_t kMostNumbers = 1 << 20;  // of an embedding

Syntax syntax() {
  const Flags own = {
      {"pooling",
       "mean, cls, max, mean_sqrt_len_tokens, weightedmean, lasttoken, or none: a vector per token; by default as "
       "the checkpoint says",
       "NAME"},
      {"normalize", "divide each embedding by its length; by default as the checkpoint's modules.json says, else on"},
      {"no-normalize", "do not, even where the checkpoint's last module does"},
      {"truncate-dim", "keep the first N numbers of each embedding; by default as the checkpoint says", "N"},
      {"prompt-name", "put this prompt of the checkpoint before each text; by default its default prompt", "NAME"},
      {"prefix", "put TEXT before each text instead; \"\" for nothing", "TEXT"},
      {"similarity", "print how close each input is to each other one instead, as the checkpoint compares them"},
  };
  return {.usage = "-m MODEL (-p TEXT | -f FILE | --image FILE...)... [OPTION...]",
          .about =
              "Prints an embedding per input: a line of numbers, JSON, or a float32 array with -o NAME.npy.\n"
              "An empty line is an input too. A model of pictures takes --image, or their names with -f.",
          .example = "octavo embed -m model.octavo -f sentences.txt -o sentences.npy",
          .flags = join({model_flags(),
                         input_flags(),
                         {image_flags()[0]},
                         own,
                         run_flags(),
                         max_length_flags(),
                         output_flags(),
                         verbosity_flags()}),
          .max_positionals = 1 << 20,
          .rules = {{{"prompt", "max-length", "prefix", "prompt-name"}, Rule::When::beside, "image"},
                    {{"no-normalize"}, Rule::When::beside, "pooling=none"}}};
}

struct Settings {
  bool per_token = false;  ///< --pooling none
  EmbedOptions embedding;
  TextOptions texts;
  bool similarity = false;
  MatrixFormat format = MatrixFormat::text;
  std::string output;

  Rows rows() const { return per_token ? Rows::per_token : Rows::per_input; }
};

MatrixFormat read_format(const Arguments& arguments, const std::string& output) {
  const bool npy = output.ends_with(".npy"), json = arguments.on("json");
  if (npy && json) throw UsageError("--json and --output " + output + " exclude each other: one is text, one is not");
  return npy ? MatrixFormat::npy : json ? MatrixFormat::json : MatrixFormat::text;
}

/// What stands in place of the checkpoint's pooling, truncation and normalisation.
EmbedOptions read_embedding(const Arguments& arguments) {
  EmbedOptions options;
  const bool normalize = arguments.either("normalize", "no-normalize", true);
  const bool is_said = normalize == arguments.either("normalize", "no-normalize", false);
  if (is_said) options.normalize = normalize;
  if (const auto size = arguments.integer("truncate-dim", 1, kMostNumbers))
    options.truncate_dim = static_cast<int>(*size);
  return options;
}

TextOptions read_texts(const Arguments& arguments) {
  const TextOptions options{.prompt = arguments.text("prefix"),
                            .prompt_name = arguments.text("prompt-name").value_or("")};
  if (options.prompt && !options.prompt_name.empty())
    throw UsageError("--prefix and --prompt-name exclude each other: a text has one prompt");
  return options;
}

Settings read_settings(const Arguments& arguments) {
  Settings settings;
  settings.embedding = read_embedding(arguments);
  settings.texts = read_texts(arguments);
  const std::optional<std::optional<Pooling>> pooling =
      arguments.choice<std::optional<Pooling>>("pooling", {{"mean", Pooling::mean},
                                                           {"cls", Pooling::cls},
                                                           {"max", Pooling::max},
                                                           {"mean_sqrt_len_tokens", Pooling::mean_sqrt_len_tokens},
                                                           {"weightedmean", Pooling::weightedmean},
                                                           {"lasttoken", Pooling::lasttoken},
                                                           {"none", std::nullopt}});
  settings.per_token = pooling && !*pooling;
  if (pooling && *pooling) settings.embedding.pooling = {**pooling};
  settings.similarity = arguments.on("similarity");
  if (settings.per_token && settings.similarity)
    throw UsageError("--similarity needs one vector per input, which --pooling none does not give");
  if (settings.per_token && settings.embedding.normalize.value_or(false))
    throw UsageError("--normalize is for embeddings, --pooling none gives token vectors as they are");
  if (settings.per_token && settings.embedding.truncate_dim)
    throw UsageError("--truncate-dim is for embeddings, --pooling none gives token vectors as they are");
  settings.output = read_output(arguments);
  settings.format = read_format(arguments, settings.output);
  return settings;
}

std::unique_ptr<EmbeddingWriter> make_writer(const Settings& settings, Output& output, const Model& model) {
  const std::int64_t columns =
      settings.per_token ? model.info().hidden_size : embedding_size(model, settings.embedding);
  if (settings.similarity) {
    return similarity_writer(
        output, {.columns = columns, .kind = model.info().embedding.similarity, .format = settings.format});
  }
  switch (settings.format) {
    case MatrixFormat::text:
      return text_writer(output, settings.rows());
    case MatrixFormat::json:
      return json_writer(output, settings.rows());
    case MatrixFormat::npy:
      return npy_writer(output, columns);
  }
  return nullptr;
}

template <typename Batch>
Tensor vectors_of(const Engine& engine, const Batch& batch, Workspace& workspace, const Settings& settings) {
  return settings.per_token ? engine.run(batch, workspace) : embed(engine, batch, workspace, settings.embedding);
}

/// On a terminal the answer itself shows how far things are.
Log progress_log(const Log& log, const Settings& settings) {
  return settings.output.empty() && ::isatty(STDOUT_FILENO) != 0 ? Log(Verbosity::quiet) : log;
}

/// Features of pictures; one that cannot be read ends the run, since the rows of the answer belong to the inputs.
void embed_pictures(const std::vector<std::string>& files, const Engine& engine, const RunOptions& options,
                    const Settings& settings, Workspace& workspace, Output& output, EmbeddingWriter& writer,
                    const Log& log) {
  Progress progress("embed", progress_log(log, settings));
  const ModelInfo& info = engine.model().info();
  std::int64_t done = 0;
  for_each_picture_batch(files, info, options.batch, workspace.threads(),
                         [&](const ImageBatch& batch, const std::vector<LoadedPicture>& pictures) {
                           for (const LoadedPicture& picture : pictures) {
                             if (!picture.error.empty()) throw Error(picture.error);
                           }
                           const std::vector<std::size_t> tokens(batch.images.size(),
                                                                 static_cast<std::size_t>(info.max_positions));
                           writer.write(tokens, vectors_of(engine, batch, workspace, settings));
                           output.flush();
                           done += std::ssize(pictures);
                           progress.update(done, static_cast<double>(done) / static_cast<double>(files.size()));
                         });
}

void embed_texts(Inputs& inputs, Encoder& encoder, const Engine& engine, const RunOptions& options,
                 const Settings& settings, Workspace& workspace, Output& output, EmbeddingWriter& writer,
                 const Log& log) {
  Progress progress("embed", progress_log(log, settings));
  std::int64_t done = 0;
  Batcher batcher(options.batch, [&](const TokenBatch& batch) {
    writer.write(lengths(batch), vectors_of(engine, batch, workspace, settings));
    output.flush();
    progress.update(done += std::ssize(batch.sequences), inputs.fraction());
  });
  while (const std::optional<std::string> text = inputs.next()) batcher.add(encoder.encode(*text));
  batcher.finish();
}

/// Cosines do not depend on lengths.
void check_normalize(const Arguments& arguments, const Settings& settings, const Model& model) {
  if (!settings.similarity || model.info().embedding.similarity != Similarity::cosine) return;
  for (const char* flag : {"normalize", "no-normalize"}) {
    if (arguments.given(flag))
      throw UsageError("--" + std::string(flag) + " has no effect beside --similarity, which is of cosines");
  }
}

int run(const Arguments& arguments) {
  const Log log = read_log(arguments);
  const Settings settings = read_settings(arguments);
  const RunOptions options = read_run_options(arguments);
  const std::optional<std::int64_t> max_length = read_max_length(arguments);
  const std::string path = arguments.required("model");
  const bool pictures = arguments.text("image").has_value();
  if (!pictures && !arguments.positionals().empty())
    throw UsageError("unexpected argument '" + arguments.positionals()[0] + "'");
  std::optional<Inputs> texts;
  if (!pictures) texts = read_inputs(arguments);

  const Engine engine(open_model(path, log), {.isa = options.isa});
  if (pictures && !engine.model().info().image)
    throw Error(engine.model().info().name + ": takes texts, not pictures.");
  check_normalize(arguments, settings, engine.model());
  Workspace workspace({.threads = options.threads});
  describe(engine, workspace, log);
  Output output(settings.output);
  const auto writer = make_writer(settings, output, engine.model());
  if (engine.model().info().image) {
    if (settings.texts.prompt || !settings.texts.prompt_name.empty() || !arguments.texts("prompt").empty())
      throw Error(engine.model().info().name + ": takes pictures, not texts.");
    if (arguments.given("max-length"))
      throw UsageError("--max-length has no effect on --model " + path + ", which takes pictures");
    embed_pictures(read_pictures(arguments), engine, options, settings, workspace, output, *writer, log);
    writer->finish();
    output.commit();
    return 0;
  }
  Encoder encoder(engine.model(), max_length, settings.texts);
  embed_texts(*texts, encoder, engine, options, settings, workspace, output, *writer, log);
  writer->finish();
  output.commit();
  encoder.report_truncated(log);
  return 0;
}

}  // namespace

constinit const Command kEmbed = {"embed", "sentence embeddings and their similarity", syntax, run};

}  // namespace octavo::tools

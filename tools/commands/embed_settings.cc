#include "commands/embed_settings.h"

#include "cli/npy.h"
#include "commands/common_flags.h"

#include "octavo/error.h"

#include <optional>
#include <utility>

namespace octavo::tools {
namespace {

constexpr std::int64_t kMostNumbers = 1 << 20;  // of an embedding

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

/// A kind of pooling, the checkpoint's pooler in place of one, or vectors of tokens.
struct PoolingChoice {
  enum Kind { pooled, pooler, none } kind = pooled;
  Pooling pooling = Pooling::mean;
};

std::optional<PoolingChoice> read_pooling(const Arguments& arguments) {
  return arguments.choice<PoolingChoice>("pooling",
                                         {{"mean", {.pooling = Pooling::mean}},
                                          {"cls", {.pooling = Pooling::cls}},
                                          {"max", {.pooling = Pooling::max}},
                                          {"mean_sqrt_len_tokens", {.pooling = Pooling::mean_sqrt_len_tokens}},
                                          {"weightedmean", {.pooling = Pooling::weightedmean}},
                                          {"lasttoken", {.pooling = Pooling::lasttoken}},
                                          {"pooler", {.kind = PoolingChoice::pooler}},
                                          {"none", {.kind = PoolingChoice::none}}});
}

Rounding read_rounding(const Arguments& arguments) {
  Rounding rounding{.precision =
                        *arguments.choice<EmbeddingPrecision>("precision", {{"float32", EmbeddingPrecision::float32},
                                                                            {"int8", EmbeddingPrecision::int8},
                                                                            {"uint8", EmbeddingPrecision::uint8},
                                                                            {"binary", EmbeddingPrecision::binary},
                                                                            {"ubinary", EmbeddingPrecision::ubinary}})};
  const std::optional<std::string> file = arguments.text("calibration-embeddings");
  if (!file) return rounding;
  if (!rounding.needs_ranges())
    throw UsageError("--calibration-embeddings has no effect without --precision int8 or uint8");
  rounding.ranges.include(read_npy(*file));
  if (rounding.ranges.lowest.empty()) throw Error(*file + ": has no embeddings, expected some to take the ranges of");
  return rounding;
}

}  // namespace

Flags embed_flags() {
  return {
      {"pooling",
       "mean, cls, max, mean_sqrt_len_tokens, weightedmean, lasttoken, pooler: the checkpoint's pooled output, or "
       "none: "
       "a vector per token; by default as the checkpoint says",
       "NAME"},
      {"normalize", "divide each embedding by its length; by default as the checkpoint's modules.json says, else on"},
      {"no-normalize", "do not, even where the checkpoint's last module does"},
      {"truncate-dim", "keep the first N numbers of each embedding; by default as the checkpoint says", "N"},
      {"prompt-name", "put this prompt of the checkpoint before each text; by default its default prompt", "NAME"},
      {"prefix", "put TEXT before each text instead; \"\" for nothing", "TEXT"},
      {"similarity", "print how close each input is to each other one instead, as the checkpoint compares them"},
      {"precision", "float32, int8, uint8, binary or ubinary, rounded as sentence-transformers does", "NAME",
       "float32"},
      {"calibration-embeddings",
       "a .npy file of embeddings whose ranges int8 and uint8 are of; by default those of the inputs together", "FILE"},
      {"sparse", "sparse embeddings (SPLADE) of a model that predicts masked tokens"},
  };
}

std::vector<Rule> embed_rules() {
  return {{{"prompt", "max-length", "prefix", "prompt-name"}, Rule::When::beside, "image"},
          {{"no-normalize", "precision"}, Rule::When::beside, "pooling=none"},
          {{"precision"}, Rule::When::beside, "similarity"},
          {{"image", "pooling", "normalize", "no-normalize", "truncate-dim", "similarity", "precision"},
           Rule::When::beside,
           "sparse"}};
}

EmbedSettings read_embed_settings(const Arguments& arguments) {
  EmbedSettings settings;
  settings.embedding = read_embedding(arguments);
  settings.texts = read_texts(arguments);
  const std::optional<PoolingChoice> pooling = read_pooling(arguments);
  settings.per_token = pooling && pooling->kind == PoolingChoice::none;
  settings.embedding.pooler = pooling && pooling->kind == PoolingChoice::pooler;
  if (pooling && pooling->kind == PoolingChoice::pooled) settings.embedding.pooling = {pooling->pooling};
  settings.sparse = arguments.on("sparse");
  settings.similarity = arguments.on("similarity");
  settings.rounding = read_rounding(arguments);
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

EmbedSettings settings_for(const ModelInfo& info, EmbedSettings settings, const Arguments& arguments) {
  if (settings.sparse || arguments.given("pooling") || !info.embedding.sparse) return settings;
  for (const char* flag : {"normalize", "no-normalize", "truncate-dim", "similarity", "precision"}) {
    if (arguments.given(flag)) {
      throw UsageError("--" + std::string(flag) + " has no effect on the sparse embeddings of " + info.name +
                       "; --pooling gives others");
    }
  }
  settings.sparse = true;
  return settings;
}

}  // namespace octavo::tools

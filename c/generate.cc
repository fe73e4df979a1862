// Text that is made, and how well text is predicted.
#include "octavo/generate.h"

#include "c/arguments.h"
#include "c/handles.h"
#include "data/token_windows.h"
#include "report/perplexity.h"

#include "octavo/masking.h"

#include <algorithm>
#include <cstring>
#include <deque>

namespace octavo::c {
namespace {

/// Writes a struct that the caller has, as much of it as the caller knows.
template <typename Struct>
void write_struct(Struct* to, Struct from, const char* name) {
  from.struct_size = to->struct_size;
  if (from.struct_size < sizeof(std::size_t)) throw InvalidArgument(std::string(name) + ".struct_size is missing");
  std::memcpy(to, &from, std::min(sizeof(from), from.struct_size));
}

/// A number that is 0 where the default is meant.
double read_real(const char* name, double value, double lowest, double highest, double fallback) {
  if (value == 0.0) return fallback;
  if (!(value >= lowest && value <= highest))
    throw InvalidArgument(std::string(name) + " is " + std::to_string(value) + ", expected " + std::to_string(lowest) +
                          " to " + std::to_string(highest));
  return value;
}

std::vector<std::string> read_stops(const octavo_texts* stops) {
  if (stops == nullptr) return {};
  std::vector<std::string> texts = Texts(stops, "stops").to_strings();
  if (std::ranges::any_of(texts, [](const std::string& text) { return text.empty(); }))
    throw InvalidArgument("stops has an empty text");
  return texts;
}

GenerateOptions read_options(const octavo_generate_options& options) {
  GenerateOptions read;
  read.max_new_tokens = read_number("max_new_tokens", options.max_new_tokens, 1, 65536).value_or(read.max_new_tokens);
  read.context = read_number("context", options.context, 2, 65536).value_or(0);
  read.sampling = {.repetition_penalty = read_real("repetition_penalty", options.repetition_penalty, 0.01, 100.0, 1.0),
                   .temperature = read_real("temperature", options.temperature, 1e-6, 100.0, 0.0),
                   .top_k = read_number("top_k", options.top_k, 1, 1 << 24).value_or(0),
                   .top_p = read_real("top_p", options.top_p, 1e-6, 1.0, 1.0),
                   .min_p = read_real("min_p", options.min_p, 0.0, 1.0, 0.0),
                   .seed = options.seed};
  read.beams = read_number("beams", options.beams, 1, 64).value_or(1);
  read.stops = read_stops(options.stops);
  if (read.beams > 1 && read.sampling.temperature > 0.0)
    throw InvalidArgument("beams and temperature exclude each other");
  if (read.sampling.temperature == 0.0 && (options.top_k != 0 || options.top_p != 0.0 || options.min_p != 0.0))
    throw InvalidArgument("top_k, top_p and min_p have no effect without temperature");
  return read;
}

/// Tokens of a block of a text. Throws InvalidArgument for more than the model takes.
int read_context(std::int32_t context, int most, int fallback) {
  return read_number("context", context, 2, most).value_or(std::min(fallback, 512));
}

struct Scores {
  tools::Perplexity perplexity;
  std::int64_t found = 0, blocks = 0;
};

Scores score_next_tokens(const InUse& use, std::string_view text, const octavo_perplexity_options& options) {
  if (options.pseudo != 0 || options.seed != 0)
    throw InvalidArgument("pseudo and seed have no effect on a decoder, which predicts the next token");
  const int most = use.model().info().max_positions;
  const int context = read_context(options.context, most, most);
  const int stride = read_number("stride", options.stride, 1, context).value_or(context);
  const std::vector<tools::ScoredWindow> windows = tools::windows_of(
      use.model().tokenizer().encode(text), static_cast<std::size_t>(context), static_cast<std::size_t>(stride));
  Scores scores;
  Batcher batcher(read_limits(options.batch_size, options.max_batch_tokens), [&](const TokenBatch& batch) {
    for (const std::vector<double>& losses : use.engine().losses(batch, use.workspace())) {
      const std::size_t count = windows[static_cast<std::size_t>(scores.blocks++)].scored;
      for (std::size_t i = losses.size() - count; i < losses.size(); ++i) scores.perplexity.add(losses[i]);
    }
  });
  for (const tools::ScoredWindow& window : windows) batcher.add(window.tokens);
  batcher.finish();
  return scores;
}

Scores score_masked_tokens(const InUse& use, std::string_view text, const octavo_perplexity_options& options) {
  if (options.stride != 0)
    throw InvalidArgument("stride has no effect on a model that predicts masked tokens: its blocks do not overlap");
  const bool pseudo = read_flag("pseudo", options.pseudo);
  if (pseudo && options.seed != 0) throw InvalidArgument("seed has no effect beside pseudo");
  const ModelInfo& info = use.model().info();
  const int context = read_context(options.context, info.max_positions, info.max_length);
  Scores scores;
  std::deque<std::vector<std::int32_t>> labels;
  Batcher batcher(read_limits(options.batch_size, options.max_batch_tokens), [&](const TokenBatch& batch) {
    std::vector<MaskedTokens> masked;
    for (const Tokens& tokens : batch.sequences) {
      masked.push_back({.tokens = tokens, .labels = std::move(labels.front())});
      labels.pop_front();
    }
    for (const TokenLoss& token : masked_losses(use.engine(), masked, use.workspace())) {
      scores.perplexity.add(token.loss);
      scores.found += token.is_likeliest;
    }
  });
  const auto add = [&](MaskedTokens masked) {
    labels.push_back(std::move(masked.labels));
    batcher.add(std::move(masked.tokens));
  };
  for (Tokens& block : tools::blocks_of(std::string(text), use.model().tokenizer(), context)) {
    const auto number = static_cast<std::uint64_t>(scores.blocks++);
    if (!pseudo) {
      add(mask_tokens(use.model(), std::move(block), {.seed = options.seed, .text = number}));
      continue;
    }
    for (MaskedTokens& masked : mask_each(use.model(), block)) add(std::move(masked));
  }
  batcher.finish();
  return scores;
}

}  // namespace
}  // namespace octavo::c

using namespace octavo::c;

octavo_status octavo_generate(octavo_session* session, octavo_string prompt, const octavo_generate_options* options,
                              octavo_text_sink sink, void* user, octavo_generation* generation) {
  return guarded_run(session, [&](const InUse& use) {
    const auto text = read_string("prompt", prompt);
    if (!text) throw InvalidArgument("prompt has no data");
    const octavo::GenerateOptions read = read_options(read_struct(options, "options"));
    const octavo::ModelInfo& info = use.model().info();
    if (!info.decoder)
      throw octavo::Error(info.name + " does not predict the next token, expected a decoder such as OPT");
    if (read.context > info.max_positions)
      throw InvalidArgument("context is " + std::to_string(read.context) + ", but " + info.name + " takes at most " +
                            std::to_string(info.max_positions) + " tokens");
    const octavo::Tokens tokens = use.model().tokenizer().encode(*text);
    const octavo::Generation made = octavo::generate(
        use.engine(), use.model().tokenizer(), tokens, use.workspace(), read, [&](std::string_view piece) {
          if (sink != nullptr && sink(user, piece.data(), piece.size()) != 0) throw Cancelled();
        });
    if (generation == nullptr) return;
    octavo_generation told = {};
    told.finish = made.finish == octavo::FinishReason::stop  ? OCTAVO_FINISH_STOP
                  : made.finish == octavo::FinishReason::eos ? OCTAVO_FINISH_EOS
                                                             : OCTAVO_FINISH_LENGTH;
    told.prompt_tokens = static_cast<std::int32_t>(tokens.ids.size());
    told.tokens = static_cast<std::int32_t>(made.tokens.size());
    told.prompt_seconds = made.prompt_seconds;
    told.decode_seconds = made.decode_seconds;
    write_struct(generation, told, "generation");
  });
}

octavo_status octavo_perplexity(octavo_session* session, octavo_string text, const octavo_perplexity_options* options,
                                octavo_perplexity_result* result) {
  return guarded_run(session, [&](const InUse& use) {
    const auto given = read_string("text", text);
    if (!given) throw InvalidArgument("text has no data");
    require(result, "result");
    const octavo_perplexity_options read = read_struct(options, "options");
    require_zero("reserved", read.reserved);
    const octavo::ModelInfo& info = use.model().info();
    if (!info.decoder && info.task != octavo::TextTask::masked_language_model)
      throw octavo::Error(info.name +
                          " predicts neither next nor masked tokens, expected a decoder or a masked language model");
    const Scores scores = info.decoder ? score_next_tokens(use, *given, read) : score_masked_tokens(use, *given, read);
    const std::int64_t tokens = scores.perplexity.tokens();
    if (tokens == 0) throw InvalidArgument("text has no token that is asked for, expected a longer one");
    scores.perplexity.require_number();
    octavo_perplexity_result told = {};
    told.perplexity = scores.perplexity.value();
    told.standard_error = scores.perplexity.standard_error();
    told.top1 = static_cast<double>(scores.found) / static_cast<double>(tokens);
    told.tokens = tokens;
    told.blocks = scores.blocks;
    write_struct(result, told, "result");
  });
}

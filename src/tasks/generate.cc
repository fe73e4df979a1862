#include "octavo/generate.h"

#include "octavo/error.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

namespace octavo {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Pieces of text as tokens come, up to a stop string.
class TextMaker {
 public:
  TextMaker(const Tokenizer& tokenizer, const std::vector<std::string>& stops, const TextSink& sink)
      : decoder_(tokenizer), stops_(stops), sink_(sink) {}

  void push(std::int32_t token) { emit(stops_.push(decoder_.push(token))); }
  bool stopped() const { return stops_.stopped(); }

  std::string finish() {
    if (!stopped()) emit(stops_.push(decoder_.finish()));
    if (!stopped()) emit(stops_.finish());
    return std::move(text_);
  }

 private:
  void emit(const std::string& piece) {
    text_ += piece;
    if (sink_ && !piece.empty()) sink_(piece);
  }

  StreamDecoder decoder_;
  StopStrings stops_;
  const TextSink& sink_;
  std::string text_;
};

/// One prompt on its way to a text.
class Generator {
 public:
  Generator(const Engine& engine, const Tokenizer& tokenizer, const Tokens& prompt, Workspace& workspace,
            const GenerateOptions& options, const TextSink& sink)
      : engine_(engine),
        tokenizer_(tokenizer),
        prompt_(prompt),
        workspace_(workspace),
        options_(options),
        limit_(check(engine.model().info())),
        ends_(engine.model().info().decoder->eos_tokens),
        text_(tokenizer, options.stops, sink) {
    caches_.emplace_back(engine.model(), options.context);
  }

  Generation run() {
    Generation result;
    const Clock::time_point start = Clock::now();
    std::vector<float> logits = decode({prompt_.ids});
    result.prompt_seconds = seconds_since(start);
    const Clock::time_point decoding = Clock::now();
    if (options_.beams > 1)
      search(std::move(logits), result);
    else
      sample(std::move(logits), result);
    result.text = text_.finish();
    if (text_.stopped()) result.finish = FinishReason::stop;
    result.decode_seconds = seconds_since(decoding);
    return result;
  }

 private:
  /// Tokens that there is room for.
  std::size_t check(const ModelInfo& info) const {
    if (!info.decoder) throw Error(info.name + " does not predict the next token, expected a decoder such as OPT");
    if (options_.max_new_tokens < 1)
      throw Error("max_new_tokens is " + std::to_string(options_.max_new_tokens) + ", expected at least 1");
    if (options_.beams < 1) throw Error("beams is " + std::to_string(options_.beams) + ", expected at least 1");
    Sampler{options_.sampling};  // an Error for what is out of range
    if (options_.beams > 1 && options_.sampling.temperature > 0) {
      throw Error("beams is " + std::to_string(options_.beams) + " and temperature above 0, expected one of the two");
    }
    if (prompt_.ids.empty()) throw Error("the prompt has no tokens, expected at least the one that begins a text");
    const int context = options_.context > 0 ? options_.context : info.max_positions;
    if (prompt_.ids.size() >= static_cast<std::size_t>(context)) {
      throw Error("the prompt has " + std::to_string(prompt_.ids.size()) +
                  " tokens, which leaves no room in a context of " + std::to_string(context));
    }
    return std::min(static_cast<std::size_t>(options_.max_new_tokens),
                    static_cast<std::size_t>(context) - prompt_.ids.size());
  }

  /// Logits behind each cache and its new tokens, one after the other. An id without a token is out of question.
  std::vector<float> decode(const std::vector<std::vector<std::int32_t>>& tokens) {
    TokenBatch batch;
    std::vector<KvCache*> caches;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      batch.sequences.push_back({.ids = tokens[i]});
      caches.push_back(&caches_[i]);
    }
    const Tensor logits = engine_.decode(batch, caches, workspace_);
    std::vector<float> result(logits.as<float>().begin(), logits.as<float>().end());
    const auto vocabulary = static_cast<std::size_t>(logits.columns()),
               named = static_cast<std::size_t>(tokenizer_.vocab_size());
    for (std::size_t i = 0; i < result.size(); ++i) {
      if (i % vocabulary >= named) result[i] = -std::numeric_limits<float>::infinity();
    }
    return result;
  }

  void sample(std::vector<float> logits, Generation& result) {
    Sampler sampler(options_.sampling);
    std::vector<std::int32_t> all = prompt_.ids;
    while (true) {
      const std::int32_t token = sampler.sample(logits, all);
      if (is_end(token)) {
        result.finish = FinishReason::eos;
        return;
      }
      all.push_back(token);
      result.tokens.push_back(token);
      text_.push(token);
      if (text_.stopped() || result.tokens.size() == limit_) return;
      logits = decode({{token}});
    }
  }

  void search(std::vector<float> logits, Generation& result) {
    Beams beams({.beams = options_.beams, .end_tokens = ends_});
    std::vector<std::vector<std::int32_t>> texts = {prompt_.ids};  // of the live beams
    for (std::size_t made = 1; true; ++made) {
      const std::vector<Beams::Continuation> next = beams.step(scores_of(logits, texts));
      if (beams.done() || made == limit_) break;
      std::vector<KvCache> caches;
      std::vector<std::vector<std::int32_t>> tokens, longer;
      for (const Beams::Continuation& beam : next) {
        const auto parent = static_cast<std::size_t>(beam.parent);
        caches.push_back(caches_[parent]);
        tokens.push_back({beam.token});
        longer.push_back(texts[parent]);
        longer.back().push_back(beam.token);
      }
      caches_ = std::move(caches);
      texts = std::move(longer);
      logits = decode(tokens);
    }
    result.tokens = beams.finish().at(0).tokens;
    if (!result.tokens.empty() && is_end(result.tokens.back())) {
      result.tokens.pop_back();
      result.finish = FinishReason::eos;
    }
    for (const std::int32_t token : result.tokens) text_.push(token);
  }

  bool is_end(std::int32_t token) const { return std::find(ends_.begin(), ends_.end(), token) != ends_.end(); }

  /// Log-probabilities of the tokens behind each text; the penalty is of them, as in transformers.
  std::vector<float> scores_of(const std::vector<float>& logits,
                               const std::vector<std::vector<std::int32_t>>& texts) const {
    std::vector<float> result;
    const std::size_t columns = logits.size() / texts.size();
    for (std::size_t i = 0; i < texts.size(); ++i) {
      std::vector<float> row = log_softmax(std::span(logits).subspan(i * columns, columns));
      penalize_repetition(row, texts[i], options_.sampling.repetition_penalty);
      result.insert(result.end(), row.begin(), row.end());
    }
    return result;
  }

  const Engine& engine_;
  const Tokenizer& tokenizer_;
  const Tokens& prompt_;
  Workspace& workspace_;
  const GenerateOptions& options_;
  const std::size_t limit_;
  const std::vector<std::int32_t>& ends_;
  TextMaker text_;
  std::vector<KvCache> caches_;  // one per beam
};

}  // namespace

std::string_view name_of(FinishReason reason) {
  switch (reason) {
    case FinishReason::stop:
      return "stop";
    case FinishReason::eos:
      return "eos";
    default:
      return "length";
  }
}

Generation generate(const Engine& engine, const Tokenizer& tokenizer, const Tokens& prompt, Workspace& workspace,
                    const GenerateOptions& options, const TextSink& sink) {
  return Generator(engine, tokenizer, prompt, workspace, options, sink).run();
}

}  // namespace octavo

#include "tokenizer/token_decoder.h"

#include "tokenizer/subword/byte_fallback.h"
#include "tokenizer/unicode/byte_level.h"
#include "tokenizer/unicode/utf8.h"

#include <algorithm>
#include <functional>
#include <type_traits>
#include <utility>

namespace octavo {
namespace {

using State = TokenDecoder::State;
using Emit = std::function<void(std::string)>;

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// How many bytes at the end are the beginning of a character that more bytes can complete.
std::size_t incomplete_bytes(std::string_view text) {
  for (std::size_t count = 1; count <= std::min<std::size_t>(text.size(), 3); ++count) {
    const std::string_view end = text.substr(text.size() - count);
    const auto lead = static_cast<unsigned char>(end[0]);
    if ((lead & 0xc0) == 0x80) continue;
    const std::size_t length = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
    return length > count && static_cast<std::size_t>(first_code_point(end).bytes) == count ? count : 0;
  }
  return 0;
}

// The text with U+FFFD for each ill-formed part.
std::string well_formed(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = first_code_point(text.substr(at));
    const auto bytes = static_cast<std::size_t>(c.bytes);
    result += c.value == kReplacementCharacter ? kReplacement : text.substr(at, bytes);
    at += bytes;
  }
  return result;
}

void replace_all(std::string& text, std::string_view old, std::string_view with) {
  if (old.empty()) return;
  for (std::size_t at = 0; (at = text.find(old, at)) != std::string::npos; at += with.size()) {
    text.replace(at, old.size(), with);
  }
}

// What a step does with a token, and when there are no more. `state` is its own.

void take(const ByteLevel&, std::string token, State& state, const Emit& emit) {
  std::string text = std::move(state.held) + (state.is_text ? token : byte_level_bytes(token));
  const std::size_t complete = text.size() - incomplete_bytes(text);
  state.held = text.substr(complete);
  text.resize(complete);
  emit(well_formed(text));
}
void end(const ByteLevel&, State& state, const Emit& emit) {
  if (!std::exchange(state.held, {}).empty()) emit(std::string(kReplacement));
}

void take(const WordPieceDecoder& step, std::string token, State& state, const Emit& emit) {
  if (state.count++ > 0) {
    if (token.starts_with(step.prefix)) {
      token.erase(0, step.prefix.size());
    } else {
      token.insert(0, 1, ' ');
    }
  }
  emit(step.cleanup ? clean_up_spaces(std::move(token)) : std::move(token));
}

void take(const SpaceDecoder&, std::string token, State& state, const Emit& emit) {
  emit(state.count++ > 0 ? " " + token : std::move(token));
}

void take(const Metaspace& step, std::string token, State& state, const Emit& emit) {
  char bytes[4];
  const std::string_view mark(bytes, static_cast<std::size_t>(write_utf8(step.replacement, bytes)));
  const bool is_dropped = state.count++ == 0 && step.prepend_scheme != PrependScheme::never;
  replace_all(token, mark, is_dropped ? "" : " ");
  emit(std::move(token));
}

void take(const BpeDecoder& step, std::string token, State& state, const Emit& emit) {
  if (state.count++ > 0) {
    replace_all(state.held, step.suffix, " ");
    emit(std::move(state.held));
  }
  state.held = std::move(token);
}
void end(const BpeDecoder& step, State& state, const Emit& emit) {
  replace_all(state.held, step.suffix, "");
  emit(std::exchange(state.held, {}));
}

void take(const CtcDecoder& step, std::string token, State& state, const Emit& emit) {
  if (state.count++ > 0 && token == state.held) return;
  state.held = token;
  replace_all(token, step.pad_token, "");
  if (step.cleanup) {
    token = clean_up_spaces(std::move(token));
    replace_all(token, step.word_delimiter_token, " ");
  }
  if (!token.empty()) emit(std::move(token));
}

void end(const ByteFallbackDecoder&, State& state, const Emit& emit) {
  const std::string bytes = std::exchange(state.held, {});
  if (bytes.empty()) return;
  if (well_formed(bytes) == bytes) return emit(bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) emit(std::string(kReplacement));
}
void take(const ByteFallbackDecoder& step, std::string token, State& state, const Emit& emit) {
  if (const auto byte = byte_of_token(token)) {
    state.held.push_back(static_cast<char>(*byte));
    return;
  }
  end(step, state, emit);
  emit(std::move(token));
}

void take(const FuseDecoder&, std::string token, State&, const Emit& emit) { emit(std::move(token)); }

// Of one token that comes in parts: what may have to go stays behind.
void take(const StripDecoder& step, std::string token, State& state, const Emit& emit) {
  char bytes[4];
  const std::string_view content(bytes, static_cast<std::size_t>(write_utf8(step.content, bytes)));
  std::string_view rest = token;
  while (state.count < step.start && rest.starts_with(content)) {
    rest.remove_prefix(content.size());
    ++state.count;
  }
  if (!rest.empty()) state.count = step.start;
  std::string text = std::move(state.held).append(rest);
  std::size_t end = text.size();
  for (std::size_t i = 0; i < step.stop && std::string_view(text).substr(0, end).ends_with(content); ++i) {
    end -= content.size();
  }
  state.held = text.substr(end);
  text.resize(end);
  emit(std::move(text));
}

void take(const Replace& step, std::string token, State&, const Emit& emit) {
  std::vector<PatternMatch> parts;
  step.pattern.find(token, parts);
  std::string text;
  for (const PatternMatch& part : parts) {
    text += part.is_match ? step.content : token.substr(part.begin, part.end - part.begin);
  }
  emit(std::move(text));
}

}  // namespace

std::string clean_up_spaces(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [old, with] : kPairs) replace_all(text, old, with);
  return text;
}

TokenDecoder::TokenDecoder(const std::vector<DecoderStep>& steps) {
  bool is_whole = false;
  for (const DecoderStep& each : steps) {
    std::visit([&](const auto& step) { steps_.emplace_back(step); }, each);
    is_whole_.push_back(is_whole);
    is_whole = is_whole || std::holds_alternative<FuseDecoder>(each) || std::holds_alternative<ByteLevel>(each);
  }
  if (!steps_.empty()) return;
  steps_.emplace_back(SpaceDecoder());
  is_whole_.push_back(false);
}

void TokenDecoder::run(std::size_t index, std::string token, std::vector<State>& states, std::string& text) const {
  if (index == steps_.size()) {
    text += token;
    return;
  }
  const auto emit = [&](std::string next) { run(index + 1, std::move(next), states, text); };
  State& state = states[index];
  const auto run_step = [&](const auto& step) {
    using Step = std::decay_t<decltype(step)>;
    if constexpr (std::is_same_v<Step, StripDecoder>) {
      take(step, std::move(token), state, emit);
      if (!is_whole_[index]) state = {};  // what was held back is the end of this token
    } else if constexpr (std::is_same_v<Step, FuseDecoder>) {
      take(step, std::move(token), state, emit);
    } else {
      if (is_whole_[index]) {
        state.held += token;
      } else {
        take(step, std::move(token), state, emit);
      }
    }
  };
  std::visit(run_step, steps_[index]);
}

std::string TokenDecoder::push(std::string token, bool is_text, std::vector<State>& states) const {
  std::string text;
  states[0].is_text = is_text;
  run(0, std::move(token), states, text);
  return text;
}

std::string TokenDecoder::finish(std::vector<State>& states) const {
  std::string text;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const auto emit = [&](std::string next) { run(i + 1, std::move(next), states, text); };
    const auto finish_step = [&](const auto& step) {
      using Step = std::decay_t<decltype(step)>;
      constexpr bool has_parts = std::is_same_v<Step, StripDecoder> || std::is_same_v<Step, FuseDecoder>;
      if (is_whole_[i] && !has_parts) take(step, std::exchange(states[i], {}).held, states[i], emit);
      if constexpr (requires { end(step, states[i], emit); }) end(step, states[i], emit);
    };
    std::visit(finish_step, steps_[i]);
  }
  states = start();
  return text;
}

}  // namespace octavo

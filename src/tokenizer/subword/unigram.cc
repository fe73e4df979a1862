#include "tokenizer/subword/unigram.h"

#include "tokenizer/subword/byte_fallback.h"
#include "tokenizer/unicode/utf8.h"

#include "octavo/error.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace octavo {
namespace {

constexpr double kUnknownPenalty = 10;
constexpr std::size_t kShortText = 256;  // bytes up to which the search needs no memory

double power_of_ten(int exponent) {
  static const std::array<double, 309> powers = [] {
    std::array<double, 309> result;
    for (std::size_t i = 0; i < result.size(); ++i) {
      const std::string text = "1e" + std::to_string(i);
      std::from_chars(text.data(), text.data() + text.size(), result[i]);
    }
    return result;
  }();
  return powers[static_cast<std::size_t>(exponent)];
}

const std::vector<std::string>& checked(const std::vector<std::string>& vocabulary, const std::string& where) {
  if (vocabulary.size() > PieceTrie::kMostPieces) {
    throw Error(where + ": the vocabulary has " + std::to_string(vocabulary.size()) + " pieces, expected at most " +
                std::to_string(PieceTrie::kMostPieces));
  }
  return vocabulary;
}

}  // namespace

double score_of(std::string_view number) {
  const bool is_negative = number.starts_with('-');
  std::uint64_t digits = 0;
  int exponent = 0;
  bool is_behind_point = false, is_full = false;
  std::size_t i = is_negative ? 1 : 0;
  for (; i < number.size() && number[i] != 'e' && number[i] != 'E'; ++i) {
    if (number[i] == '.') {
      is_behind_point = true;
      continue;
    }
    const auto digit = static_cast<std::uint64_t>(number[i] - '0');
    is_full = is_full || digits > (std::numeric_limits<std::uint64_t>::max() - digit) / 10;
    if (!is_full) digits = digits * 10 + digit;
    exponent += is_full ? !is_behind_point : -is_behind_point;
  }
  if (i < number.size()) {
    int written = 0;
    const char* begin = number.data() + i + 1;
    std::from_chars(begin + (*begin == '+'), number.data() + number.size(), written);
    exponent += std::clamp(written, -100000, 100000);
  }
  auto result = static_cast<double>(digits);
  for (; exponent < -308 && result != 0; exponent += 308) result /= 1e308;
  if (result != 0)
    result = exponent < 0 ? result / power_of_ten(-exponent) : result * power_of_ten(std::min(exponent, 308));
  return is_negative ? -result : result;
}

struct Unigram::Step {
  double score = 0;
  std::uint32_t begin = std::numeric_limits<std::uint32_t>::max();  // of its last piece; none yet
  std::int32_t piece = -1;

  bool is_reached() const { return begin != std::numeric_limits<std::uint32_t>::max(); }
  void offer(double other, std::size_t from, std::int32_t id) {
    if (is_reached() && !(other > score)) return;
    *this = {other, static_cast<std::uint32_t>(from), id};
  }
};

Unigram::Unigram(const std::vector<std::string>& vocabulary, Options options, const std::string& where)
    : options_(std::move(options)), pieces_(checked(vocabulary, where)), byte_ids_(find_byte_tokens(pieces_)) {
  if (options_.unknown_id >= static_cast<std::int32_t>(vocabulary.size())) {
    throw Error(where + ": model: unk_id is " + std::to_string(options_.unknown_id) + ", expected less than " +
                std::to_string(vocabulary.size()) + ", the number of pieces");
  }
  double smallest = std::numeric_limits<double>::infinity();
  for (const double score : options_.scores) smallest = std::min(smallest, score);
  unknown_score_ = smallest - kUnknownPenalty;
}

void Unigram::find_best(std::string_view text, Step* steps) const {
  for (std::size_t at = 0; at < text.size();) {
    const double score = steps[at].score;
    const auto length = static_cast<std::size_t>(first_code_point(text.substr(at)).bytes);
    bool has_character = false;
    pieces_.for_each_prefix(text.substr(at), [&](std::int32_t piece, std::size_t bytes) {
      steps[at + bytes].offer(score + options_.scores[static_cast<std::size_t>(piece)], at, piece);
      has_character = has_character || bytes == length;
    });
    if (!has_character) steps[at + length].offer(score + unknown_score_, at, options_.unknown_id);
    at += length;
  }
}

void Unigram::tokenize(std::string_view text, const ByteRange* spans, Subwords& out) const {
  Step few[kShortText + 1];
  std::vector<Step> many(text.size() > kShortText ? text.size() + 1 : 0);
  Step* steps = many.empty() ? few : many.data();
  find_best(text, steps);
  std::size_t next = text.size();  // links are turned around: `begin` becomes the end of the piece behind
  for (std::size_t end = text.size(); end > 0;) {
    const std::size_t begin = steps[end].begin;
    steps[end].begin = static_cast<std::uint32_t>(next);
    next = end;
    end = begin;
  }
  steps[0].begin = static_cast<std::uint32_t>(next);
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = steps[begin].begin;
    const std::int32_t piece = steps[end].piece;
    if (piece != options_.unknown_id) {
      out.append(piece, {spans[begin].begin, spans[end - 1].end});
    } else {
      while (end < text.size() && steps[steps[end].begin].piece == options_.unknown_id) end = steps[end].begin;
      append(text.substr(begin, end - begin), spans + begin, pieces_.find(text.substr(begin, end - begin)), out);
    }
    begin = end;
  }
}

// Appends text that the search found unknown; it may have an id all the same.
void Unigram::append(std::string_view text, const ByteRange* spans, std::int32_t id, Subwords& out) const {
  const ByteRange span = {spans[0].begin, spans[text.size() - 1].end};
  const auto has_token = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)] >= 0; };
  if (options_.unknown_id < 0) {
    throw Error("text to tokenize: has \"" + std::string(text.substr(0, 40)) +
                "\", which the vocabulary has no piece for, and unk_id is null");
  }
  if (id < 0 && options_.byte_fallback && std::all_of(text.begin(), text.end(), has_token)) {
    for (const char byte : text) out.append(byte_ids_[static_cast<unsigned char>(byte)], span);
  } else {
    out.append(id >= 0 ? id : options_.unknown_id, span);
  }
}

}  // namespace octavo

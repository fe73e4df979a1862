#include "tokenizer/component_json.h"

#include "tokenizer/component_fields.h"

#include "octavo/error.h"

#include <string>
#include <type_traits>

namespace octavo {
namespace {

using nlohmann::ordered_json;

// The fields of each step. Most normalizers have none.

template <typename Step>
void describe(ComponentFields&, Step&) {}

void describe(ComponentFields& fields, BertNormalizer& step) {
  BertNormalizer::Options options = step.options();
  fields.flag("clean_text", options.clean_text);
  fields.flag("handle_chinese_chars", options.handle_chinese_chars);
  if (fields.reads()) options.strip_accents = fields.object().flag("lowercase");
  fields.flag_or("strip_accents", options.strip_accents);
  fields.flag("lowercase", options.lowercase);
  step = BertNormalizer(options);
}

void describe(ComponentFields& fields, Strip& step) {
  fields.flag("strip_left", step.strip_left);
  fields.flag("strip_right", step.strip_right);
}

void describe(ComponentFields& fields, Precompiled& step) {
  std::string base64 = step.charsmap ? step.charsmap->base64() : "";
  fields.text("precompiled_charsmap", base64);
  if (fields.reads()) step.charsmap = std::make_shared<const Charsmap>(std::move(base64), fields.object().where());
}

void describe(ComponentFields& fields, Replace& step) {
  fields.pattern("pattern", step.pattern);
  fields.text("content", step.content);
}

void describe(ComponentFields& fields, Prepend& step) { fields.text("prepend", step.prepend); }

void describe(ComponentFields& fields, ByteLevel& step) {
  fields.flag("add_prefix_space", step.add_prefix_space);
  fields.flag_or("trim_offsets", step.trim_offsets);
  fields.flag_or("use_regex", step.use_regex);
}

void describe(ComponentFields& fields, CharDelimiterSplit& step) { fields.character("delimiter", step.delimiter); }

// Earlier files say add_prefix_space in place of prepend_scheme.
void describe(ComponentFields& fields, Metaspace& step) {
  fields.character("replacement", step.replacement);
  if (fields.reads()) {
    const bool prepends = fields.object().flag_or("add_prefix_space", true);
    if (!prepends && fields.object().text_or("prepend_scheme", "never") != "never") {
      fields.object().fail("add_prefix_space", "true, or \"never\" as prepend_scheme");
    }
    if (!prepends) step.prepend_scheme = PrependScheme::never;
    fields.ignore("add_prefix_space");
    fields.ignore("str_rep");
  }
  fields.name_or("prepend_scheme", step.prepend_scheme, kPrependSchemes);
  fields.flag_or("split", step.split_words);
}

void describe(ComponentFields& fields, Split& step) {
  fields.pattern("pattern", step.pattern);
  fields.name("behavior", step.behavior, kSplitBehaviors);
  fields.flag("invert", step.invert);
}

void describe(ComponentFields& fields, Punctuation& step) {
  fields.name_or("behavior", step.behavior, kSplitBehaviors);
}

void describe(ComponentFields& fields, Digits& step) { fields.flag("individual_digits", step.individual_digits); }

void describe(ComponentFields& fields, FixedLength& step) { fields.count_or("length", step.length, 1); }

void describe(ComponentFields& fields, WordPieceDecoder& step) {
  fields.text("prefix", step.prefix);
  fields.flag("cleanup", step.cleanup);
}

void describe(ComponentFields& fields, BpeDecoder& step) { fields.text("suffix", step.suffix); }

void describe(ComponentFields& fields, CtcDecoder& step) {
  fields.text("pad_token", step.pad_token);
  fields.text("word_delimiter_token", step.word_delimiter_token);
  fields.flag("cleanup", step.cleanup);
}

void describe(ComponentFields& fields, StripDecoder& step) {
  fields.character("content", step.content);
  fields.count("start", step.start, 0);
  fields.count("stop", step.stop, 0);
}

// A section of a tokenizer.json, and what its Sequence calls its steps.
struct Section {
  const char* name;
  const char* steps;
};
constexpr Section kNormalizer = {"normalizer", "normalizers"}, kPreTokenizer = {"pre_tokenizer", "pretokenizers"},
                  kDecoder = {"decoder", "decoders"};

// Tries the alternatives of a variant one after the other.
template <typename Step, std::size_t i = 0>
Step read_step(const JsonObject& object, const std::string& type, const Section& section, std::string expected) {
  if constexpr (i < std::variant_size_v<Step>) {
    using Alternative = std::variant_alternative_t<i, Step>;
    if (type != Alternative::kType) {
      return read_step<Step, i + 1>(object, type, section, expected + Alternative::kType + ", ");
    }
    Alternative step;
    ComponentFields fields(object);
    describe(fields, step);
    fields.require_no_others();
    return step;
  } else {
    // The path ends in the section's name, or in one of its steps.
    throw Error(object.where() + " " + type + " is not supported, expected " + expected + "Sequence or null");
  }
}

template <typename Step>
void append_steps(const JsonObject& object, const Section& section, std::vector<Step>& steps) {
  const std::string type = object.text("type");
  if (type != "Sequence") {
    steps.push_back(read_step<Step>(object, type, section, ""));
    return;
  }
  object.allow_only({"type", section.steps});
  for (const JsonObject& each : object.list(section.steps)) append_steps(each, section, steps);
}

template <typename Step>
std::vector<Step> read_steps(const JsonObject& root, const Section& section) {
  std::vector<Step> steps;
  if (root.has(section.name)) append_steps(root.section(section.name), section, steps);
  return steps;
}

template <typename Step>
ordered_json write_steps(const std::vector<Step>& steps, const Section& section) {
  ordered_json written = ordered_json::array();
  for (const Step& each : steps) {
    ordered_json& object = written.emplace_back();
    const auto write = [&](auto step) {
      object["type"] = step.kType;
      ComponentFields fields(object);
      describe(fields, step);
    };
    std::visit(write, each);
  }
  if (written.empty()) return nullptr;
  if (written.size() == 1) return std::move(written[0]);
  return {{"type", "Sequence"}, {section.steps, std::move(written)}};
}

}  // namespace

std::vector<NormalizerStep> read_normalizer(const JsonObject& root) {
  return read_steps<NormalizerStep>(root, kNormalizer);
}
std::vector<PreTokenizerStep> read_pre_tokenizer(const JsonObject& root) {
  return read_steps<PreTokenizerStep>(root, kPreTokenizer);
}
std::vector<DecoderStep> read_decoder(const JsonObject& root) { return read_steps<DecoderStep>(root, kDecoder); }

ordered_json write_normalizer(const std::vector<NormalizerStep>& steps) { return write_steps(steps, kNormalizer); }
ordered_json write_pre_tokenizer(const std::vector<PreTokenizerStep>& steps) {
  return write_steps(steps, kPreTokenizer);
}
ordered_json write_decoder(const std::vector<DecoderStep>& steps) { return write_steps(steps, kDecoder); }

}  // namespace octavo

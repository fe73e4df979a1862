#include "models/directory/generation_config.h"

#include <algorithm>
#include <array>

namespace octavo {
namespace {

using nlohmann::json;

// A key that changes what generate() gives.
struct Setting {
  const char* key;
  json neutral;             // the value with which it does not
  const char* option = "";  // of generate(), that does the same
};

const std::array kSettings = {
    Setting{"do_sample", false, "temperature"},
    Setting{"num_beams", 1, "beams"},
    Setting{"repetition_penalty", 1, "repetition penalty"},
    Setting{"max_length", 20, "new tokens and context"},
    Setting{"max_new_tokens", nullptr, "new tokens"},
    Setting{"stop_strings", nullptr, "stops"},
    Setting{"min_length", 0},
    Setting{"min_new_tokens", 0},
    Setting{"length_penalty", 1},
    Setting{"early_stopping", false},
    Setting{"num_beam_groups", 1},
    Setting{"diversity_penalty", 0},
    Setting{"no_repeat_ngram_size", 0},
    Setting{"encoder_no_repeat_ngram_size", 0},
    Setting{"encoder_repetition_penalty", 1},
    Setting{"bad_words_ids", nullptr},
    Setting{"suppress_tokens", nullptr},
    Setting{"begin_suppress_tokens", nullptr},
    Setting{"sequence_bias", nullptr},
    Setting{"forced_bos_token_id", nullptr},
    Setting{"forced_eos_token_id", nullptr},
    Setting{"forced_decoder_ids", nullptr},
    Setting{"exponential_decay_length_penalty", nullptr},
    Setting{"guidance_scale", 1},
    Setting{"penalty_alpha", 0},
    Setting{"remove_invalid_values", false},
    Setting{"renormalize_logits", false},
    Setting{"token_healing", false},
    Setting{"watermarking_config", nullptr},
    Setting{"constraints", nullptr},
    Setting{"force_words_ids", nullptr},
    Setting{"max_time", nullptr},
    Setting{"num_return_sequences", 1},
};

// With do_sample only.
const std::array kSampling = {
    Setting{"temperature", 1, "temperature"},
    Setting{"top_k", 0, "top-k"},
    Setting{"top_p", 1, "top-p"},
    Setting{"min_p", 0, "min-p"},
    Setting{"typical_p", 1},
    Setting{"epsilon_cutoff", 0},
    Setting{"eta_cutoff", 0},
    Setting{"top_h", nullptr},
};

// Keys that change nothing, or how fast it comes.
constexpr std::array kWithoutEffect = {"_from_model_config",
                                       "_commit_hash",
                                       "_original_object_hash",
                                       "transformers_version",
                                       "pad_token_id",
                                       "decoder_start_token_id",
                                       "use_cache",
                                       "cache_implementation",
                                       "cache_config",
                                       "output_attentions",
                                       "output_hidden_states",
                                       "output_scores",
                                       "output_logits",
                                       "return_dict_in_generate",
                                       "low_memory",
                                       "bos_token_id",
                                       "eos_token_id",
                                       "return_legacy_cache",
                                       "disable_compile",
                                       "compile_config"};

bool is_key(const auto& settings, const std::string& key) {
  return std::any_of(settings.begin(), settings.end(), [&](const Setting& setting) { return key == setting.key; });
}

// Warns of what a file sets and octavo does not take over.
class Report {
 public:
  Report(const json& values, const std::string& where, std::vector<std::string>& warnings)
      : values_(values), where_(where), warnings_(warnings) {}

  void settings() const {
    for (const Setting& setting : kSettings) report(setting);
    if (values_.value("do_sample", json(false)) != true) return;
    for (const Setting& setting : kSampling) report(setting);
  }

  void unknown_keys() const {
    for (const auto& [key, value] : values_.items()) {
      const bool is_known = is_key(kSettings, key) || is_key(kSampling, key) ||
                            std::find(kWithoutEffect.begin(), kWithoutEffect.end(), key) != kWithoutEffect.end();
      if (!value.is_null() && !is_known)
        warnings_.push_back(where_ + ": " + key + " is not known to octavo, and left aside");
    }
  }

 private:
  void report(const Setting& setting) const {
    const json value = values_.value(setting.key, json());
    if (value.is_null() || value == setting.neutral) return;
    const std::string option = setting.option;
    warnings_.push_back(where_ + ": " + setting.key + " is " + value.dump() + ", which octavo does not take over" +
                        (option.empty() ? "" : "; generation's option " + option + " does the same"));
  }

  const json& values_;
  const std::string& where_;
  std::vector<std::string>& warnings_;
};

}  // namespace

DecoderInfo read_end_tokens(const JsonObject& config, int vocabulary, const DecoderInfo& otherwise) {
  DecoderInfo info = otherwise;
  info.bos_token = config.integer_or("bos_token_id", 0, vocabulary - 1, otherwise.bos_token);
  if (config.has("eos_token_id")) info.eos_tokens = config.integer_or_list("eos_token_id", 0, vocabulary - 1);
  return info;
}

void read_generation_config(const std::filesystem::path& directory, Model::Data& data) {
  if (!data.info.decoder) return;
  const std::filesystem::path own = directory / "generation_config.json";
  const bool has_own = std::filesystem::exists(own);
  const std::string where = (has_own ? own : directory / "config.json").string();
  const JsonObject config = JsonObject::read(where);
  const Report report(config.values(), where, data.warnings);
  report.settings();
  if (!has_own) return;
  report.unknown_keys();
  data.info.decoder = read_end_tokens(config, data.info.vocab_size, *data.info.decoder);
}

}  // namespace octavo

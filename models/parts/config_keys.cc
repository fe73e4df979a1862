// The lists; docs/checkpoints.md has the same as a table.
#include "models/parts/config_keys.h"

#include <algorithm>

namespace octavo {
namespace {

constexpr std::string_view kHarmless[] = {
    // where it comes from, and how its bytes are stored
    "_commit_hash", "_name_or_path", "architectures", "dtype", "finetuning_task", "model_type", "name_or_path",
    "tokenizer_class", "torch_dtype", "transformers.js_config", "transformers_version", "use_bfloat16",
    // training
    "attention_dropout", "activation_dropout", "attention_probs_dropout_prob", "classifier_dropout", "dropout",
    "gradient_checkpointing", "hidden_dropout_prob", "init_std", "initializer_factor", "initializer_range", "layerdrop",
    // what a pass of PyTorch gives and how it is run
    "_attn_implementation", "_attn_implementation_autoset", "attn_implementation", "chunk_size_feed_forward",
    "output_attentions", "output_hidden_states", "output_past", "output_scores", "return_dict",
    "return_dict_in_generate", "torchscript", "use_cache",
    // labels and tasks
    "id2label", "label2id", "num_labels", "problem_type", "task_specific_params",
    // ids that the tokenizer's files say, and that only generation looks at here
    "cls_token_id", "decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id", "mask_token_id",
    "pad_token_id", "prefix", "sep_token_id", "unk_token_id",
    // defaults of generate(), which old files hold; octavo's are its flags
    "bad_words_ids", "begin_suppress_tokens", "diversity_penalty", "do_sample", "early_stopping",
    "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "length_penalty", "max_length", "min_length",
    "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_return_sequences", "remove_invalid_values",
    "repetition_penalty", "suppress_tokens", "temperature", "tf_legacy_loss", "top_k", "top_p", "typical_p"};

bool is_one_of(std::string_view key, const auto& keys) {
  return std::find(std::begin(keys), std::end(keys), key) != std::end(keys);
}

}  // namespace

std::string model_type(const JsonObject& config) { return config.text_or("model_type", ""); }

bool has_alibi(const JsonObject& config) { return config.text_or("position_embedding_type", "") == "alibi"; }

std::string architecture(const JsonObject& config) {
  const std::vector<std::string> names =
      config.has("architectures") ? config.texts("architectures") : std::vector<std::string>{};
  return names.empty() ? "" : names.front();
}

int read_head_size(const JsonObject& config, std::string_view key, int hidden_size, int heads) {
  if (hidden_size % (4 * heads) != 0 || hidden_size / heads > 256)
    config.fail(key, "a number of heads whose size is a multiple of 4, at most 256");
  return hidden_size / heads;
}

Activation read_activation(const JsonObject& config, std::string_view key, Activation otherwise) {
  if (!config.has(key)) return otherwise;
  const std::string name = config.text(key);
  constexpr std::pair<std::string_view, Activation> kNames[] = {{"gelu", Activation::gelu},
                                                                {"gelu_python", Activation::gelu},
                                                                {"gelu_new", Activation::gelu_new},
                                                                {"gelu_pytorch_tanh", Activation::gelu_new},
                                                                {"gelu_fast", Activation::gelu_new},
                                                                {"gelu_python_tanh", Activation::gelu_new},
                                                                {"gelu_accurate", Activation::gelu_new},
                                                                {"quick_gelu", Activation::quick_gelu},
                                                                {"silu", Activation::silu},
                                                                {"swish", Activation::silu},
                                                                {"relu", Activation::relu},
                                                                {"tanh", Activation::tanh}};
  for (const auto& [known, activation] : kNames) {
    if (name == known) return activation;
  }
  config.fail(key, "gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, quick_gelu, silu, relu or tanh");
}

void require_softmax(const JsonObject& config) {
  if (config.text_or("problem_type", "single_label_classification") != "single_label_classification")
    config.fail("problem_type", "single_label_classification: scores are a softmax over all classes");
}

void refuse_unsupported_keys(const JsonObject& config) {
  for (const char* key : {"quantization_config", "compression_config"}) {
    if (config.has(key)) config.fail(key, "no such key: octavo quantizes float weights itself");
  }
  if (config.has("pruned_heads") && !config.section("pruned_heads").unread().empty())
    config.fail("pruned_heads", "none: the same number of heads in every layer");
  for (const char* key : {"is_encoder_decoder", "add_cross_attention", "tie_encoder_decoder"}) {
    if (config.flag_or(key, false)) config.fail(key, "false: octavo runs an encoder or a decoder alone");
  }
  if (config.has("cross_attention_hidden_size")) config.fail("cross_attention_hidden_size", "no such key");
}

void warn_of_unknown_keys(const JsonObject& object, std::span<const std::string_view> harmless,
                          std::vector<std::string>& warnings) {
  for (const std::string& key : object.unread()) {
    if (!is_one_of(key, harmless))
      warnings.push_back(object.where() + ": " + key + " is not known to octavo, so whatever it changes is not done");
  }
}

void warn_of_unread_keys(const JsonObject& config, std::initializer_list<std::string_view> harmless,
                         std::vector<std::string>& warnings) {
  std::vector<std::string_view> all(std::begin(kHarmless), std::end(kHarmless));
  all.insert(all.end(), harmless.begin(), harmless.end());
  warn_of_unknown_keys(config, all, warnings);
}

}  // namespace octavo

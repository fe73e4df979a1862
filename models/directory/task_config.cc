#include "models/directory/task_config.h"

#include "models/parts/config_keys.h"

namespace octavo {
namespace {

constexpr std::string_view kHarmlessOfCrossEncoder[] = {"version"};

std::optional<ScoreFunction> score_function(const JsonObject& config) {
  if (!config.has("problem_type")) return {};
  const std::string type = config.text("problem_type");
  if (type == "regression") return ScoreFunction::none;
  if (type == "multi_label_classification") return ScoreFunction::sigmoid;
  if (type == "single_label_classification") return ScoreFunction::softmax;
  config.fail("problem_type", "regression, single_label_classification or multi_label_classification");
}

/// A class by its path, "torch.nn.modules.activation.Sigmoid".
std::optional<ScoreFunction> activation_function(const JsonObject& config, const char* key,
                                                 std::vector<std::string>& warnings) {
  const std::string path = config.text(key);
  if (!path.starts_with("torch.")) {
    warnings.push_back(config.where() + ": " + key + " is " + path +
                       "; sentence-transformers trusts torch's own alone, so its default counts");
    return {};
  }
  const std::string name = path.substr(path.rfind('.') + 1);
  if (name == "Identity") return ScoreFunction::none;
  if (name == "Sigmoid") return ScoreFunction::sigmoid;
  config.fail(key, "torch.nn's Identity or Sigmoid");
}

}  // namespace

TaskConfig read_task_config(const JsonObject& config, std::vector<std::string>& warnings) {
  constexpr const char *kNew = "activation_fn", *kOld = "sbert_ce_default_activation_function";
  TaskConfig result{.score_function = score_function(config)};
  const JsonObject cross_encoder = config.section("sentence_transformers");
  if (cross_encoder.has(kNew)) {
    result.pair_function = activation_function(cross_encoder, kNew, warnings);
    config.has(kOld);  // without effect beside it
  } else if (config.has(kOld)) {
    result.pair_function = activation_function(config, kOld, warnings);
  }
  warn_of_unknown_keys(cross_encoder, kHarmlessOfCrossEncoder, warnings);
  return result;
}

void add_task_config(const TaskConfig& config, ModelInfo& info) {
  const bool is_one = info.classes == 1;
  info.score_function = config.score_function.value_or(ScoreFunction::softmax);
  // One class is not told apart from others.
  if (is_one && info.score_function == ScoreFunction::softmax) info.score_function = ScoreFunction::sigmoid;
  info.pair_function = config.pair_function.value_or(is_one ? ScoreFunction::sigmoid : ScoreFunction::none);
}

}  // namespace octavo

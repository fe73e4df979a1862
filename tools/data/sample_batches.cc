#include "data/sample_batches.h"

#include "data/picture_files.h"
#include "data/text_labels.h"
#include "data/token_windows.h"

#include "octavo/masking.h"

#include <filesystem>
#include <utility>

namespace octavo::tools {
namespace {

constexpr std::int64_t kPieceTokens = 512;

std::vector<std::string> pictures_of(const std::string& data) {
  if (std::filesystem::is_directory(data)) return expand_folders({data});
  LineReader reader(data);
  std::vector<std::string> names;
  while (std::optional<std::string> line = reader.next()) {
    if (!line->empty()) names.push_back(*std::move(line));
  }
  return expand_folders(names);
}

/// Whether an input may be two texts with a tab between them.
bool takes_pairs(const ModelInfo& info) {
  return info.task == TextTask::sequence_classification || info.task == TextTask::question_answering;
}

}  // namespace

TextInput text_of(const std::string& sample, const ModelInfo& info) {
  return takes_pairs(info) ? read_text_input(sample, {}, "a sample") : TextInput{.text = sample};
}

SampleOptions with_pairs(SampleOptions options, const ModelInfo& info, const std::string& data) {
  options.pairs = takes_pairs(info);
  const bool always = info.task == TextTask::question_answering || info.classes == 1;
  if (options.pairs && always && options.columns.empty() && data.ends_with(".tsv")) options.columns = {1, 2};
  return options;
}

Samples choose(const std::string& data, const SampleOptions& options, const Model& model,
               const std::optional<std::int64_t>& max_length, const std::string& labels) {
  if (data.empty()) return first_samples(built_in_samples(model, max_length), options.count);
  const bool columns = !options.columns.empty() || data.ends_with(".tsv");
  if (model.info().decoder && !columns) {
    const std::int64_t most = std::min<std::int64_t>(max_length.value_or(kPieceTokens), model.info().max_positions);
    // The beginning-of-text token comes on top, and a piece on its own may have a token more than within its text.
    const auto tokens = static_cast<std::size_t>(std::max<std::int64_t>(most - 2, 1));
    return choose_samples(pieces_of(read_text(data), model.tokenizer(), tokens), options, data);
  }
  if (model.info().image) return choose_samples(pictures_of(data), options, data);
  LineReader reader(data);
  SampleOptions chosen = labels.empty() ? with_pairs(options, model.info(), data) : options;
  if (!labels.empty()) {
    chosen.label_column = column_of(labels, reader);
    chosen.read_label = [names = LabelReader(model)](const std::string& cell, const std::string& place) {
      return names.read(cell, place);
    };
  }
  Samples samples = choose_samples(reader, chosen);
  if (model.info().task == TextTask::question_answering) {
    samples.calibration = with_questions(std::move(samples.calibration));
    samples.held_out = with_questions(std::move(samples.held_out));
  }
  return samples;
}

std::vector<SampleLabel> BatchLabels::next(std::size_t count) {
  if (labels_.empty()) return {};
  std::vector<SampleLabel> result(count);
  for (std::size_t i = 0; i < count && done_ + i < labels_.size(); ++i) result[i] = labels_[done_ + i];
  done_ += count;
  return result;
}

SampleBatches::SampleBatches(const Model& model, const std::optional<std::int64_t>& max_length,
                             const BatchLimits& limits, int threads, const Log& log)
    : model_(model), info_(model.info()), limits_(limits), threads_(threads), log_(log) {
  if (!info_.image) encoder_.emplace(model, max_length);
}

Tokens SampleBatches::tokens_of(const std::string& sample, std::size_t number) {
  Tokens tokens = encoder_->encode(text_of(sample, info_));
  if (info_.task != TextTask::masked_language_model) return tokens;
  return mask_tokens(model_, std::move(tokens), {.text = number}).tokens;
}

void SampleBatches::report(const std::vector<LoadedPicture>& pictures) const {
  for (const LoadedPicture& picture : pictures) {
    if (!picture.error.empty()) log_.warn(picture.error + "; it is left out");
  }
}

void SampleBatches::finish() const {
  if (encoder_) encoder_->report_truncated(log_);
}

}  // namespace octavo::tools

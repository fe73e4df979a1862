// Samples of a calibration, texts or pictures as the model takes, in batches behind a progress bar.
#pragma once

#include "cli/log.h"
#include "cli/progress.h"
#include "data/built_in_samples.h"
#include "data/encoder.h"
#include "data/picture_batches.h"
#include "data/samples.h"

#include "octavo/agreement.h"
#include "octavo/tasks.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace octavo::tools {

/// The samples that `data` means: lines of a text file, or for a model of pictures a folder or a list of files; "": the
/// built-in ones. For a decoder the text is cut into pieces of max_length tokens, by default the model's limit, at most
/// 512; columns of a .tsv are taken as they are. Texts are chosen by with_pairs(), and for a model that answers
/// questions those without pairs become pairs, with_questions(). `labels` is the column of a text classifier's labels,
/// --labels; "" for none.
Samples choose(const std::string& data, const SampleOptions& options, const Model& model,
               const std::optional<std::int64_t>& max_length, const std::string& labels = "");

/// For a model that classifies texts or answers questions two columns are a pair, one sample; where a model always
/// takes two texts, columns 1 and 2 of a .tsv are.
SampleOptions with_pairs(SampleOptions options, const ModelInfo& info, const std::string& data);

/// The labels of batches, in turn. Samples behind those that have one have none.
class BatchLabels {
 public:
  explicit BatchLabels(std::span<const double> labels) : labels_(labels) {}

  /// One for each sample of the batch; nothing where no sample of all batches has one.
  std::vector<SampleLabel> next(const TokenBatch& batch) { return next(batch.sequences.size()); }
  std::vector<SampleLabel> next(const ImageBatch& batch) { return next(batch.images.size()); }

 private:
  std::vector<SampleLabel> next(std::size_t count);

  std::span<const double> labels_;
  std::size_t done_ = 0;
};

/// The text of a sample, or its two texts where the model may take a pair and there is a tab.
TextInput text_of(const std::string& sample, const ModelInfo& info);

class SampleBatches {
 public:
  SampleBatches(const Model& model, const std::optional<std::int64_t>& max_length, const BatchLimits& limits,
                int threads, const Log& log);

  /// Hands samples to `handle` as TokenBatch or ImageBatch. Pictures that cannot be read are left out and counted.
  template <typename Handle>
  void for_each(const std::vector<std::string>& samples, const std::string& label, const Handle& handle) {
    Progress progress(label, log_);
    progress.update(0, 0.0);
    std::int64_t done = 0;
    const auto advance = [&](std::int64_t count) {
      done += count;
      progress.update(done, static_cast<double>(done) / static_cast<double>(samples.size()));
    };
    if (!encoder_) {
      for_each_picture_batch(samples, info_, limits_, {.threads = threads_, .load = load_sample_picture},
                             [&](const ImageBatch& batch, const std::vector<LoadedPicture>& pictures) {
                               report(pictures);
                               if (!batch.images.empty()) handle(batch);
                               advance(std::ssize(pictures));
                             });
      return;
    }
    Batcher batcher(limits_, [&](const TokenBatch& batch) {
      handle(batch);
      advance(std::ssize(batch.sequences));
    });
    for (std::size_t i = 0; i < samples.size(); ++i) batcher.add(tokens_of(samples[i], i));
    batcher.finish();
  }

  /// Warns of truncated texts.
  void finish() const;

 private:
  /// What the model sees of the text with this number: of a masked language model with 15 % of the tokens masked.
  Tokens tokens_of(const std::string& sample, std::size_t number);

  void report(const std::vector<LoadedPicture>& pictures) const;

  Model model_;
  ModelInfo info_;
  BatchLimits limits_;
  int threads_;
  const Log& log_;
  std::optional<Encoder> encoder_;  ///< of a model of texts
};

}  // namespace octavo::tools

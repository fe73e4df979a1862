// What flags of `octavo embed` ask for in place of what the checkpoint says.
#pragma once

#include "cli/options.h"
#include "report/embedding_writer.h"
#include "report/rounding_writer.h"

#include "octavo/tasks.h"

#include <string>

namespace octavo::tools {

struct EmbedSettings {
  bool per_token = false;  ///< --pooling none
  bool sparse = false;     ///< --sparse
  EmbedOptions embedding;
  TextOptions texts;
  bool similarity = false;
  Rounding rounding;
  MatrixFormat format = MatrixFormat::text;
  std::string output;

  Rows rows() const { return per_token ? Rows::per_token : Rows::per_input; }
};

/// The flags that read_embed_settings() reads, beside those that all commands have.
Flags embed_flags();

/// Which of them have no effect beside others.
std::vector<Rule> embed_rules();

/// Throws UsageError for flags that exclude each other, octavo::Error when --calibration-embeddings cannot be read.
EmbedSettings read_embed_settings(const Arguments& arguments);

/// The settings for this model: embeddings of a checkpoint whose own are sparse are sparse unless --pooling is given.
/// Throws UsageError for flags that then have no effect.
EmbedSettings settings_for(const ModelInfo& info, EmbedSettings settings, const Arguments& arguments);

}  // namespace octavo::tools

// Prompts to texts, with everything that this takes in one object.
#pragma once

#include "octavo/generate.h"
#include "octavo/session.h"

#include <filesystem>
#include <string_view>

namespace octavo {

/// A decoder with its tokenizer and threads. Like a Session: one call at a time, and a copy for each concurrent caller.
class TextGenerator {
 public:
  /// Opens a .octavo file or a checkpoint directory. Throws Error as Session does, and when the model is no decoder or
  /// has no tokenizer.
  explicit TextGenerator(const std::filesystem::path& model, const SessionOptions& options = {});

  /// Takes a model that is open already. Throws Error when it is no decoder or has no tokenizer.
  explicit TextGenerator(Model model, const SessionOptions& options = {});

  /// Continues a prompt; an empty one is the beginning of a text. `sink` is called with each piece of the text as soon
  /// as it is certain. Throws Error as octavo::generate() does.
  Generation generate(std::string_view prompt, const GenerateOptions& options = {}, const TextSink& sink = {});

  /// Gives the model, with its facts and warnings.
  const Model& model() const { return session_.model(); }

 private:
  Session session_;
};

}  // namespace octavo

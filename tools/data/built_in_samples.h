// octavo's own samples in the form in which a model takes those of a file.
#pragma once

#include "data/picture_loader.h"

#include "octavo/model.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace octavo::tools {

/// Texts, cut where they are longer than `max_length` tokens (by default the model's limit), or pictures' names. With a
/// tab in between: questions and contexts for a model that answers questions, two sentences for a cross-encoder or a
/// model of natural language inference; another classifier gets texts and pairs in turn, since nothing says which it
/// is for. However many of the first are taken, they are a fair mixture.
std::vector<std::string> built_in_samples(const Model& model, const std::optional<std::int64_t>& max_length);

/// Questions and contexts made of texts where none of them is a pair; `samples` as they are where one is, or where they
/// have no two sentences.
std::vector<std::string> with_questions(std::vector<std::string> samples);

/// Makes a built-in picture, or reads a file.
LoadedPicture load_sample_picture(const std::string& name, const ImageSettings& settings);

}  // namespace octavo::tools

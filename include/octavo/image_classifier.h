// Pictures to the names of what they show, with everything that this takes in one object.
#pragma once

#include "octavo/session.h"

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace octavo {

/// A class, its name, and how sure the model is of it.
struct LabelScore {
  int id = 0;
  std::string label;   ///< the checkpoint's, else "LABEL_3", as transformers calls it
  float score = 0.0f;  ///< softmax over all classes, or of one class its sigmoid: 0 to 1
};

/// What is asked for of each picture.
struct ClassifyOptions {
  int top_k = 5;  ///< so many classes, at least 1; all of them where the model has fewer
};

/// A model of pictures with its labels and threads. Like a Session: one call at a time, and a copy for each concurrent
/// caller.
class ImageClassifier {
 public:
  /// Opens a .octavo file or a checkpoint directory. Throws Error as Session does, and when the model does not classify
  /// pictures.
  explicit ImageClassifier(const std::filesystem::path& model, const SessionOptions& options = {});

  /// Takes a model that is open already. Throws Error when it does not classify pictures.
  explicit ImageClassifier(Model model, const SessionOptions& options = {});

  /// Reads each file as read_image() does and gives its likeliest classes, best first, of equal ones the lower id.
  /// Throws Error as read_image() and prepare_image() do, beginning with the file's name, and when top_k is below 1.
  std::vector<std::vector<LabelScore>> classify(const std::vector<std::filesystem::path>& files,
                                                const ClassifyOptions& options = {});

  /// Gives the likeliest classes of pictures of any size, best first. Throws Error as prepare_image() does.
  std::vector<std::vector<LabelScore>> classify(std::span<const Image> images, const ClassifyOptions& options = {});

  /// Gives the model, with its facts, labels and warnings.
  const Model& model() const { return session_.model(); }

 private:
  Session session_;
};

}  // namespace octavo

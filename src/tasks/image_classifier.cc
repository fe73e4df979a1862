#include "octavo/image_classifier.h"

#include "runtime/workspace.h"

#include "octavo/error.h"
#include "octavo/tasks.h"

#include <algorithm>
#include <utility>

namespace octavo {
namespace {

constexpr std::size_t kBatch = 32;  // pictures that are in memory at a time

Model checked(Model model) {
  const ModelInfo& info = model.info();
  if (!info.image || info.classes == 0)
    throw Error(info.name + ": does not classify pictures, expected a model of images with a head");
  return model;
}

/// Classes of `count` pictures, of which `prepared` makes the i-th, on any thread.
template <typename Prepared>
std::vector<std::vector<LabelScore>> classify_all(Session& session, std::size_t count, const ClassifyOptions& options,
                                                  const Prepared& prepared) {
  if (options.top_k < 1) throw Error("top_k is " + std::to_string(options.top_k) + ", expected at least 1");
  std::vector<std::vector<LabelScore>> result;
  for (std::size_t first = 0; first < count; first += kBatch) {
    ImageBatch batch;
    batch.images.resize(std::min(kBatch, count - first));
    data_of(session.workspace()).pool.run(static_cast<int>(batch.images.size()), [&](int i, int) {
      const auto index = static_cast<std::size_t>(i);
      batch.images[index] = prepared(first + index);
    });
    for (const std::vector<ClassScore>& scores :
         classify(session.engine(), batch, session.workspace(), options.top_k)) {
      std::vector<LabelScore>& best = result.emplace_back();
      for (const ClassScore& score : scores)
        best.push_back({.id = score.id, .label = label_of(session.model(), score.id), .score = score.score});
    }
  }
  return result;
}

}  // namespace

ImageClassifier::ImageClassifier(const std::filesystem::path& model, const SessionOptions& options)
    : ImageClassifier(Model::open(model), options) {}

ImageClassifier::ImageClassifier(Model model, const SessionOptions& options)
    : session_(checked(std::move(model)), options) {}

std::vector<std::vector<LabelScore>> ImageClassifier::classify(const std::vector<std::filesystem::path>& files,
                                                               const ClassifyOptions& options) {
  return classify_all(session_, files.size(), options, [&](std::size_t i) {
    const Image image = read_image(files[i]);
    try {
      return prepare_image(image, *model().info().image);
    } catch (const Error& error) {
      throw Error(files[i].string() + ": " + error.what());
    }
  });
}

std::vector<std::vector<LabelScore>> ImageClassifier::classify(std::span<const Image> images,
                                                               const ClassifyOptions& options) {
  return classify_all(session_, images.size(), options,
                      [&](std::size_t i) { return prepare_image(images[i], *model().info().image); });
}

}  // namespace octavo

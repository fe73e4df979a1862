// Pictures to labels in one object: that it gives what its parts give, for files and for images of any size.
#include "octavo/image_classifier.h"

#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/tiny_vit.h"

#include "octavo/error.h"
#include "octavo/tasks.h"

namespace octavo::test {
namespace {

Model labelled_vit() {
  TinyVit vit;
  TemporaryDirectory directory;
  vit.write(directory.path());
  write_bytes(directory / "labels.txt", "zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n");
  return Model::from_checkpoint(directory.path());
}

void write_ppm(const std::filesystem::path& file, const Image& image) {
  std::string bytes = "P6 " + std::to_string(image.width) + " " + std::to_string(image.height) + " 255\n";
  bytes.append(reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size());
  write_bytes(file, bytes);
}

}  // namespace

TEST_CASE(
    "a classifier gives files and images the classes that their prepared pixels have, with the names of the labels") {
  const Model model = labelled_vit();
  const std::vector<Image> images = random_images(70, 40).images;  // more than a batch, larger than the model's 32
  TemporaryDirectory directory;
  std::vector<std::filesystem::path> files;
  ImageBatch prepared;
  for (std::size_t i = 0; i < images.size(); ++i) {
    files.push_back(directory / (std::to_string(i) + ".ppm"));
    write_ppm(files.back(), images[i]);
    prepared.images.push_back(prepare_image(images[i], *model.info().image));
  }
  Workspace workspace({.threads = 1});
  const std::vector<std::vector<ClassScore>> expected = classify(Engine(model), prepared, workspace, 3);

  ImageClassifier classifier(model, {.threads = 2});
  const auto of_files = classifier.classify(files, {.top_k = 3}), of_images = classifier.classify(images, {.top_k = 3});
  REQUIRE(of_files.size() == 70);
  REQUIRE(of_images.size() == 70);
  for (std::size_t i = 0; i < images.size(); ++i) {
    REQUIRE(of_files[i].size() == 3);
    REQUIRE(of_images[i].size() == 3);
    for (std::size_t rank = 0; rank < 3; ++rank) {
      const LabelScore& found = of_files[i][rank];
      CHECK(found.id == expected[i][rank].id);
      CHECK(found.label == model.labels()[static_cast<std::size_t>(found.id)]);
      CHECK(found.score == Approx(expected[i][rank].score).epsilon(1e-4));
      CHECK(of_images[i][rank].id == found.id);
    }
  }
  CHECK(classifier.classify({images.data(), 1}).at(0).size() == 5);
  CHECK(classifier.classify({images.data(), 1}, {.top_k = 99}).at(0).size() == 10);
  CHECK(classifier.classify(std::vector<std::filesystem::path>{}).empty());
}

TEST_CASE("classes without names are called as transformers calls them") {
  ImageClassifier classifier(TinyVit().model(), {.threads = 1});
  const LabelScore best = classifier.classify(random_images(1, 32).images, {.top_k = 1}).at(0).at(0);
  CHECK(best.label == "LABEL_" + std::to_string(best.id));
}

TEST_CASE("a classifier names the file that it cannot read, and refuses models that do not classify pictures") {
  ImageClassifier classifier(labelled_vit(), {.threads = 2});
  CHECK_THROWS_WITH(classifier.classify({"nowhere.jpg"}), Catch::Contains("nowhere.jpg"));
  CHECK_THROWS_WITH(classifier.classify({"nowhere.jpg", "nothing.png"}, {.top_k = 0}), Catch::Contains("top_k is 0"));
  CHECK_THROWS_WITH(ImageClassifier(TinyBert().model()), Catch::Contains("does not classify pictures"));
  CHECK_THROWS_WITH(ImageClassifier(TinyVit({.classes = 0}).model()), Catch::Contains("does not classify pictures"));
}

}  // namespace octavo::test

// Pictures to what they show: the three likeliest classes of each.
// Usage: classify MODEL PICTURE...
#include <cstdio>
#include <exception>
#include <filesystem>
#include <octavo/image_classifier.h>
#include <vector>

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s MODEL PICTURE...\n", argv[0]);
    return 2;
  }
  const std::vector<std::filesystem::path> pictures(argv + 2, argv + argc);
  octavo::ImageClassifier classifier(argv[1]);
  const auto answers = classifier.classify(pictures, {.top_k = 3});
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    std::printf("%s\n", pictures[i].c_str());
    for (const octavo::LabelScore& found : answers[i])
      std::printf("  %.3f  %s\n", static_cast<double>(found.score), found.label.c_str());
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}

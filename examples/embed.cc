// Texts to embeddings: how close each text is to the first one.
// Usage: embed MODEL TEXT TEXT...
#include <cstdio>
#include <exception>
#include <octavo/text_encoder.h>
#include <string>
#include <vector>

int main(int argc, char** argv) try {
  if (argc < 4) {
    std::fprintf(stderr, "usage: %s MODEL TEXT TEXT...\n", argv[0]);
    return 2;
  }
  const std::vector<std::string> texts(argv + 2, argv + argc);
  octavo::TextEncoder encoder(argv[1]);
  const octavo::Tensor embeddings = encoder.encode(texts);                      // f32 [texts, size]
  const octavo::Tensor closeness = encoder.similarity(embeddings, embeddings);  // f32 [texts, texts]
  for (std::size_t i = 1; i < texts.size(); ++i)
    std::printf("%.4f  %s\n", static_cast<double>(closeness.row<float>(0)[i]), texts[i].c_str());
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}

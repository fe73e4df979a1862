// A float32 checkpoint of texts and a file of sample sentences to a quantized model file.
// Usage: calibrate CHECKPOINT SENTENCES OUTPUT.octavo
#include <exception>
#include <fstream>
#include <iostream>
#include <octavo/calibration.h>
#include <octavo/text_preprocessor.h>
#include <string>

int main(int argc, char** argv) try {
  if (argc != 4) {
    std::cerr << "usage: " << argv[0] << " CHECKPOINT SENTENCES OUTPUT.octavo\n";
    return 2;
  }
  const octavo::Model checkpoint = octavo::Model::from_checkpoint(argv[1]);
  for (const std::string& warning : checkpoint.warnings()) std::cerr << warning << "\n";
  const octavo::TextPreprocessor preprocessor(checkpoint);
  octavo::Calibrator calibrator(checkpoint);
  octavo::Workspace workspace;
  octavo::Batcher batcher({}, [&](const octavo::TokenBatch& batch) { calibrator.observe(batch, workspace); });
  std::ifstream sentences(argv[2]);
  for (std::string line; std::getline(sentences, line);) batcher.add(preprocessor.encode(line));
  batcher.finish();
  calibrator.quantize({}, workspace).model.save(argv[3]);
  std::cout << calibrator.samples() << " samples, " << calibrator.tokens() << " tokens\n";
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}

// A prompt to a text, shown while it is made.
// Usage: generate MODEL PROMPT
#include <exception>
#include <iostream>
#include <octavo/text_generator.h>
#include <string_view>

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::cerr << "usage: " << argv[0] << " MODEL PROMPT\n";
    return 2;
  }
  octavo::TextGenerator generator(argv[1]);
  const octavo::GenerateOptions options{.max_new_tokens = 20,
                                        .sampling = {.temperature = 0.8, .top_p = 0.95, .seed = 1}};
  const octavo::Generation made =
      generator.generate(argv[2], options, [](std::string_view piece) { std::cout << piece << std::flush; });
  std::cout << "\n";
  std::cerr << made.tokens.size() << " tokens, ended by " << name_of(made.finish) << "\n";
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}

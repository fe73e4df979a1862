// The small tokenizers of tests/golden/tokenizers.json, of every kind.
#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>

namespace octavo::test {

inline nlohmann::json read_golden_tokenizers(const std::filesystem::path& repository) {
  std::ifstream in(repository / "tests/golden/tokenizers.json");
  return nlohmann::json::parse(in);
}

/// The tokenizer.json of a kind; the table of replacements stands in the golden file once.
inline std::string tokenizer_file_of(const nlohmann::json& golden, const nlohmann::json& kind) {
  std::string text = kind["tokenizer"].dump();
  const std::string place = "\"CHARSMAP\"";
  for (std::size_t at = 0; (at = text.find(place, at)) != std::string::npos;) {
    text.replace(at, place.size(), golden["charsmap"].dump());
  }
  return text;
}

}  // namespace octavo::test

// Reads tiny checkpoints with heads; fuzzing begins with some of them, too.
#include "io/safetensors.h"
#include "tests/support/golden_heads.h"

namespace octavo::test {

GoldenHeads::GoldenHeads(const std::string& name) {
  SafetensorsFile file = read_safetensors(std::filesystem::path(OCTAVO_SOURCE_DIR "/tests/golden") / name);
  for (const auto& [key, text] : file.metadata) {
    if (text.starts_with("{")) checkpoints[key].config = nlohmann::json::parse(text);
  }
  for (auto& [path, tensor] : file.tensors) {
    const std::string owner = path.substr(0, path.find('/')), own = path.substr(owner.size() + 1);
    if (owner == "ids") {
      const auto ids = tensor.as<std::int32_t>();
      texts.push_back({{{.ids = {ids.begin(), ids.end()}}}});
    } else if (own.starts_with("output/")) {
      outputs[owner].emplace(own.substr(7), tensor);
    } else {
      checkpoints.at(owner).tensors.emplace(own, tensor);
    }
  }
}

}  // namespace octavo::test

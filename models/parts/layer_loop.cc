#include "models/parts/layer_loop.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <utility>

namespace octavo {
namespace {

constexpr char kKey[] = "layer_loop";
constexpr int kMostLayers = 1000;

/// A name in front of a layer's number and behind it: "encoder.layer.", 3, ".output.dense.weight".
struct LayerTensor {
  std::string before, after;
  int layer = 0;
};

std::optional<LayerTensor> of_layer(const std::string& name) {
  for (const std::string_view module : {"layer.", "layers."}) {
    const std::size_t found = name.find(module);
    if (found == std::string::npos || (found > 0 && name[found - 1] != '.')) continue;
    const std::size_t first = found + module.size(), end = name.find('.', first);
    if (end == std::string::npos || end == first || end - first > 3) continue;
    const std::string number = name.substr(first, end - first);
    if (!std::ranges::all_of(number, [](unsigned char c) { return std::isdigit(c) != 0; })) continue;
    return LayerTensor{.before = name.substr(0, first), .after = name.substr(end), .layer = std::stoi(number)};
  }
  return {};
}

}  // namespace

JsonObject unroll_layers(const JsonObject& config, const char* layers_key, TensorMap& tensors) {
  if (!config.has(kKey)) return config;
  if (!layers_key) config.fail(kKey, "no such key: layers of this model family run once");
  const JsonObject loop = config.section(kKey);
  loop.allow_only({"first", "layers", "times"});
  const auto stored = static_cast<int>(config.integer(layers_key, 1, kMostLayers));
  const int first = loop.integer_or("first", 0, stored - 1, 0);
  const int layers = loop.integer_or("layers", 1, stored - first, stored - first);
  const auto times = static_cast<int>(loop.integer("times", 1, kMostLayers));
  const int more = (times - 1) * layers;
  if (stored + more > kMostLayers)
    loop.fail("times",
              "at most " + std::to_string(kMostLayers) + " layers in all, not " + std::to_string(stored + more));
  TensorMap unrolled;
  for (const auto& [name, tensor] : tensors) {
    const std::optional<LayerTensor> own = of_layer(name);
    const auto put = [&, &name = name, &tensor = tensor](int layer) {
      unrolled.emplace(own ? own->before + std::to_string(layer) + own->after : name, tensor);
    };
    if (!own || own->layer < first)
      put(own ? own->layer : 0);
    else if (own->layer >= first + layers)
      put(own->layer + more);
    else
      for (int i = 0; i < times; ++i) put(own->layer + i * layers);
  }
  tensors = std::move(unrolled);
  nlohmann::json changed = config.values();
  changed.erase(kKey);
  changed[layers_key] = stored + more;
  return {std::move(changed), config.where()};
}

}  // namespace octavo

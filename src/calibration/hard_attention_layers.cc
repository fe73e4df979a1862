// Attentions whose queries see few keys.
#include "graph/attention_heads.h"

#include "octavo/error.h"
#include "octavo/parts.h"

namespace octavo {

Model with_hard_attention(const Model& model, int most_keys, std::span<const int> layers) {
  const ModelInfo& info = model.info();
  if (model.is_quantized())
    throw Error(info.name + " is quantized already; hard attention is a choice for a float32 model");
  if (most_keys < 1) throw Error("hard attention sees " + std::to_string(most_keys) + " keys, expected 1 or more");
  Model::Data data = data_of(model);
  const std::vector<AttentionNodes> attentions = find_attentions(data.graph);
  for (const int layer : layers) {
    if (layer < 0 || layer >= std::ssize(attentions))
      throw Error(info.name + " has no attention of layer " + std::to_string(layer) + ", but " +
                  std::to_string(attentions.size()) + " layers");
    set_most_keys(data, attentions[static_cast<std::size_t>(layer)], most_keys);
  }
  return Access::make<Model>(std::make_shared<const Model::Data>(std::move(data)));
}

}  // namespace octavo

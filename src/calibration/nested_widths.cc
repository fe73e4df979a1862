// Feed-forward networks that hold narrower ones: the narrower one is the first neurons of the wider.
#include "graph/neurons.h"

#include "octavo/error.h"
#include "octavo/parts.h"

#include <cmath>
#include <numeric>

namespace octavo {

Model with_ffn_widths(const Model& model, std::span<const double> widths) {
  const Model::Data& data = data_of(model);
  const ModelInfo& info = model.info();
  if (model.is_quantized()) throw Error(info.name + " is quantized already; neurons are those of a float32 model");
  if (info.matformer_factor == 1)
    throw Error(info.name +
                " was not trained to hold narrower feed-forward networks: config.json has no matformer_factor");
  const std::vector<FeedForwardNodes> networks = find_feed_forwards(data.graph);
  if (widths.size() != 1 && widths.size() != networks.size())
    throw Error("there are " + std::to_string(widths.size()) + " widths for " + std::to_string(networks.size()) +
                " feed-forward networks, expected one, or one for each");
  std::map<std::string, Neurons> kept;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const double width = widths[widths.size() == 1 ? 0 : i];
    const int all = data.graph.columns(networks[i].neurons);
    const auto left = static_cast<int>(std::lround(width * all));
    if (!(width <= 1.0) || !(width * info.matformer_factor >= 1.0) || std::abs(left - width * all) > 1e-6 * all)
      throw Error("a width of " + std::to_string(width) + " of " + std::to_string(all) +
                  " neurons: expected a share from 1 / " + std::to_string(info.matformer_factor) +
                  " to 1 that is a whole number of them");
    if (left == all) continue;
    std::vector<int>& first = kept[data.graph.name(networks[i].sum)].kept;
    first.resize(static_cast<std::size_t>(left));
    std::iota(first.begin(), first.end(), 0);
  }
  return Access::make<Model>(std::make_shared<const Model::Data>(with_neurons(data, kept)));
}

}  // namespace octavo

#include "graph/model_data.h"
#include "graph/op_facts.h"
#include "runtime/kv_cache_data.h"

#include "octavo/error.h"

#include <cstring>
#include <string>

namespace octavo {
namespace {

std::vector<AttentionFacts> attentions(const Graph& graph) {
  std::vector<AttentionFacts> result;
  for (const Node& node : graph.nodes) {
    if (const auto attention = attention_facts(graph, node)) result.push_back(*attention);
  }
  return result;
}

int checked_capacity(const Model& model, int capacity) {
  const ModelInfo& info = model.info();
  if (!info.decoder) throw Error(info.name + " does not predict the next token, so it needs no cache");
  if (capacity < 0 || capacity > info.max_positions) {
    throw Error("the cache's capacity is " + std::to_string(capacity) + ", expected 1 to the model's limit of " +
                std::to_string(info.max_positions) + " tokens, or 0 for that");
  }
  for (const AttentionFacts& op : attentions(data_of(model).graph)) {
    if (op.gate && op.gate->type == GateType::conditional_per_head) {
      throw Error(
          info.name +
          ": its gates are means over the whole sequence (conditional_per_head), which a later token would change");
    }
  }
  return capacity == 0 ? info.max_positions : capacity;
}

}  // namespace

KvCache::Data::Data(const Model& model, int tokens)
    : capacity(checked_capacity(model, tokens)), quantized(model.is_quantized()) {
  if (!quantized) return;
  for (const AttentionFacts& op : attentions(data_of(model).graph)) {
    Layer layer{.heads = op.key_value_heads, .head_size = op.head_size, .keys = {}, .values = {}};
    const std::size_t bytes = static_cast<std::size_t>(layer.heads) * plane(layer);
    layer.keys = std::make_unique_for_overwrite<std::int8_t[]>(bytes);
    layer.values = std::make_unique_for_overwrite<std::int8_t[]>(bytes);
    layers.push_back(std::move(layer));
  }
}

KvCache::Data::Data(const Data& other)
    : capacity(other.capacity), length(other.length), quantized(other.quantized), ids(other.ids) {
  for (const Layer& from : other.layers) {
    const std::size_t bytes = static_cast<std::size_t>(from.heads) * plane(from);
    Layer layer{.heads = from.heads,
                .head_size = from.head_size,
                .keys = std::make_unique_for_overwrite<std::int8_t[]>(bytes),
                .values = std::make_unique_for_overwrite<std::int8_t[]>(bytes)};
    const std::size_t used = static_cast<std::size_t>(length) * static_cast<std::size_t>(from.head_size);
    for (std::size_t head = 0; head < static_cast<std::size_t>(from.heads); ++head) {
      std::memcpy(layer.keys.get() + head * plane(from), from.keys.get() + head * plane(from), used);
      std::memcpy(layer.values.get() + head * plane(from), from.values.get() + head * plane(from), used);
    }
    layers.push_back(std::move(layer));
  }
}

void KvCache::Data::append(std::size_t layer, const std::int8_t* keys, const std::int8_t* values, std::ptrdiff_t stride,
                           int rows) {
  const Layer& to = layers[layer];
  const auto size = static_cast<std::size_t>(to.head_size);
  for (std::size_t head = 0; head < static_cast<std::size_t>(to.heads); ++head) {
    const std::size_t first = head * plane(to) + static_cast<std::size_t>(length) * size;
    for (int row = 0; row < rows; ++row) {
      const std::ptrdiff_t from = row * stride + static_cast<std::ptrdiff_t>(head * size);
      std::memcpy(to.keys.get() + first + static_cast<std::size_t>(row) * size, keys + from, size);
      std::memcpy(to.values.get() + first + static_cast<std::size_t>(row) * size, values + from, size);
    }
  }
}

bool KvCache::Data::fits(const Model& model) const {
  if (quantized != model.is_quantized() || capacity > model.info().max_positions) return false;
  if (!quantized) return true;
  const std::vector<AttentionFacts> ops = attentions(data_of(model).graph);
  bool same = ops.size() == layers.size();
  for (std::size_t i = 0; same && i < ops.size(); ++i)
    same = ops[i].key_value_heads == layers[i].heads && ops[i].head_size == layers[i].head_size;
  return same;
}

KvCache::KvCache(const Model& model, int capacity) : data_(std::make_unique<Data>(model, capacity)) {}
KvCache::~KvCache() = default;
KvCache::KvCache(const KvCache& other) : data_(std::make_unique<Data>(*other.data_)) {}
KvCache& KvCache::operator=(const KvCache& other) {
  if (this != &other) data_ = std::make_unique<Data>(*other.data_);
  return *this;
}
KvCache::KvCache(KvCache&&) noexcept = default;
KvCache& KvCache::operator=(KvCache&&) noexcept = default;

int KvCache::length() const { return data_->length; }
int KvCache::capacity() const { return data_->capacity; }

void KvCache::truncate(int length) {
  if (length < 0 || length > data_->length) {
    throw Error("a cache of " + std::to_string(data_->length) + " tokens cannot be truncated to " +
                std::to_string(length));
  }
  data_->length = length;
  data_->ids.resize(static_cast<std::size_t>(length));
}

std::size_t KvCache::bytes() const {
  std::size_t bytes = 0;
  for (const Data::Layer& layer : data_->layers)
    bytes += 2 * static_cast<std::size_t>(layer.heads) * data_->plane(layer);
  return bytes;
}

}  // namespace octavo

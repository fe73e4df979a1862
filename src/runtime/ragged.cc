#include "runtime/ragged.h"

#include "octavo/error.h"

#include <algorithm>
#include <string>

namespace octavo {
namespace {

void check_sequence(const Tokens& tokens, std::size_t index, const ModelInfo& info) {
  const std::string which = "sequence " + std::to_string(index);
  if (tokens.ids.empty()) throw Error(which + " of the batch has no tokens");
  if (tokens.ids.size() > static_cast<std::size_t>(info.max_positions)) {
    throw Error(which + " has " + std::to_string(tokens.ids.size()) + " tokens, the model takes at most " +
                std::to_string(info.max_positions));
  }
  if (!tokens.type_ids.empty() && tokens.type_ids.size() != tokens.ids.size()) {
    throw Error(which + " has " + std::to_string(tokens.type_ids.size()) + " type ids for " +
                std::to_string(tokens.ids.size()) + " tokens");
  }
  if (tokens.prompt < 0 || static_cast<std::size_t>(tokens.prompt) >= tokens.ids.size()) {
    throw Error(which + " has a prompt of " + std::to_string(tokens.prompt) + " of its " +
                std::to_string(tokens.ids.size()) + " tokens, expected fewer");
  }
  for (const std::int32_t id : tokens.ids) {
    if (id < 0 || id >= info.vocab_size) {
      throw Error(which + " has token id " + std::to_string(id) + ", the vocabulary has ids 0 to " +
                  std::to_string(info.vocab_size - 1));
    }
  }
  for (const std::int32_t type : tokens.type_ids) {
    if (type < 0 || (type > 0 && type >= info.type_vocab_size)) {
      throw Error(which + " has type id " + std::to_string(type) + ", the model has " +
                  std::to_string(info.type_vocab_size) + " token types");
    }
  }
}

/// Rows of the table of positions: a token's place, or where there is a padding token, its row and then the places of
/// the others among themselves.
void add_positions(const Tokens& tokens, int padding_token, std::vector<std::int32_t>& positions) {
  std::int32_t next = padding_token < 0 ? 0 : 1;
  for (const std::int32_t id : tokens.ids) positions.push_back(id == padding_token ? 0 : next++);
}

}  // namespace

RaggedBatch make_ragged(const TokenBatch& batch, const ModelInfo& info) {
  if (info.image) throw Error(info.name + " takes images, not tokens");
  if (batch.sequences.empty()) throw Error("the batch has no sequences");
  RaggedBatch ragged;
  ragged.start.push_back(0);
  for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
    const Tokens& tokens = batch.sequences[i];
    check_sequence(tokens, i, info);
    ragged.ids.insert(ragged.ids.end(), tokens.ids.begin(), tokens.ids.end());
    ragged.types.insert(ragged.types.end(), tokens.type_ids.begin(), tokens.type_ids.end());
    ragged.types.resize(ragged.ids.size(), 0);
    add_positions(tokens, info.padding_token, ragged.positions);
    if (ragged.ids.size() > (1u << 24)) {
      throw Error("the batch has more than " + std::to_string(1 << 24) + " tokens; run it in smaller batches");
    }
    ragged.start.push_back(static_cast<std::int32_t>(ragged.ids.size()));
    ragged.prompts.push_back(tokens.prompt);
  }
  if (std::ranges::all_of(ragged.prompts, [](std::int32_t tokens) { return tokens == 0; })) ragged.prompts.clear();
  return ragged;
}

RaggedBatch make_ragged(const TokenBatch& batch, std::span<KvCache* const> caches, const Model& model) {
  if (caches.size() != batch.sequences.size()) {
    throw Error("there are " + std::to_string(caches.size()) + " caches for " + std::to_string(batch.sequences.size()) +
                " sequences");
  }
  RaggedBatch ragged = make_ragged(batch, model.info());
  for (int i = 0; i < ragged.sequences(); ++i) {
    const std::string which = "the cache of sequence " + std::to_string(i);
    KvCache* cache = caches[static_cast<std::size_t>(i)];
    if (cache == nullptr) throw Error(which + " is missing");
    KvCache::Data& data = data_of(*cache);
    if (!data.fits(model)) throw Error(which + " was made for another model");
    if (std::find(ragged.caches.begin(), ragged.caches.end(), &data) != ragged.caches.end())
      throw Error(which + " is that of another one, too");
    if (data.length + ragged.length(i) > data.capacity) {
      throw Error(which + " holds " + std::to_string(data.length) + " tokens, " + std::to_string(ragged.length(i)) +
                  " more do not fit its capacity of " + std::to_string(data.capacity));
    }
    ragged.caches.push_back(&data);
    for (std::int32_t row = ragged.start[static_cast<std::size_t>(i)];
         row < ragged.start[static_cast<std::size_t>(i) + 1]; ++row) {
      ragged.positions[static_cast<std::size_t>(row)] += data.length;
    }
  }
  return ragged;
}

RaggedBatch make_ragged(const ImageBatch& batch, const ModelInfo& info) {
  if (!info.image) throw Error(info.name + " takes tokens, not images");
  if (batch.images.empty()) throw Error("the batch has no images");
  if (batch.images.size() > (1u << 24) / static_cast<std::size_t>(info.max_positions)) {
    throw Error("the batch has more than " + std::to_string(1 << 24) + " tokens; run it in smaller batches");
  }
  RaggedBatch ragged;
  ragged.start.push_back(0);
  for (std::size_t i = 0; i < batch.images.size(); ++i) {
    const Image& image = batch.images[i];
    const bool fits =
        image.width == info.image->width && image.height == info.image->height &&
        image.pixels.size() == 3 * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
    if (!fits) {
      throw Error("image " + std::to_string(i) + " of the batch is " + std::to_string(image.width) + " x " +
                  std::to_string(image.height) + " with " + std::to_string(image.pixels.size()) + " bytes, expected " +
                  std::to_string(info.image->width) + " x " + std::to_string(info.image->height) +
                  " pixels of 3 bytes");
    }
    ragged.pixels.push_back(image.pixels.data());
    ragged.start.push_back(ragged.start.back() + info.max_positions);
  }
  ragged.prefix = info.prefix_tokens;
  ragged.image_width = info.image->width;
  return ragged;
}

RaggedBatch without_tokens(const RaggedBatch& batch, int removed) {
  RaggedBatch result{.start = batch.start, .prefix = batch.prefix, .image_width = batch.image_width};
  for (std::size_t i = 0; i < result.start.size(); ++i) result.start[i] -= static_cast<std::int32_t>(i) * removed;
  return result;
}

RaggedBatch sequences_of(const RaggedBatch& batch, int first, int count) {
  const auto start = batch.start.begin() + first;
  RaggedBatch part{.prefix = batch.prefix, .image_width = batch.image_width};
  for (int i = 0; i <= count; ++i) part.start.push_back(start[i] - start[0]);
  const auto copy = [](const auto& from, auto& to, std::ptrdiff_t begin, std::ptrdiff_t end) {
    if (!from.empty()) to.assign(from.begin() + begin, from.begin() + end);
  };
  copy(batch.ids, part.ids, start[0], start[count]);
  copy(batch.types, part.types, start[0], start[count]);
  copy(batch.positions, part.positions, start[0], start[count]);
  copy(batch.pixels, part.pixels, first, first + count);
  copy(batch.prompts, part.prompts, first, first + count);
  return part;
}

}  // namespace octavo

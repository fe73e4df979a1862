// Any files of a checkpoint but safetensors make a model that runs, or an Error.
//
// An input is the files one behind the other, each after a line "--- NAME"; the weights are its pytorch_model.bin, or
// else those of a tiny BERT, OPT, ViT, BEiT or CCT, whichever config.json speaks of.
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/tiny_checkpoints.h"

#include "octavo/engine.h"
#include "octavo/error.h"
#include "octavo/tasks.h"

#include <algorithm>
#include <iterator>
#include <map>

using namespace octavo;

namespace {

/// Every file that a checkpoint directory may hold beside model.safetensors: a new one is one line.
constexpr std::string_view kFiles[] = {
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "preprocessor_config.json",
    "labels.txt",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "1_Pooling/config.json",
    "2_Normalize/config.json",
    "2_Dense/config.json",
    "generation_config.json",
    "pytorch_model.bin",
};

using Files = std::map<std::string_view, std::string>;

Files split(std::string_view input) {
  Files files;
  std::string* file = nullptr;
  while (!input.empty()) {
    const std::size_t end = std::min(input.find('\n'), input.size() - 1) + 1;
    const std::string_view line = input.substr(0, end);
    input.remove_prefix(end);
    if (line.starts_with("--- ")) {
      const auto name = std::ranges::find(kFiles, line.substr(4, line.find('\n') - 4));
      file = name == std::end(kFiles) ? nullptr : &files[*name];
    } else if (file) {
      *file += line;
    }
  }
  return files;
}

std::string join(const Files& files) {
  std::string result;
  for (const auto& [name, text] : files) {
    result += "--- " + std::string(name) + "\n" + text;
    if (!text.ends_with('\n')) result += '\n';
  }
  return result;
}

const fuzz::CheckpointFolder& folder_for(const Files& files) {
  static const fuzz::CheckpointFolder empty;
  if (files.contains("pytorch_model.bin")) return empty;
  const auto own = files.find("config.json");
  const std::string config = own == files.end() ? "" : own->second;
  static const fuzz::CheckpointFolder bert(fuzz::tiny_bert()), opt(fuzz::tiny_opt()), timm(fuzz::tiny_vit()),
      vit(fuzz::tiny_vit(test::VitNames::hugging_face)), beit(fuzz::tiny_beit()), cct(fuzz::TinyCct{});
  if (config.find("\"opt\"") != std::string::npos) return opt;
  if (config.find("\"beit\"") != std::string::npos) return beit;
  if (config.find("\"cct_") != std::string::npos) return cct;
  if (config.find("architecture") != std::string::npos) return timm;
  return config.find("\"vit\"") != std::string::npos ? vit : bert;
}

void run(const Model& model) {
  const Engine engine(model, {.weight_memory = 1 << 20});
  Workspace workspace({.threads = 1});
  const ModelInfo& info = model.info();
  if (info.image) {
    if (std::int64_t{info.image->width} * info.image->height > 1 << 16) return;
    Image image{.width = info.image->width, .height = info.image->height};
    image.pixels.resize(3 * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height), 77);
    engine.run(ImageBatch{{image}}, workspace);
    return;
  }
  engine.run({{{.ids = {0, info.vocab_size - 1}}}}, workspace);
  if (!model.has_tokenizer()) return;
  const TextPreprocessor encoder(model);
  const Tokens tokens = encoder.encode(
      "Hello, [MASK] ein \xc3\x9c"
      "bel!  \xff 12's");
  encoder.tokenizer().decode(tokens.ids);
  embed(engine, {{tokens}}, workspace);
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  fuzz::Random random(seed);
  const std::string_view input = fuzz::as_text(data, size);
  Files files = split(input);
  if (files.empty() || fuzz::one_of(random, 16) == 0)
    return fuzz::give_back(fuzz::mutate_bytes(input, most), data, most);
  std::string& file = std::next(files.begin(), static_cast<std::ptrdiff_t>(fuzz::one_of(random, files.size())))->second;
  const std::size_t room = most - std::min(most, size) + file.size();
  file = fuzz::one_of(random, 4) == 0 ? fuzz::mutate_bytes(file, room) : fuzz::mutate_json(file, random, room);
  return fuzz::give_back(join(files), data, most);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Files files = split(fuzz::as_text(data, size));
  const fuzz::CheckpointFolder& folder = folder_for(files);
  folder.clear();
  for (const auto& [name, text] : files) folder.write(name, text);
  try {
    run(Model::from_checkpoint(folder.path()));
  } catch (const Error&) {
  }
  return 0;
}

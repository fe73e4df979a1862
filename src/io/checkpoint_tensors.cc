// Which files make up a checkpoint: of safetensors, or else of torch.save, one or the shards of an index.
#include "io/json_object.h"
#include "io/mapped_file.h"
#include "io/safetensors.h"
#include "io/torch_file.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace octavo {
namespace {

using Json = nlohmann::json;
using TensorsByName = std::map<std::string, Tensor, std::less<>>;

/// Shard file name -> the tensors it must hold.
std::map<std::string, std::vector<std::string>> read_index(const std::filesystem::path& path) {
  const std::string file = path.string();
  const MappedFile mapping(path);
  const Json index = parse_json(mapping.bytes(), file);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    throw Error(file + ": has no object weight_map.");
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    if (!shard.is_string()) throw Error(file + ": weight_map names no file for " + tensor + ", expected a string.");
    const std::string name = shard.get<std::string>();
    // A checkpoint must not reach outside its directory; a NUL would cut the name short.
    if (name.empty() || name == "." || name == ".." || name.find_first_of(std::string_view("/\\\0", 3)) != name.npos)
      throw Error(file + ": weight_map must give the name of a file in the same directory for " + tensor + ", found " +
                  name + ".");
    shards[name].push_back(tensor);
  }
  return shards;
}

TensorsByName read_safetensors_alone(const std::filesystem::path& file) { return read_safetensors(file).tensors; }

/// A form of weights: the name of the whole file, and what reads it. The index of shards is called like it.
struct Form {
  const char* name;
  TensorsByName (*read)(const std::filesystem::path& file);
};
constexpr Form kForms[] = {{"model.safetensors", read_safetensors_alone}, {"pytorch_model.bin", read_torch_file}};

TensorsByName read_shards(const std::filesystem::path& directory, const std::filesystem::path& index,
                          const Form& form) {
  TensorsByName tensors;
  for (const auto& [shard, names] : read_index(index)) {
    TensorsByName file = form.read(directory / shard);
    for (const std::string& name : names) {
      const auto found = file.find(name);
      if (found == file.end())
        throw Error((directory / shard).string() + ": has no tensor " + name + ", which " + index.filename().string() +
                    " expects there.");
      tensors.emplace(name, std::move(found->second));
    }
  }
  return tensors;
}

/// A file of the directory that may hold its weights in another form; empty when there is none.
std::string other_weights(const std::filesystem::path& directory) {
  constexpr std::string_view kEndings[] = {".safetensors", ".bin", ".bin.index.json", ".pt",   ".pth",
                                           ".ckpt",        ".h5",  ".msgpack",        ".gguf", ".onnx"};
  std::vector<std::string> found;
  for (const std::filesystem::directory_entry& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    const auto ends = [&](std::string_view ending) { return name.ends_with(ending); };
    if (std::any_of(std::begin(kEndings), std::end(kEndings), ends) && name != "training_args.bin")
      found.push_back(name);
  }
  std::sort(found.begin(), found.end(), [](const std::string& a, const std::string& b) {
    return std::pair(!a.ends_with(".safetensors"), a) < std::pair(!b.ends_with(".safetensors"), b);
  });
  if (!found.empty()) return found.front();
  const std::string exported = "onnx/model.onnx";  // where sentence-transformers puts it
  return std::filesystem::exists(directory / exported) ? exported : "";
}

[[noreturn]] void refuse(const std::filesystem::path& directory) {
  const std::string found = other_weights(directory), where = directory.string() + ": ";
  if (found.starts_with("adapter_model."))
    throw Error(where + "has the adapter " + found +
                " alone, expected the whole model: merge_and_unload() of PEFT "
                "makes one.");
  if (found.empty())
    throw Error(where + "has no model.safetensors, no pytorch_model.bin and no index of shards of either.");
  const std::string wanted =
      where + "has " + found + ", expected model.safetensors, pytorch_model.bin or an index of shards of either";
  if (found.ends_with(".safetensors")) throw Error(wanted + ".");
  if (found.ends_with(".onnx")) throw Error(wanted + ": the checkpoint that the ONNX file was exported from has them.");
  throw Error(wanted +
              ", which transformers writes: AutoModel.from_pretrained(DIRECTORY).save_pretrained(DIRECTORY), with the "
              "class that \"architectures\" in config.json names in place of AutoModel to keep a head.");
}

}  // namespace

TensorsByName read_checkpoint_tensors(const std::filesystem::path& directory) {
  std::error_code ignored;
  for (const Form& form : kForms) {
    const std::filesystem::path whole = directory / form.name, index = whole.string() + ".index.json";
    if (std::filesystem::exists(whole, ignored)) return form.read(whole);
    if (std::filesystem::exists(index, ignored)) return read_shards(directory, index, form);
  }
  refuse(directory);
}

}  // namespace octavo

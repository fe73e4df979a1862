// Which safetensors files make up a checkpoint: one, or the shards of an index.
#include "io/mapped_file.h"
#include "io/safetensors.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <set>
#include <utility>
#include <vector>

namespace octavo {
namespace {

using Json = nlohmann::json;
using TensorsByName = std::map<std::string, Tensor, std::less<>>;

/// Parses JSON in which no object has a key twice; the library alone would keep the last one without a word.
Json parse_index(std::string_view text, const std::string& file) {
  std::vector<std::set<std::string>> open;  // keys of the objects around the current position
  const auto check_keys = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) open.emplace_back();
    if (event == Json::parse_event_t::object_end) open.pop_back();
    if (event == Json::parse_event_t::key && !open.back().insert(value.get<std::string>()).second)
      throw Error(file + ": has the key " + value.get<std::string>() + " twice.");
    return true;
  };
  try {
    return Json::parse(text, check_keys);
  } catch (const Json::exception&) {
    throw Error(file + ": is not valid JSON.");
  }
}

/// Shard file name -> the tensors it must hold.
std::map<std::string, std::vector<std::string>> read_index(const std::filesystem::path& path) {
  const std::string file = path.string();
  const MappedFile mapping(path);
  const Json index = parse_index(mapping.bytes(), file);
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

TensorsByName read_shards(const std::filesystem::path& directory, const std::filesystem::path& index) {
  TensorsByName tensors;
  for (const auto& [shard, names] : read_index(index)) {
    SafetensorsFile file = read_safetensors(directory / shard);
    for (const std::string& name : names) {
      const auto found = file.tensors.find(name);
      if (found == file.tensors.end())
        throw Error((directory / shard).string() + ": has no tensor " + name + ", which " + index.filename().string() +
                    " expects there.");
      tensors.emplace(name, std::move(found->second));
    }
  }
  return tensors;
}

}  // namespace

TensorsByName read_checkpoint_tensors(const std::filesystem::path& directory) {
  const std::filesystem::path whole = directory / "model.safetensors";
  const std::filesystem::path index = directory / "model.safetensors.index.json";
  std::error_code ignored;
  if (std::filesystem::exists(whole, ignored)) return read_safetensors(whole).tensors;
  if (std::filesystem::exists(index, ignored)) return read_shards(directory, index);
  throw Error(directory.string() + ": has neither model.safetensors nor model.safetensors.index.json.");
}

}  // namespace octavo

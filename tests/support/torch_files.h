// What torch.save writes, made here: pickles of tensors, in a zip archive or in the form of before PyTorch 1.6.
#pragma once

#include "octavo/tensor.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace octavo::test {

/// A number in little-endian bytes.
inline std::string bytes_of(std::uint64_t value, std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i, value >>= 8) bytes += static_cast<char>(value & 0xff);
  return bytes;
}

// Parts of a pickle
inline std::string pickled(std::int64_t number) { return "J" + bytes_of(static_cast<std::uint64_t>(number), 4); }
inline std::string pickled(std::string_view text) { return "X" + bytes_of(text.size(), 4) + std::string(text); }
inline std::string pickled(const std::vector<std::int64_t>& numbers) {
  std::string tuple = "(";
  for (const std::int64_t number : numbers) tuple += pickled(number);
  return tuple + "t";
}
inline std::string whole(const std::string& pickle) { return "\x80\x02" + pickle + "."; }

/// A tensor over a storage.
struct SavedTensor {
  std::string storage = "0", type = "FloatStorage";
  std::int64_t elements = 6;  ///< of the storage
  std::int64_t first = 0;
  std::vector<std::int64_t> shape = {2, 3}, strides = {3, 1};

  std::string pickle(bool is_old) const {
    return "ctorch._utils\n_rebuild_tensor_v2\n((" + pickled("storage") + "ctorch\n" + type + "\n" + pickled(storage) +
           pickled("cpu") + pickled(elements) + (is_old ? "N" : "") + "tQ" + pickled(first) + pickled(shape) +
           pickled(strides) + "\x89" + "ccollections\nOrderedDict\n)RtR";
  }
};

/// A dictionary as a model's state is one, with its attributes behind it.
inline std::string state_pickle(const std::map<std::string, SavedTensor>& tensors, bool is_old = false) {
  std::string pickle = "ccollections\nOrderedDict\n)Rq\x01(";
  for (const auto& [name, tensor] : tensors) pickle += pickled(name) + tensor.pickle(is_old);
  return whole(pickle + "u}" + pickled("_metadata") + "ccollections\nOrderedDict\n)Rsb");
}

/// Entries that are stored as they are.
inline std::string zip_of(const std::map<std::string, std::string>& entries) {
  std::string archive, directory;
  for (const auto& [name, content] : entries) {
    const std::string sizes = bytes_of(content.size(), 4) + bytes_of(content.size(), 4),
                      common = bytes_of(0, 2) + bytes_of(0, 2) + bytes_of(0, 4) + bytes_of(0, 4) + sizes +
                               bytes_of(name.size(), 2) + bytes_of(0, 2);
    directory += "PK\1\2" + bytes_of(0, 4) + common + bytes_of(0, 10) + bytes_of(archive.size(), 4) + name;
    archive += "PK\3\4" + bytes_of(0, 2) + common + name + content;
  }
  return archive + directory + "PK\5\6" + bytes_of(0, 4) + bytes_of(entries.size(), 2) + bytes_of(entries.size(), 2) +
         bytes_of(directory.size(), 4) + bytes_of(archive.size(), 4) + bytes_of(0, 2);
}

/// Bytes of numbers.
template <typename T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// A zip archive with a pickle and storages by their names.
inline std::string torch_archive(const std::string& pickle, const std::map<std::string, std::string>& storages) {
  std::map<std::string, std::string> entries = {
      {"model/data.pkl", pickle}, {"model/version", "3\n"}, {"model/byteorder", "little"}};
  for (const auto& [name, bytes] : storages) entries["model/data/" + name] = bytes;
  return zip_of(entries);
}

/// A zip archive with these tensors, each in a storage of its own.
inline std::string torch_archive_of(const std::map<std::string, Tensor, std::less<>>& tensors) {
  std::map<std::string, SavedTensor> saved;
  std::map<std::string, std::string> storages;
  for (const auto& [name, tensor] : tensors) {
    SavedTensor& own = saved[name];
    own = {.storage = std::to_string(storages.size()),
           .elements = tensor.elements(),
           .shape = tensor.shape(),
           .strides = tensor.shape()};
    std::int64_t stride = 1;
    for (std::size_t d = own.shape.size(); d-- > 0; stride *= own.shape[d]) own.strides[d] = stride;
    storages[own.storage] = {static_cast<const char*>(tensor.data()), tensor.bytes()};
  }
  return torch_archive(state_pickle(saved), storages);
}

/// The old form; each storage with how many elements it has.
inline std::string old_torch_file(const std::string& pickle,
                                  const std::map<std::string, std::pair<std::int64_t, std::string>>& storages) {
  using namespace std::string_literals;
  std::string keys = "](";
  std::string content;
  for (const auto& [name, storage] : storages) {
    keys += pickled(name);
    content += bytes_of(static_cast<std::uint64_t>(storage.first), 8) + storage.second;
  }
  return whole("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"s) + whole("M\xe9\x03"s) +
         whole("}" + pickled("little_endian") + "\x88s") + pickle + whole(keys + "e") + content;
}

}  // namespace octavo::test

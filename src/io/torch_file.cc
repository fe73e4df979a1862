#include "io/torch_file.h"

#include "io/foreign_content.h"
#include "io/mapped_file.h"
#include "io/pickle.h"
#include "io/zip.h"

#include "octavo/error.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace octavo {
namespace {

using Kind = PickleValue::Kind;
using Tensors = std::map<std::string, Tensor, std::less<>>;
using Storages = std::map<std::string, std::string_view, std::less<>>;

std::uint64_t bytes_of(const PickleValue& storage) {
  std::uint64_t bytes = size_of(storage.dtype);
  return __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(storage.number), &bytes) ? ~std::uint64_t{0} : bytes;
}

/// One file of either form.
class TorchFile {
 public:
  explicit TorchFile(const std::filesystem::path& path)
      : file_(path.string()), mapping_(std::make_shared<const MappedFile>(path)) {}

  Tensors tensors() {
    const std::string_view bytes = mapping_->bytes();
    if (bytes.starts_with("PK")) return of_archive(bytes);
    if (bytes.starts_with("\x80")) return of_pickles(bytes);
    const std::string found = foreign_content(bytes);
    fail((found.empty() ? "is no file of torch.save" : found) +
         ", expected a zip archive or a pickle, which torch.save writes");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error(file_ + ": " + what + "."); }

  /// "NAME/data.pkl", and "NAME/data/KEY" for each storage.
  Tensors of_archive(std::string_view bytes) const {
    const Storages entries = read_zip(bytes, file_);
    constexpr std::string_view kPickle = "data.pkl";
    const auto names_pickle = [&](const auto& entry) {
      return entry.first == kPickle || entry.first.ends_with("/" + std::string(kPickle));
    };
    const auto pickle = std::find_if(entries.begin(), entries.end(), names_pickle);
    if (pickle == entries.end()) fail("is a zip archive without a data.pkl, expected one of torch.save");
    const std::string folder = pickle->first.substr(0, pickle->first.size() - kPickle.size());
    if (const auto order = entries.find(folder + "byteorder"); order != entries.end() && order->second != "little")
      fail("has numbers in another byte order, expected little");
    const Pickle read = read_pickle(pickle->second, file_);
    return tensors_of(*read.result, [&](const PickleValue& storage) {
      const auto found = entries.find(folder + "data/" + storage.text);
      if (found == entries.end()) fail("has no storage " + storage.text + ", of which its pickle speaks");
      return found->second;
    });
  }

  /// A magic number, a version, facts about the machine, the dictionary, the names of storages; then each as the number
  /// of its elements and their bytes.
  Tensors of_pickles(std::string_view bytes) const {
    constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
    constexpr std::int64_t kVersion = 1001;
    const auto next = [&] {
      Pickle pickle = read_pickle(bytes, file_);
      bytes.remove_prefix(pickle.bytes);
      return pickle;
    };
    if (next().result->text != kMagic)
      fail("is a pickle, expected one of torch.save, which begins with its magic number");
    if (next().result->number != kVersion) fail("is of another version of torch.save, expected 1001");
    const Pickle machine = next();
    for (std::size_t i = 0; machine.result->kind == Kind::dictionary && i + 1 < machine.result->items.size(); i += 2) {
      if (machine.result->items[i]->text == "little_endian" && machine.result->items[i + 1]->number == 0)
        fail("has numbers in another byte order, expected little");
    }
    const Pickle read = next(), keys = next();
    std::map<std::string, std::size_t, std::less<>> sizes;  // by storage, of an element
    for (const PickleValue& value : read.values) {
      if (value.kind == Kind::storage) sizes[value.text] = size_of(value.dtype);
    }
    Storages storages;
    for (const PickleValue* key : keys.result->items) {
      const auto size = sizes.find(key->text);
      if (size == sizes.end()) fail("has a storage " + key->text + ", of which its pickle does not speak");
      std::uint64_t count = 0, length = 0;
      if (bytes.size() >= sizeof count) std::memcpy(&count, bytes.data(), sizeof count);
      if (bytes.size() < sizeof count || __builtin_mul_overflow(count, size->second, &length) ||
          length > bytes.size() - sizeof count)
        fail("ends within the storage " + key->text);
      storages[key->text] = bytes.substr(sizeof count, length);
      bytes.remove_prefix(sizeof count + length);
    }
    return tensors_of(*read.result, [&](const PickleValue& storage) {
      const auto found = storages.find(storage.text);
      if (found == storages.end()) fail("has no storage " + storage.text + ", of which its pickle speaks");
      return found->second;
    });
  }

  Tensors tensors_of(const PickleValue& dictionary,
                     const std::function<std::string_view(const PickleValue&)>& bytes_of_storage) const {
    if (dictionary.kind != Kind::dictionary) fail("holds no dictionary, expected one of tensors by their names");
    Tensors result;
    for (std::size_t i = 0; i + 1 < dictionary.items.size(); i += 2) {
      const PickleValue &key = *dictionary.items[i], &value = *dictionary.items[i + 1];
      if (key.kind != Kind::text) fail("has a tensor whose name is no text");
      if (value.kind != Kind::tensor) fail("holds something else than a tensor under " + key.text);
      const PickleValue& storage = *value.items[0];
      const std::string_view bytes = bytes_of_storage(storage);
      if (bytes.size() < octavo::bytes_of(storage))
        fail("has " + std::to_string(bytes.size()) + " bytes in storage " + storage.text + ", expected " +
             std::to_string(storage.number) + " elements of " + std::string(name_of(storage.dtype)));
      result.insert_or_assign(key.text, tensor(key.text, value, bytes));
    }
    return result;
  }

  /// A view of the file, or a copy where elements do not lie in order or not where they can be read.
  Tensor tensor(const std::string& name, const PickleValue& value, std::string_view bytes) const {
    const PickleValue& storage = *value.items[0];
    std::int64_t count = 1, in_order = 1, last = value.number;
    bool is_in_order = true;
    for (std::size_t i = value.shape.size(); i-- > 0;) {
      const std::int64_t size = value.shape[i], stride = value.strides[i];
      std::int64_t reach = 0;
      if (__builtin_mul_overflow(count, size, &count) || count > storage.number ||
          __builtin_mul_overflow(std::max<std::int64_t>(size - 1, 0), stride, &reach) ||
          __builtin_add_overflow(last, reach, &last))
        fail("tensor " + name + " has more elements than its storage");
      is_in_order = is_in_order && (size <= 1 || stride == in_order);
      in_order *= size;
    }
    if (count > 0 && last >= storage.number) fail("tensor " + name + " reaches beyond its storage");
    const std::size_t width = size_of(storage.dtype);
    const char* first = bytes.data() + (count > 0 ? static_cast<std::size_t>(value.number) * width : 0);
    if (is_in_order && reinterpret_cast<std::uintptr_t>(first) % width == 0)
      return {storage.dtype, value.shape, mapping_, first};
    const auto copy = std::make_shared<Tensor>(storage.dtype, value.shape);
    auto* to = const_cast<char*>(static_cast<const char*>(copy->data()));
    std::vector<std::int64_t> index(value.shape.size(), 0);
    for (std::int64_t i = 0; i < count; ++i, to += width) {
      std::int64_t element = 0;
      for (std::size_t d = 0; d < index.size(); ++d) element += index[d] * value.strides[d];
      std::memcpy(to, first + static_cast<std::size_t>(element) * width, width);
      for (std::size_t d = index.size(); d-- > 0 && ++index[d] == value.shape[d];) index[d] = 0;
    }
    return *copy;
  }

  const std::string file_;
  const std::shared_ptr<const MappedFile> mapping_;
};

}  // namespace

Tensors read_torch_file(const std::filesystem::path& file) { return TorchFile(file).tensors(); }

}  // namespace octavo

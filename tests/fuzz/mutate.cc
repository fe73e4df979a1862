#include "tests/fuzz/mutate.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace octavo::fuzz {
namespace {

using nlohmann::json;

constexpr std::size_t kLengthBytes = 8, kLargestTree = std::size_t{1} << 18;

/// Strings that hold objects, as those of a model file's header do, become these objects.
void unwrap(json& value) {
  if (value.is_structured()) {
    for (json& child : value) unwrap(child);
  } else if (value.is_string() && value.get_ref<const std::string&>().starts_with('{')) {
    json inner = json::parse(value.get_ref<const std::string&>(), nullptr, false);
    if (inner.is_object()) value = {{"\x01", std::move(inner)}};
  }
}

void wrap(json& value) {
  if (!value.is_structured()) return;
  if (value.is_object() && value.size() == 1 && value.contains("\x01")) {
    value = value["\x01"].dump(-1, ' ', false, json::error_handler_t::replace);
    return;
  }
  for (json& child : value) wrap(child);
}

void collect(json& value, std::vector<json*>& all) {
  all.push_back(&value);
  if (!value.is_structured()) return;
  for (json& child : value) collect(child, all);
}

json another_number(const json& number, Random& random) {
  static const json kEdges[] = {0,      1,        -1,         2,          3,         7,         31,        32,
                                33,     63,       64,         65,         127,       128,       255,       256,
                                8192,   8193,     32767,      32768,      65535,     65536,     1 << 24,   2147483647,
                                -32769, -1 << 30, 4294967295, 2147483648, 1LL << 50, INT64_MAX, INT64_MIN, UINT64_MAX,
                                0.5,    -0.0,     1e-30,      1e30,       1e308,     0.99999,   -0.03,     1.0000001};
  if (one_of(random, 2) == 0) return kEdges[one_of(random, std::size(kEdges))];
  const auto step = static_cast<double>(one_of(random, 3)) - 1.0;
  if (number.is_number_float()) return number.get<double>() * (one_of(random, 2) == 0 ? 2.0 : 0.5) + step;
  const auto value = number.get<std::int64_t>();
  return one_of(random, 2) == 0 ? json(value / 2)
                                : json(static_cast<std::int64_t>(static_cast<std::uint64_t>(value) + 1));
}

void change(json& value, const json& other, Random& random) {
  if (value.is_number() && one_of(random, 4) != 0) {
    value = another_number(value, random);
  } else if (value.is_boolean()) {
    value = !value.get<bool>();
  } else if (value.is_string() && one_of(random, 2) == 0) {
    value = mutate_bytes(value.get_ref<const std::string&>(), value.get_ref<const std::string&>().size() + 8);
  } else if (value.is_array() && !value.empty() && one_of(random, 3) != 0) {
    const auto child = value.begin() + static_cast<std::ptrdiff_t>(one_of(random, value.size()));
    if (one_of(random, 2) == 0) {
      value.erase(child);
    } else {
      const json copy = *child;
      value.insert(child, copy);
    }
  } else if (value.is_object() && !value.empty() && one_of(random, 3) != 0) {
    value.erase(std::next(value.begin(), static_cast<std::ptrdiff_t>(one_of(random, value.size()))));
  } else {
    value = other;
  }
}

}  // namespace

std::string mutate_bytes(std::string_view bytes, std::size_t most) {
  std::string result(bytes.substr(0, most));
  const std::size_t size = result.size();
  result.resize(std::max(most, std::size_t{1}));
  result.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(result.data()), size, result.size()));
  return result;
}

std::string mutate_json(std::string_view text, Random& random, std::size_t most) {
  json tree = text.size() > kLargestTree ? json(json::value_t::discarded) : json::parse(text, nullptr, false);
  if (tree.is_discarded()) return mutate_bytes(text, most);
  unwrap(tree);
  for (std::size_t changes = 1 + one_of(random, 2); changes > 0; --changes) {
    std::vector<json*> all;
    collect(tree, all);
    const json other = *all[one_of(random, all.size())];
    if (other.is_structured() && other.size() > 64) continue;
    change(*all[one_of(random, all.size())], other, random);
  }
  wrap(tree);
  const std::string result = tree.dump(-1, ' ', false, json::error_handler_t::replace);
  return result.size() <= most ? result : mutate_bytes(text, most);
}

std::string mutate_safetensors(std::string_view file, Random& random, std::size_t most) {
  if (file.size() < kLengthBytes || one_of(random, 16) == 0) return mutate_bytes(file, most);
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  const std::string_view rest = file.substr(kLengthBytes);
  std::string header(rest.substr(0, length)), data(rest.substr(std::min<std::uint64_t>(length, rest.size())));
  const std::size_t room = most - kLengthBytes - data.size();
  switch (one_of(random, 4)) {
    case 0:
      header = mutate_bytes(header, std::min(room, header.size() + 64));
      break;
    case 1:
      for (std::size_t i = 1 + one_of(random, 4); i > 0 && !data.empty(); --i) {
        data[one_of(random, data.size())] = static_cast<char>(random());
      }
      break;
    default:
      header = mutate_json(header, random, room);
  }
  length = header.size();
  std::string result(kLengthBytes, '\0');
  std::memcpy(result.data(), &length, kLengthBytes);
  return result + header + data;
}

std::size_t give_back(std::string_view mutated, std::uint8_t* data, std::size_t most) {
  const std::size_t size = std::min(mutated.size(), most);
  std::memcpy(data, mutated.data(), size);
  return size;
}

}  // namespace octavo::fuzz

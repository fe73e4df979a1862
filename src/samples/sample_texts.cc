// The texts that octavo brings along, in an order in which the first few are as mixed as all.
#include "samples/text_file.h"

#include "octavo/samples.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>

namespace octavo {
namespace {

std::vector<std::string> texts_of(std::string_view file) {
  while (file.ends_with('\n')) file.remove_suffix(1);
  std::vector<std::string> texts;
  for (std::size_t begin = 0; begin < file.size();) {
    const std::size_t end = std::min(file.find("\n\n", begin), file.size());
    texts.emplace_back(file.substr(begin, end - begin));
    begin = end + 2;
  }
  return texts;
}

/// Sorts by multiples of the golden ratio, modulo 1: the first few, however many, then lie evenly over the list.
std::vector<std::string> mixed(std::vector<std::string> texts) {
  std::vector<std::uint32_t> order(texts.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, {}, [](std::uint32_t i) { return i * 0x9E3779B9u; });
  std::vector<std::string> result;
  for (const std::uint32_t i : order) result.push_back(std::move(texts[i]));
  return result;
}

}  // namespace

std::span<const std::string> sample_texts() {
  static const std::vector<std::string> texts = mixed(texts_of(kTextFile));
  return texts;
}

}  // namespace octavo

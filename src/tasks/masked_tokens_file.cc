// Masked tokens that were chosen elsewhere, so that several engines can be asked the same.
#include "io/safetensors.h"

#include "octavo/error.h"
#include "octavo/masking.h"

#include <algorithm>
#include <limits>
#include <string>

namespace octavo {
namespace {

class MasksFile {
 public:
  explicit MasksFile(const std::filesystem::path& file) : where_(file.string()), file_(read_safetensors(file)) {
    for (const auto& [name, tensor] : file_.tensors) {
      if (name != "input_ids" && name != "labels" && name != "token_type_ids" && name != "attention_mask")
        fail(name, "is not known", "input_ids, labels, token_type_ids and attention_mask");
    }
    const Tensor::Shape& shape = tensor("input_ids").shape();
    if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1) fail("input_ids", "has no sequences", "[sequences, tokens]");
  }

  std::vector<MaskedTokens> read() const {
    const std::vector<std::int32_t> ids = integers("input_ids"), labels = integers("labels"),
                                    types = optional("token_type_ids"), mask = optional("attention_mask");
    const auto length = static_cast<std::size_t>(tensor("input_ids").columns());
    std::vector<MaskedTokens> result;
    for (std::size_t first = 0; first < ids.size(); first += length) {
      const std::size_t tokens = mask.empty() ? length : unpadded(std::span(mask).subspan(first, length));
      const auto part = [&](const std::vector<std::int32_t>& all) {
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
        return std::vector(begin, begin + static_cast<std::ptrdiff_t>(tokens));
      };
      MaskedTokens& masked = result.emplace_back();
      masked.tokens.ids = part(ids);
      masked.labels = part(labels);
      const auto behind = std::span(labels).subspan(first + tokens, length - tokens);
      if (std::ranges::any_of(behind, [](std::int32_t label) { return label != kNoLabel; }))
        fail("labels", "asks for tokens that attention_mask leaves out", std::to_string(kNoLabel) + " there");
      if (!types.empty()) masked.tokens.type_ids = part(types);
    }
    return result;
  }

 private:
  [[noreturn]] void fail(const std::string& name, const std::string& found, const std::string& expected) const {
    throw Error(where_ + ": tensor " + name + " " + found + ", expected " + expected);
  }

  const Tensor& tensor(const std::string& name) const {
    const auto found = file_.tensors.find(name);
    if (found == file_.tensors.end()) fail(name, "is missing", "input_ids and labels");
    return found->second;
  }

  std::vector<std::int32_t> optional(const std::string& name) const {
    return file_.tensors.contains(name) ? integers(name) : std::vector<std::int32_t>();
  }

  std::vector<std::int32_t> integers(const std::string& name) const {
    const Tensor& values = tensor(name);
    if (values.shape() != tensor("input_ids").shape()) fail(name, "has another shape than input_ids", "the same");
    if (values.dtype() == DType::s32) return {values.as<std::int32_t>().begin(), values.as<std::int32_t>().end()};
    if (values.dtype() != DType::s64) fail(name, "is " + std::string(name_of(values.dtype())), "I32 or I64");
    std::vector<std::int32_t> result;
    result.reserve(values.as<std::int64_t>().size());
    for (const std::int64_t value : values.as<std::int64_t>()) {
      using Limits = std::numeric_limits<std::int32_t>;
      if (value < Limits::min() || value > Limits::max()) fail(name, "has " + std::to_string(value), "32-bit integers");
      result.push_back(static_cast<std::int32_t>(value));
    }
    return result;
  }

  std::size_t unpadded(std::span<const std::int32_t> mask) const {
    const auto end = std::ranges::find(mask, 0);
    const bool only_behind = std::all_of(end, mask.end(), [](std::int32_t x) { return x == 0; });
    const bool only_ones = std::all_of(mask.begin(), end, [](std::int32_t x) { return x == 1; });
    if (!only_behind || !only_ones || end == mask.begin())
      fail("attention_mask", "is not a row of ones and then zeros", "padding behind a sequence's tokens");
    return static_cast<std::size_t>(end - mask.begin());
  }

  std::string where_;
  SafetensorsFile file_;
};

}  // namespace

std::vector<MaskedTokens> read_masked_tokens(const std::filesystem::path& file) { return MasksFile(file).read(); }

}  // namespace octavo

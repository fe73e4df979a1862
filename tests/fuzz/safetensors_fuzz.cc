// Any bytes are a safetensors file whose tensors can be read, or an Error.
#include "io/safetensors.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

#include "octavo/error.h"

using namespace octavo;

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  fuzz::Random random(seed);
  return fuzz::give_back(fuzz::mutate_safetensors(fuzz::as_text(data, size), random, most), data, most);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::MemoryFile file(fuzz::as_text(data, size));
  try {
    const SafetensorsFile read = read_safetensors(file.path());
    for (const auto& [name, tensor] : read.tensors) {
      std::size_t sum = 0;
      const auto* bytes = static_cast<const unsigned char*>(tensor.data());
      for (std::size_t i = 0; i < tensor.bytes(); ++i) sum += bytes[i];
      fuzz::expect(sum <= 255 * tensor.bytes(), "a tensor's bytes can be read");
      fuzz::expect(tensor.bytes() <= size, "a tensor lies in its file");
      const DType type = tensor.dtype();
      if (type == DType::f32 || type == DType::f16 || type == DType::bf16)
        fuzz::expect(f32_values(tensor, name).size() == static_cast<std::size_t>(tensor.elements()),
                     "a tensor has as many values as elements");
    }
  } catch (const Error&) {
  }
  return 0;
}

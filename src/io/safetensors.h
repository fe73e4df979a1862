// Reads and writes safetensors files: a length, a JSON header, the bytes.
#pragma once

#include "io/mapped_file.h"

#include "octavo/tensor.h"

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// A safetensors file in memory: tensors are views that keep it there.
struct SafetensorsFile {
  std::map<std::string, Tensor, std::less<>> tensors;
  std::map<std::string, std::string, std::less<>> metadata;  ///< the header's __metadata__
};

/// Maps or reads a file and checks it: header length and JSON, dtypes, shapes, offsets in bounds, without gaps or
/// overlaps, sizes that agree. Throws Error naming the file, the tensor, what was found and what was expected. Tensor
/// data whose offset is not aligned to its element size is copied.
SafetensorsFile read_safetensors(const std::filesystem::path& file, FileBytes where = FileBytes::mapped);

/// Writes tensors and metadata under a temporary name in the same directory, syncs, and renames: the file is whole or
/// absent. The header is padded so that data starts 64-byte aligned; tensors whose size is a multiple of 64 come first,
/// so that they are aligned when the file is mapped. Throws Error on any failure and leaves no temporary file.
void write_safetensors(const std::filesystem::path& file, const std::map<std::string, Tensor, std::less<>>& tensors,
                       const std::map<std::string, std::string, std::less<>>& metadata);

/// The tensors of a checkpoint directory: model.safetensors, or the shards that model.safetensors.index.json names
/// (every shard must exist and hold what the index says); else the same of pytorch_model.bin. Errors as
/// read_safetensors and read_torch_file.
std::map<std::string, Tensor, std::less<>> read_checkpoint_tensors(const std::filesystem::path& directory);

/// Throws Error naming `name` and the element when one is NaN or infinite, or when the dtype is not f32, f16 or bf16.
void require_finite(const Tensor& tensor, std::string_view name);

/// The tensor as f32: itself when it is, else converted exactly from f16 or bf16. Throws Error as require_finite does.
Tensor to_f32(const Tensor& tensor, std::string_view name);

/// The same values in a vector.
std::vector<float> f32_values(const Tensor& tensor, std::string_view name);

}  // namespace octavo

// Reads what torch.save writes of a model: pytorch_model.bin.
#pragma once

#include "octavo/tensor.h"

#include <filesystem>
#include <map>
#include <string>

namespace octavo {

/// The tensors of a dictionary that torch.save wrote, as a zip archive or in the form of before PyTorch 1.6; views of
/// the mapped file where they lie as they are read. Nothing of the file is executed. Throws Error naming the file and
/// what it holds in place of tensors.
std::map<std::string, Tensor, std::less<>> read_torch_file(const std::filesystem::path& file);

}  // namespace octavo

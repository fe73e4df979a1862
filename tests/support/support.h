// What all tests share: Catch2 of either major version, and where data lies.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

#include <filesystem>
#include <optional>
#include <string>

namespace octavo::test {

/// The project's folder.
std::filesystem::path source_dir();

/// The checkpoint that ships with the project.
inline std::filesystem::path shipped_model() { return source_dir() / "models/pretrained/all-MiniLM-L6-v2-gated"; }

/// A file of the data shared between the project's developers, or nothing where it is absent: the test then says that
/// it skips, and why.
inline std::optional<std::filesystem::path> shared_data(const std::string& relative) {
  const std::filesystem::path path = source_dir() / "../shared/data" / relative;
  if (std::filesystem::exists(path)) return path;
  WARN("SKIPPED: " << relative << " of the shared data is not on this machine");
  return {};
}

}  // namespace octavo::test

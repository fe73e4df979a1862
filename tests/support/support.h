// What all tests share: Catch2 of either major version, where things lie, and how a test says that it skips.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>

#include <string>

namespace Catch {  // the names of version 2, which the tests use
using Matchers::StartsWith;
inline auto Contains(const std::string& text) { return Matchers::ContainsSubstring(text); }
}  // namespace Catch
using Catch::Approx;
#else
#include <catch2/catch.hpp>

#include <string>
#endif

#include "octavo/error.h"

#include <filesystem>
#include <optional>

namespace octavo::test {

/// The project's folder, and the one that it is built in.
std::filesystem::path source_dir();
std::filesystem::path build_dir();

/// Says that a test is not run, and why. A program all of whose other tests pass then ends with the exit code that
/// CTest reports as a skip; a failure stays a failure. For use by whoever then returns from the test.
void skip(const std::string& what);

/// The message of the Error that the statement throws; "no Error" when it throws none.
std::string refusal(const auto& statement) {
  try {
    statement();
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

/// The checkpoints that ship with the project.
inline std::filesystem::path shipped_model() { return source_dir() / "models/pretrained/all-MiniLM-L6-v2-gated"; }
inline std::filesystem::path shipped_vit() { return source_dir() / "models/pretrained/deit-tiny-patch16-224-gated"; }

/// A file of the data shared between the project's developers. Nothing where it is absent; the test has then been
/// skipped, and returns.
std::optional<std::filesystem::path> shared_data(const std::string& relative);

/// A checkpoint by its name, shipped or shared. A shared one that is stored in parts is put together in the build
/// folder, once. Nothing where it is absent; the test has then been skipped, and returns.
std::optional<std::filesystem::path> find_model(const std::string& name);

/// A file NAME.EXTENSION of golden/ of the shared data, and the checkpoint of the same name.
struct GoldenModel {
  std::filesystem::path checkpoint, golden;
};
std::optional<GoldenModel> find_golden_model(const std::string& name, const std::string& extension = ".safetensors");

}  // namespace octavo::test

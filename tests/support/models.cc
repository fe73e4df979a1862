// Finds the trained models and the files that tests compare with.
#include "tests/support/support.h"

#include <cstdlib>
#include <unistd.h>
#include <utility>

namespace octavo::test {
namespace {

namespace fs = std::filesystem;

fs::path shared_folder() { return source_dir() / "../shared/data"; }

/// Puts the parts of a checkpoint together, unless another test has. Under a name of its own first: tests run side by
/// side.
fs::path assembled(const std::string& name) {
  const fs::path folder = build_dir() / "models", target = folder / name;
  if (fs::exists(target)) return target;
  const fs::path own = folder / ("assembling-" + std::to_string(::getpid()));
  const std::string command =
      "python3 '" + (shared_folder() / "assemble.py").string() + "' '" + own.string() + "' '" + name + "' >/dev/null";
  REQUIRE(std::system(command.c_str()) == 0);
  std::error_code taken;
  fs::rename(own / name, target, taken);
  fs::remove_all(own);
  REQUIRE(fs::exists(target));
  return target;
}

}  // namespace

std::optional<fs::path> shared_data(const std::string& relative) {
  const fs::path path = shared_folder() / relative;
  if (fs::exists(path)) return path;
  skip(relative + " of the shared data is not on this machine");
  return {};
}

std::optional<fs::path> find_model(const std::string& name) {
  for (const fs::path& folder : {source_dir() / "models/pretrained", shared_folder() / "models"}) {
    if (fs::exists(folder / name)) return folder / name;
  }
  if (fs::exists(shared_folder() / "parts" / name)) return assembled(name);
  skip("the model " + name + " is not on this machine");
  return {};
}

std::optional<GoldenModel> find_golden_model(const std::string& name, const std::string& extension) {
  // the project ships this one under a shorter name
  const auto checkpoint = name == "all-MiniLM-L6-v2-gated-linear" ? shipped_model() : find_model(name);
  const auto golden = shared_data("golden/" + name + extension);
  if (!checkpoint || !golden) return {};
  return GoldenModel{.checkpoint = *checkpoint, .golden = *golden};
}

}  // namespace octavo::test

#include "octavo/session.h"

#include <utility>

namespace octavo {

Session::Session(Model model, const SessionOptions& options)
    : engine_(std::make_shared<const Engine>(std::move(model), EngineOptions{.isa = options.isa})),
      workspace_({.threads = options.threads}) {}

Session::Session(const std::filesystem::path& model, const SessionOptions& options)
    : Session(Model::open(model), options) {}

Session::Session(const Session& other) : engine_(other.engine_), workspace_({.threads = other.workspace_.threads()}) {}

Session& Session::operator=(const Session& other) {
  if (this != &other) *this = Session(other);
  return *this;
}

}  // namespace octavo

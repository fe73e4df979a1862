// A model ready to run for one caller: what TextEncoder, ImageClassifier and TextGenerator are made of.
#pragma once

#include "octavo/engine.h"

#include <filesystem>
#include <memory>
#include <string>

namespace octavo {

/// What a session runs on.
struct SessionOptions {
  int threads = 0;       ///< as WorkspaceOptions::threads; 0: the cores that this process may use
  std::string isa = "";  ///< as EngineOptions::isa; empty: the best instruction set of this machine
};

/// An engine, and the threads and buffers of one caller: not for concurrent calls. A copy shares the model and has
/// threads and buffers of its own, so give each concurrent caller one.
class Session {
 public:
  /// Opens a .octavo file or a checkpoint directory. Throws Error as Model::open(), Engine and Workspace do.
  explicit Session(const std::filesystem::path& model, const SessionOptions& options = {});

  /// Takes a model that is open already.
  explicit Session(Model model, const SessionOptions& options = {});

  /// Shares the engine and makes threads and buffers of its own.
  Session(const Session& other);
  Session& operator=(const Session& other);
  Session(Session&&) noexcept = default;
  Session& operator=(Session&&) noexcept = default;

  /// Gives the engine, which copies share, and its model.
  const Engine& engine() const { return *engine_; }
  const Model& model() const { return engine_->model(); }

  /// Gives the threads and buffers, which are this session's alone.
  Workspace& workspace() { return workspace_; }

 private:
  std::shared_ptr<const Engine> engine_;
  Workspace workspace_;
};

}  // namespace octavo

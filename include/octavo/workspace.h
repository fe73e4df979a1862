// The buffers and threads that one caller brings to its runs.
#pragma once

#include <memory>
#include <string>

namespace octavo {

/// What a caller brings to its runs.
struct WorkspaceOptions {
  int threads = 0;       ///< 0: the cores that affinity and cgroup quota allow (default_threads())
  bool profile = false;  ///< note how long each op takes, for Engine::take_profile()
};

/// How long one op of the graph took, all its runs together.
struct OpTime {
  std::string op,
      name;  ///< "QkvProduct", "encoder.layer.0.attention.self.query": what Model::summary() lists, in that order
  double seconds = 0.0;  ///< wall time
};

/// Buffers and threads of one caller. Not shared between concurrent runs.
class Workspace {
 public:
  explicit Workspace(const WorkspaceOptions& options = {});
  ~Workspace();
  Workspace(Workspace&&) noexcept;
  Workspace& operator=(Workspace&&) noexcept;

  /// Threads that run work for it, the caller's included.
  int threads() const;

  struct Data;  // src/runtime/workspace.h
  Data& data() { return *data_; }

 private:
  std::unique_ptr<Data> data_;
};

}  // namespace octavo

// The buffers and threads that one caller brings to its runs.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace octavo {

/// What a caller brings to its runs.
struct WorkspaceOptions {
  int threads = 0;       ///< 0: the cores that affinity and cgroup quota allow (default_threads())
  bool profile = false;  ///< note how long each op takes, for take_profile()
};

/// How long one op of the graph took, all its runs together.
struct OpTime {
  std::string op;        ///< "QkvProduct", ... as Model::summary() lists it
  std::string name;      ///< "encoder.layer.0.attention.self.query", ... as Model::summary() lists it
  double seconds = 0.0;  ///< wall time
};

/// Buffers and threads of one caller. Not shared between concurrent runs.
class Workspace {
 public:
  /// Starts the threads. Throws Error when options.threads is negative.
  explicit Workspace(const WorkspaceOptions& options = {});
  ~Workspace();
  Workspace(Workspace&&) noexcept;
  Workspace& operator=(Workspace&&) noexcept;

  /// Counts the threads that run work for it, the caller's included.
  int threads() const;

  /// Gives what each op has taken in runs with this workspace since the last call, in the order of the graph, and
  /// forgets it. Empty unless WorkspaceOptions::profile was set. The runs between two calls must be of one engine.
  std::vector<OpTime> take_profile();

  struct Data;

 private:
  friend struct Access;
  std::unique_ptr<Data> data_;
};

}  // namespace octavo

// What stands behind the opaque pointers.
#pragma once

#include "c/guard.h"

#include "octavo/engine.h"
#include "octavo/workspace.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

struct octavo_model {
  explicit octavo_model(octavo::Engine engine);

  const octavo::Engine engine;
  std::atomic<int> owners = 1;
  std::vector<const char*> labels;  // into the model's own
  std::once_flag described;
  std::string info;
};

struct octavo_session {
  octavo_session(octavo_model& of, int threads) : workspace({.threads = threads}), model(*octavo_model_retain(&of)) {}
  ~octavo_session() { octavo_model_release(&model); }
  octavo_session(const octavo_session&) = delete;
  octavo_session& operator=(const octavo_session&) = delete;

  octavo::Workspace workspace;
  octavo_model& model;
  std::atomic<bool> busy = false;
};

namespace octavo::c {

/// Texts one behind the other, as Arrow has them.
struct Strings {
  std::string bytes;
  std::vector<std::int64_t> offsets = {0};

  void add(std::string_view text) {
    bytes += text;
    offsets.push_back(static_cast<std::int64_t>(bytes.size()));
  }
};

/// A session in one call's hands. Throws InvalidArgument when another call has it.
class InUse {
 public:
  explicit InUse(octavo_session& session) : session_(session) {
    if (session.busy.exchange(true))
      throw InvalidArgument("session is in use by another thread, expected one of its own");
  }
  ~InUse() { session_.busy = false; }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;

  const Engine& engine() const { return session_.model.engine; }
  const Model& model() const { return engine().model(); }
  Workspace& workspace() const { return session_.workspace; }

 private:
  octavo_session& session_;
};

/// Runs the body of a function of a session.
template <typename Body>
octavo_status guarded_run(octavo_session* session, Body&& body) noexcept {
  return guarded([&] {
    const InUse use(require(session, "session"));
    body(use);
  });
}

}  // namespace octavo::c

struct octavo_result {
  std::vector<std::int64_t> offsets = {0};
  std::vector<std::int32_t> ids, starts, ends;
  std::vector<float> scores, vectors;
  std::size_t columns = 0;
  octavo::c::Strings labels, texts;

  /// Ends an input after so many rows in all.
  void end_input(std::size_t rows) { offsets.push_back(static_cast<std::int64_t>(rows)); }
};

struct octavo_report {
  std::string json, text, html;
};

namespace octavo::c {

/// Runs the body of a function that gives a result, which the caller gets when it is whole.
template <typename Body>
octavo_status guarded_result(octavo_session* session, octavo_result** result, Body&& body) noexcept {
  return guarded_run(session, [&](const InUse& use) {
    require(result, "result") = nullptr;
    auto made = std::make_unique<octavo_result>();
    body(use, *made);
    *result = made.release();
  });
}

}  // namespace octavo::c

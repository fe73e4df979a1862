// The wall between C and C++: what a body throws becomes a status and this thread's message.
#pragma once

#include "octavo/octavo.h"

#include <stdexcept>
#include <string>
#include <utility>

namespace octavo::c {

/// An argument is wrong; the message begins with its name.
class InvalidArgument : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class NotFound : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A callback asked for the end.
class Cancelled {};

/// Tells which status the exception that is being handled stands for, and keeps its message for this thread.
octavo_status failure() noexcept;

/// Runs the body of a function.
template <typename Body>
octavo_status guarded(Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
    return OCTAVO_OK;
  } catch (...) {
    return failure();
  }
}

/// Throws InvalidArgument for NULL.
template <typename T>
T& require(T* pointer, const char* name) {
  if (pointer == nullptr) throw InvalidArgument(std::string(name) + " is NULL");
  return *pointer;
}

}  // namespace octavo::c

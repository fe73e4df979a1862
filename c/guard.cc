#include "c/guard.h"

#include "cli/options.h"

#include "octavo/error.h"

#include <new>

namespace octavo::c {
namespace {

thread_local std::string message;

octavo_status keep(octavo_status status, const char* what) noexcept {
  try {
    message = what;
  } catch (...) {
    message.clear();  // no memory for it
  }
  return status;
}

}  // namespace

octavo_status failure() noexcept {
  try {
    throw;
  } catch (const InvalidArgument& error) {
    return keep(OCTAVO_INVALID_ARGUMENT, error.what());
  } catch (const tools::UsageError& error) {
    return keep(OCTAVO_INVALID_ARGUMENT, error.what());
  } catch (const NotFound& error) {
    return keep(OCTAVO_NOT_FOUND, error.what());
  } catch (const Cancelled&) {
    return keep(OCTAVO_CANCELLED, "cancelled");
  } catch (const Error& error) {
    return keep(OCTAVO_ERROR, error.what());
  } catch (const std::bad_alloc&) {
    return keep(OCTAVO_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return keep(OCTAVO_INTERNAL, error.what());
  } catch (...) {
    return keep(OCTAVO_INTERNAL, "something that is no exception of C++ was thrown");
  }
}

}  // namespace octavo::c

const char* octavo_last_error() { return octavo::c::message.c_str(); }

// Memory and threads of a Workspace.
#include "runtime/workspace.h"

#include "graph/op_facts.h"

#include "octavo/error.h"
#include "octavo/system.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <utility>

namespace octavo {
namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

void Buffer::Free::operator()(void* p) const { std::free(p); }

void* Buffer::reserve(std::size_t bytes) {
  if (data_ && bytes <= bytes_) return data_.get();
  if (bytes > PTRDIFF_MAX) throw std::bad_alloc();
  // Large buffers are made of whole huge pages: their rows then need few entries of the address translation cache.
  const bool large = bytes >= 2 * kHugePage;
  const std::size_t unit = large ? kHugePage : kCacheLine;
  const std::size_t size = bytes == 0 ? unit : round_up(bytes, unit);
  data_.reset();  // first, so that the old and the new memory are never held together
  bytes_ = 0;
  data_.reset(std::aligned_alloc(unit, size));
  if (!data_) throw std::bad_alloc();
  if (large) ::madvise(data_.get(), size, MADV_HUGEPAGE);  // advice only: where it is refused, small pages do
  std::memset(data_.get(), 0, size);
  bytes_ = size;
  return data_.get();
}

Workspace::Workspace(const WorkspaceOptions& options) {
  if (options.threads < 0)
    throw Error("WorkspaceOptions::threads is " + std::to_string(options.threads) +
                ", expected a positive number, or 0 for the cores that this process may use.");
  data_ = std::make_unique<Data>(options.threads == 0 ? default_threads() : options.threads, options.profile);
}

Workspace::~Workspace() = default;
Workspace::Workspace(Workspace&&) noexcept = default;
Workspace& Workspace::operator=(Workspace&&) noexcept = default;

void Workspace::Data::note(const Graph& graph, std::size_t index, std::chrono::duration<double> time) {
  for (std::size_t i = times.size(); i <= index; ++i) {
    const Node& node = graph.nodes[i];
    times.push_back({.op = std::string(op_name(node.op)), .name = std::string(graph.name(node.output))});
  }
  times.at(index).seconds += time.count();
}

std::vector<OpTime> Workspace::take_profile() { return std::exchange(data_->times, {}); }

int Workspace::threads() const { return data_->pool.threads(); }

}  // namespace octavo

// A run: everything that one benchmark or stress run creates, and its removal, whatever happens.
//
//     auto run = shmark::run::begin();
//     for (const auto& found : run->swept()) fmt::print(stderr, "{}\n", found);
//     auto domain = shmark::domain<>::open(run->domain());
//     …
//     run->end();            // or the destructor; also after Ctrl-C
//
// All segments of a run have names that begin alike. The run holds a lock (flock) on one of them,
// `….alive`, and so do its workers, who inherit it: while anybody of the run lives, nobody can take
// that lock. begin() takes those that can be taken, and removes what these runs have left. So a run
// that was killed is cleaned up after by the next one, and never while a part of it still works.
// One with semaphores in another IPC namespace (a container that shares our /dev/shm) is left to
// those who can remove them. An object that belongs to another user, or that others can write to,
// is not believed: it neither makes a run nor names semaphores.
//
// Process and thread safety: for the supervisor's main thread. end() in a forked child does
// nothing. What survives a crash: all objects, until the next run.
//
// Source: flock(2).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/descriptor.h"
#include "lib/base/error.h"
#include "lib/base/program.h"
#include "lib/crew/sample.h"
#include "lib/lock/lock.h"
#include "lib/segment/posix.h"
#include "lib/segment/segment.h"

namespace shmark {

class run {
 public:
  // Errors: no_space, denied.
  [[nodiscard]] static std::expected<run, error> begin();
  run(run&& other) noexcept;
  run& operator=(run&&) = delete;
  ~run();

  // The name of a domain that goes with the run.
  [[nodiscard]] const std::string& domain() const noexcept { return domain_; }
  // The space that all names of the run are in.
  [[nodiscard]] short_text space() const noexcept;

  // What begin() has found and removed of earlier runs: a sentence each.
  [[nodiscard]] const std::vector<std::string>& swept() const noexcept { return swept_; }

  // The names in /dev/shm that belong to this run, but for its lock: nothing, when everything that
  // it created has been removed by those who created it.
  [[nodiscard]] std::vector<std::string> objects() const;

  // Removes whatever is left of the run.
  void end() noexcept;

 private:
  run(std::string domain, descriptor alive, std::vector<std::string> swept) noexcept;

  std::string domain_;
  descriptor alive_;
  std::vector<std::string> swept_;
  pid_t owner_;  // 0 when ended, or moved from
};

// How a program begins one: catches Ctrl-C (lib/base/interrupt.h), then says what was swept.
// Errors: those of run::begin().
[[nodiscard]] std::expected<run, error> begin_run(const program& of);

namespace detail {

// What a lock of a run lies in: says which kind it is, for whoever cleans up, and in which IPC
// namespace (ipc_namespaces(7)) are the semaphores that it may have.
struct alignas(64) cell_header {
  char magic[8];
  char lock_name[24];
  std::uint64_t ipc_namespace;
};
void stamp(cell_header& header, std::string_view lock_name) noexcept;

}  // namespace detail

// One lock, and what it guards, in a segment of a run: for workloads on locks alone.
template <lock L>
class lock_cell {
 public:
  // Errors: no_space, and those of the lock.
  [[nodiscard]] static std::expected<lock_cell, error> create(const run& owner) {
    const auto key = segment_key::random_in(owner.space());
    SHMARK_ASSIGN_OR_RETURN(auto segment, posix_segment::create(key, sizeof(layout), 0600));
    auto* cell = new (segment.bytes().data()) layout{};
    detail::stamp(cell->header, L::name);
    lock_cell made(std::move(segment), *cell);
    SHMARK_RETURN_IF_ERROR(L::create(cell->state, {.space = owner.space()}));
    return made;
  }
  lock_cell(lock_cell&& other) noexcept
      : segment_(std::move(other.segment_)), layout_(std::exchange(other.layout_, nullptr)) {}
  lock_cell& operator=(lock_cell&&) = delete;
  ~lock_cell() {
    if (layout_ == nullptr) return;
    L::destroy(layout_->state);
    static_cast<void>(segment_.unlink());
  }

  [[nodiscard]] typename L::state& state() const noexcept { return layout_->state; }
  // Written by exclusive holders only.
  [[nodiscard]] lock_trace& guarded() const noexcept { return layout_->guarded; }

 private:
  struct layout {
    detail::cell_header header;
    alignas(64) typename L::state state;
    alignas(64) lock_trace guarded;
  };

  lock_cell(posix_segment segment, layout& cell) noexcept
      : segment_(std::move(segment)), layout_(&cell) {}

  posix_segment segment_;
  layout* layout_;
};

}  // namespace shmark

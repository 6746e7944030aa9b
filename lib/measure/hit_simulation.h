// What share of reads must have found a cached copy up to date, by the order in which workers
// really worked: the check of a library's own count of hits, and of the model in hit_model.h, which
// assumes that workers take turns at random.
//
// Serial numbers give the order. The write that made s comes after the one that made s - 1; a read
// that saw s stands between the writes of s and of s + 1; and each worker's operations are in its
// own order. Operations between the same two writes may be exchanged: no hit depends on it.
//
// In that order a cache without anything else to it is replayed. A worker's copy is valid until
// somebody else writes; an own write makes the own copy valid. A read hits if the copy is valid;
// otherwise it misses, and makes it valid. Nothing here knows what the library counted.
//
// Of logs that filled up (hit_log.h), only that is replayed which lies before the first of these
// ends: up to there no operation is missing.
//
// Thread safety: a pure function.
//
// Example:
//   std::vector<worker_accesses> workers;
//   for (const auto& log : logs) workers.push_back(accesses_of(log));
//   const auto replayed = simulate_hits(workers);
//   if (replayed) counters["simulated_hit_rate"] = *replayed->all().hit_rate();
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <vector>

#include "lib/base/error.h"
#include "lib/measure/hit_log.h"

namespace shmark {

struct worker_accesses {
  std::span<const hit_log_entry> entries{};
  std::optional<std::uint64_t> first_copy{};  // serial number of the copy that it began with
  bool is_complete = true;                    // false: more operations followed
  bool was_killed = false;                    // one more operation may have followed
};

// Refers to the log's entries.
template <std::size_t Capacity, std::uint32_t CountMax>
[[nodiscard]] worker_accesses accesses_of(const hit_log<Capacity, CountMax>& log,
                                          bool was_killed = false) {
  worker_accesses of{
      .entries = log.entries(), .is_complete = log.is_complete(), .was_killed = was_killed};
  if (log.has_first_copy()) of.first_copy = log.first_copy();
  return of;
}

struct hit_counts {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t writes = 0;

  // Hits among reads; nothing if there were no reads.
  [[nodiscard]] std::optional<double> hit_rate() const noexcept;
  bool operator==(const hit_counts&) const = default;
};

struct replayed_hits {
  std::vector<hit_counts> workers{};  // as they were given
  bool is_complete = true;            // all operations of all workers were replayed

  [[nodiscard]] hit_counts all() const noexcept;
};

// Errors: corrupt, if the logs cannot be those of one variable: if two writes made the same serial
// number; if one worker's serial numbers fall, or it wrote what it had seen before; or if a serial
// number was made by nobody, unless a worker that was killed can have made it with its last
// operation. One between the first that was seen and the first that was written counts, too.
[[nodiscard]] std::expected<replayed_hits, error> simulate_hits(
    std::span<const worker_accesses> workers);

}  // namespace shmark

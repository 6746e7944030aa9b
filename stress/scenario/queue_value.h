// What scenario `queue` shares: a queue of numbered items, as a variable; and, apart from it, in
// memory that no lock guards, who has got which item.
//
// Items are numbered 0, 1, 2, … as they are pushed, so whoever reads the queue knows what must be
// in it. A consumer notes what it is about to take; once that is published, it ticks the item off.
// An item that is ticked off twice was given out twice; one that was taken from the queue and never
// ticked off is lost, unless a consumer was killed over it: that is a *maybe*.
//
// Process and thread safety: the queue is a value; the tally may be used by all at once. What
// survives a crash of the tally: everything.
#pragma once

#include <atomic>
#include <boost/serialization/vector.hpp>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/segment/anonymous.h"

namespace shmark::stress {

struct queue {
  static constexpr std::size_t length_max = 64;

  std::vector<std::uint64_t> items;
  std::uint64_t head = 0;           // how many were taken
  std::uint64_t next = 0;           // how many were pushed
  std::vector<std::uint64_t> done;  // by worker: how many it pushed or took

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive & items & head & next & done;
  }
};

// What is wrong with a queue that has this serial number; nothing if all is well. `first_serial`
// was that of the empty one.
[[nodiscard]] std::optional<std::string> what_is_torn(const queue& seen, std::uint64_t serial,
                                                      std::uint64_t first_serial, int workers);

class tally {
 public:
  static constexpr std::uint64_t items_max = std::uint64_t{1} << 24;

  // Errors: no_space.
  [[nodiscard]] static std::expected<tally, error> create(int workers);

  // A worker is about to take an item (below items_max),
  void begin(int worker, std::uint64_t item) const noexcept;
  // has taken it; whether it is the first to do so,
  [[nodiscard]] bool end(int worker, std::uint64_t item) const noexcept;
  // or was killed meanwhile, or perhaps before it began or after it ended.
  void settle(int worker) const noexcept;

  // Of the first `head` items, how many nobody has got. Requires: all workers are settled.
  [[nodiscard]] std::uint64_t lost_before(std::uint64_t head) const noexcept;

 private:
  enum mark : std::uint8_t { got = 1, maybe = 2 };
  tally(anonymous_segment memory, int workers) noexcept
      : memory_(std::move(memory)), workers_(workers) {}
  // What each worker is about to take, + 1; 0: nothing.
  [[nodiscard]] std::atomic<std::uint64_t>& taking(int worker) const noexcept;
  [[nodiscard]] std::atomic<std::uint8_t>& mark_of(std::uint64_t item) const noexcept;

  anonymous_segment memory_;  // zero-filled: that is what all of it begins with
  int workers_;
};

}  // namespace shmark::stress

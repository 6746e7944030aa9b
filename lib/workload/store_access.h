// N workers read one value of a store, or replace it, or do either by chance, as fast as they can.
//
// Each value tells who wrote it, and whether it is whole (stamp.h). A reader that sees one that is
// not, or that nobody wrote, makes the window no result; so does a store that, when all have
// finished, does not have the last value of one of those who wrote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <utility>

#include "lib/base/random.h"
#include "lib/crew/run.h"
#include "lib/measure/clock.h"
#include "lib/subject/byte_store.h"
#include "lib/workload/stamp.h"
#include "lib/workload/workload.h"

namespace shmark {

// How a store is used.
struct store_load {
  std::size_t payload_bytes = 256;  // of each value; 8 or more
  // Of operations, how many percent are reads; the others are writes. Between 0 and 100 they are
  // drawn.
  int reads_percent = 100;
  std::uint64_t seed = 1;
};

template <byte_store S>
class store_access final : public workload {
 public:
  // Errors: those of the store.
  [[nodiscard]] static std::expected<std::unique_ptr<workload>, error> make(const run& owner,
                                                                            store_load how) {
    SHMARK_ASSIGN_OR_RETURN(auto store, S::create(owner, how.payload_bytes));
    {
      SHMARK_ASSIGN_OR_RETURN(auto first, store.attach());
      stamped_value value(how.payload_bytes);
      SHMARK_RETURN_IF_ERROR(first.write(value.with(stamp(stamp::supervisor, 0))));
    }
    return std::unique_ptr<workload>(new store_access(std::move(store), how));
  }

  void work(window_worker& self) override {
    auto handle = store_.attach();
    if (!handle) return self.fail(handle.error());
    worker own{.handle = *handle,
               .seen = stamp_checker(how_.payload_bytes),
               .next = stamped_value(how_.payload_bytes),
               .index = static_cast<std::uint16_t>(self.index())};
    random_source random(how_.seed + static_cast<std::uint64_t>(self.index()));
    while (self.next()) {
      operate(self, own, random);
      own.look_at_all();
      if (!own.failed) return self.fail(own.failed.error());
      self.counters() = {own.seen.wrong(), own.written, 0, 0};
    }
  }

  std::expected<counters, error> conclude(const window_result& result) override {
    if (result.sum(wrong) != 0) {
      return distrust("a reader saw a value that was not whole, or that nobody had written");
    }
    SHMARK_ASSIGN_OR_RETURN(const stamp last, last_written());
    if (!is_last_of_its_writer(last, result)) {
      return distrust("what was written last is not there");
    }
    return counters();
  }

 private:
  enum : std::size_t { wrong, written };  // in a worker's counters; of all windows

  struct worker {
    typename S::handle& handle;
    stamp_checker seen;
    stamped_value next;
    std::uint16_t index;
    std::uint32_t written = 0;
    std::expected<void, error> failed{};

    void read() {
      const auto done = handle.read([this](std::span<const std::byte> value) {
        if constexpr (S::can.cached) {
          seen.look_if_new(value);
        } else {
          seen.look(value);
        }
      });
      if (!done) [[unlikely]]
        note_failure(done.error(), failed);
    }
    void write() {
      const auto done = handle.write(next.with(stamp(index, written + 1)));
      if (done) [[likely]] {
        ++written;
      } else {
        note_failure(done.error(), failed);
      }
    }
    void look_at_all() {
      const auto done =
          handle.read([this](std::span<const std::byte> value) { seen.look_at_all(value); });
      if (!done) note_failure(done.error(), failed);
    }
  };

  store_access(S store, const store_load& how) noexcept : store_(std::move(store)), how_(how) {}

  // Reads alone, and writes alone, without a draw, which may take longer than they do.
  void operate(window_worker& self, worker& own, random_source& random) const {
    constexpr auto check = S::can.cached ? stop_check::every_sample : stop_check::every_operation;
    if (how_.reads_percent >= 100) return self.run<check>([&] { own.read(); });
    if (how_.reads_percent <= 0) return self.run([&] { own.write(); });
    const auto reads = static_cast<std::uint32_t>(how_.reads_percent);
    self.run([&] { random.below(100) < reads ? own.read() : own.write(); });
  }

  [[nodiscard]] static bool is_last_of_its_writer(stamp last, const window_result& result) {
    if (last.writer() == stamp::supervisor) return result.sum(written) == 0;
    return last.writer() < result.counters.size() &&
           last.count() == result.counters[last.writer()][written];
  }

  // By which stamp the store's value was written. Errors: corrupt, and those of the store.
  [[nodiscard]] std::expected<stamp, error> last_written() const {
    SHMARK_ASSIGN_OR_RETURN(auto handle, store_.attach());
    stamp_checker check(how_.payload_bytes);
    SHMARK_RETURN_IF_ERROR(
        handle.read([&](std::span<const std::byte> value) { check.look_at_all(value); }));
    if (check.wrong() != 0) return distrust("its value is not whole, or nobody has written it");
    return check.last();
  }

  [[nodiscard]] static std::unexpected<error> distrust(const char* why) noexcept {
    return failure(errc::corrupt, "trust store", S::name, because{why}, "do not use it");
  }

  S store_;
  store_load how_;
};

}  // namespace shmark

// Scenario `register`: workers read and replace the value of a store, and are killed at random
// moments. Every operation is recorded with its times, and when the workers have ended, the history
// must be linearizable (broken): whoever reads sees what was written last, however that is looked
// at, and a write that its worker was killed in happened once or never.
//
// Values tell who wrote them and as which of his, so that no two are the same, and whether they are
// whole (torn). Somebody always gets on (stuck); workers end only when killed or asked to (died);
// and with its end the store leaves nothing in the system (leaked).
//
// Records take memory: so the run is one of rounds, each with a new store, which end when they have
// enough of them. What was judged, and how long that took: outcome::checked. Of a history that is
// not linearizable the part that shows it is saved where the findings say (see
// stress/history/file.h); of one that is undecided, all.
//
// Where handles have serial numbers (numbered_store_handle), these are the order; else it is
// searched for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/subject/byte_store.h"
#include "lib/workload/stamp.h"
#include "stress/history/history.h"
#include "stress/history/recorder.h"
#include "stress/scenario/actor.h"
#include "stress/scenario/scenario.h"
#include "stress/scenario/supervisor.h"
#include "stress/scenario/worker_log.h"

namespace shmark::stress {

struct register_options {
  std::size_t payload_bytes = 256;  // of each value; 8 or more
  // After how many operations a round ends, more or less: with 40 bytes each that the workers write
  // to, and about as much again to judge them.
  std::size_t operations_per_round = 1'000'000;
};

namespace detail {

// A value as histories have it: the stamp of its write, without its check.
[[nodiscard]] constexpr std::uint64_t value_of(stamp which) noexcept {
  return std::uint64_t{which.writer()} << 32 | which.count();
}

// A worker of the scenario. Others than the store's workers take part by a place of their own.
template <byte_store S>
class register_worker final : actor {
 public:
  register_worker(int index, const worker_logs& logs, const recorder& records,
                  typename S::handle handle, const register_options& how, std::uint64_t seed)
      : actor(index, logs, seed),
        records_(&records),
        handle_(std::move(handle)),
        next_(how.payload_bytes),
        seen_(how.payload_bytes),
        operations_max_(how.operations_per_round) {}

  // Operates until asked to stop, or until there are records enough. Returns an exit status.
  int work() {
    for (unsigned turn = 1; !logs_->stopped(); ++turn) {
      if (records_->full(index()) || (turn % look_every == 0 && is_enough())) {
        logs_->stop();
        break;
      }
      const bool done = operate();
      log_->doing.store(phase::idle, std::memory_order_release);
      if (!done) return 1;
    }
    return 0;
  }

  // One look at the value. Returns an exit status.
  int look() { return settle(read()) ? 0 : 1; }

 private:
  static constexpr unsigned look_every = 64;  // at how many operations all have done

  [[nodiscard]] bool is_enough() const noexcept {
    return logs_->changes() + logs_->reads() >= operations_max_;
  }

  bool operate() {
    const bool writes = random_.below(2) == 0;
    const bool overlaps = logs_->enter_operation(index());
    const auto done = writes ? write() : read();
    if (done) count(writes ? log_->changes : log_->reads, overlaps);
    return settle(done);
  }
  bool settle(const std::expected<void, error>& done) {
    return done ? true : tolerate(done.error());
  }

  std::expected<void, error> write() {
    const std::uint64_t number = log_->intended.load() + 1;
    log_->intended.store(number, std::memory_order_release);  // no successor writes it again
    const stamp which(static_cast<std::uint16_t>(index()), static_cast<std::uint32_t>(number));
    const auto value = next_.with(which);
    records_->begin(index(), access::write, value_of(which));
    SHMARK_RETURN_IF_ERROR(handle_.write(value));
    records_->complete(index(), value_of(which), serial());
    return {};
  }
  std::expected<void, error> read() {
    records_->begin(index(), access::read, 0);
    const auto wrong = seen_.wrong();
    SHMARK_RETURN_IF_ERROR(
        handle_.read([this](std::span<const std::byte> value) { seen_.look_at_all(value); }));
    if (seen_.wrong() != wrong) {
      return failure(errc::corrupt, "read", S::name, because{"the value is not of one write"},
                     "do not use this store");
    }
    records_->complete(index(), value_of(seen_.last()), serial());
    return {};
  }
  // Of what was read or written last; 0: they are not known.
  [[nodiscard]] std::uint64_t serial() const noexcept {
    if constexpr (numbered_store_handle<typename S::handle>) {
      return handle_.serial();
    } else {
      return 0;
    }
  }

  const recorder* records_;
  typename S::handle handle_;
  stamped_value next_;
  stamp_checker seen_;
  std::size_t operations_max_;
};

// Attaches anew, as an unrelated process would, and does what `task` says. Returns an exit status.
template <byte_store S>
int work_on_register(const S& store, int index, const worker_logs& logs, const recorder& records,
                     const register_options& how, std::uint64_t seed,
                     int (register_worker<S>::*task)()) {
  auto handle = store.attach();
  if (!handle) {
    logs.of(index).give_up(handle.error());
    return 1;
  }
  register_worker<S> worker(index, logs, records, *std::move(handle), how, seed);
  return (worker.*task)();
}

// Writes the value that there is before any worker lives. Errors: those of the store.
template <byte_store S>
std::expected<history, error> begin_register(const S& store, const register_options& how) {
  const stamp first(stamp::supervisor, 0);
  SHMARK_ASSIGN_OR_RETURN(auto handle, store.attach());
  stamped_value value(how.payload_bytes);
  SHMARK_RETURN_IF_ERROR(handle.write(value.with(first)));
  history begun;
  begun.first_value = value_of(first);
  if constexpr (numbered_store_handle<typename S::handle>) begun.first_serial = handle.serial();
  return begun;
}

// So many records are there for each worker: what some do less of, others do more.
[[nodiscard]] std::size_t records_per_worker(const options& chosen, const register_options& how);

// A last look at the value, by a process that is given `patience` for it, in the place behind all
// workers'.
void look_last(const std::function<int()>& look, const options& chosen, const worker_logs& logs,
               supervision& so_far);

// Judges the history of a round, and saves it if it is not good.
void judge(const history& all, const options& chosen, outcome& seen);

// One round, from a store's beginning to its end.
template <byte_store S>
std::expected<supervision, error> register_round(const options& chosen,
                                                 const progress_callback& tell, const run& in,
                                                 const register_options& how) {
  SHMARK_ASSIGN_OR_RETURN(const auto store, S::create(in, how.payload_bytes));
  SHMARK_ASSIGN_OR_RETURN(auto all, begin_register(store, how));
  const int places = chosen.workers + 1;
  SHMARK_ASSIGN_OR_RETURN(const auto logs, worker_logs::create(places));
  SHMARK_ASSIGN_OR_RETURN(const auto records,
                          recorder::create(places, records_per_worker(chosen, how)));
  const worker_body body = [&](int worker, std::uint64_t life) {
    return work_on_register(store, worker, logs, records, how,
                            seed_of_life(chosen.seed, worker, life), &register_worker<S>::work);
  };
  SHMARK_ASSIGN_OR_RETURN(auto result, supervise(chosen, logs, body, tell));
  const auto look = [&] {
    return work_on_register(store, chosen.workers, logs, records, how, chosen.seed,
                            &register_worker<S>::look);
  };
  if (result.seen.seen.faultless()) look_last(look, chosen, logs, result);
  all.operations = records.collect();
  judge(all, chosen, result.seen);
  return result;
}

using register_rounds = std::function<std::expected<supervision, error>(const options&)>;

// Rounds until the time is up, or there is something to tell.
[[nodiscard]] std::expected<outcome, error> repeat_rounds(const options& chosen, const run& in,
                                                          const register_rounds& round);

}  // namespace detail

// Errors: not_found, if the store needs something that is not installed; no_space, and others that
// keep it from beginning or going on; nothing is left then.
template <byte_store S>
[[nodiscard]] std::expected<outcome, error> run_register(const options& chosen,
                                                         const progress_callback& tell,
                                                         const run& in,
                                                         const register_options& how = {}) {
  if (const auto missing = missing_reason<S>()) {
    return failure(errc::not_found, "run scenario register on", S::name, because{*missing});
  }
  return detail::repeat_rounds(chosen, in, [&](const options& of_round) {
    return detail::register_round<S>(of_round, tell, in, how);
  });
}

}  // namespace shmark::stress

// Scenario `queue`: workers push numbered items onto a shared queue, take them from it, and look at
// it, in transactions, and are killed at random moments.
//
// What it checks: every item that was pushed is taken once, or is still there; one over which its
// consumer was killed may be either (lost, torn if it was given out twice). A queue is read whole,
// in order, and its serial number counts the commits (torn); changes that were acknowledged are
// there, and none that nobody began (lost); and, as ever, stuck, died and leaked.
//
// Ends early when tally::items_max items were pushed.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

#include "lib/base/error.h"
#include "lib/crew/run.h"
#include "lib/shm/domain.h"
#include "stress/checker/history.h"
#include "stress/scenario/actor.h"
#include "stress/scenario/queue_value.h"
#include "stress/scenario/scenario.h"
#include "stress/scenario/supervisor.h"
#include "stress/scenario/worker_log.h"

namespace shmark::stress {

namespace detail {

constexpr const char* queue_name = "queue";

// A worker of the scenario, producer and consumer.
template <class Backend>
class porter final : actor {
 public:
  porter(int index, int workers, std::uint64_t first_serial, const tally& items,
         const worker_logs& logs, shmark::variable<queue, Backend> shared, std::uint64_t seed)
      : actor(index, logs, seed),
        index_(static_cast<std::size_t>(index)),
        workers_(workers),
        first_serial_(first_serial),
        tally_(&items),
        queue_(std::move(shared)) {}

  // Operates until asked to stop. Returns an exit status.
  int work() {
    if (!settle()) return 1;
    while (!logs_->stopped()) {
      const bool done = operate();
      log_->doing.store(phase::idle, std::memory_order_release);
      if (!done) return 1;
    }
    return 0;
  }

 private:
  // Finds out what became of the predecessor's last change.
  bool settle() {
    tally_->settle(index());
    const auto seen = queue_.read();
    if (!seen) return tolerate(seen.error());
    if (is_whole(**seen)) log_->settle_at((*seen)->done[index_]);
    return true;
  }

  bool operate() {
    const bool overlaps = logs_->enter_operation(index());
    const auto done = random_.below(4) == 0 ? look(overlaps) : transact(overlaps);
    return done || tolerate(done.error());
  }
  std::expected<void, error> look(bool overlaps) {
    SHMARK_ASSIGN_OR_RETURN(const auto seen, queue_.read());
    if (is_whole(*seen)) count(log_->reads, overlaps);
    return {};
  }

  std::expected<void, error> transact(bool overlaps) {
    const std::uint64_t number = log_->acknowledged.load() + 1;
    std::uint64_t taken = none;
    {
      SHMARK_ASSIGN_OR_RETURN(auto change, queue_.transact());
      logs_->note_acquired(index());
      const actor::holding_mark mark(*log_);  // ends before the transaction does
      if (!is_whole(change.value())) return {};
      taken = change_queue(change.value());
      change.value().done[index_] = number;
      log_->intended.store(number, std::memory_order_release);
      if (taken != none) tally_->begin(index(), taken);
      SHMARK_RETURN_IF_ERROR(change.commit());
    }
    log_->acknowledged.store(number, std::memory_order_release);
    if (taken != none && !tally_->end(index(), taken)) {
      report(log_->torn, 1, fmt::format("was given item {}, which another has got", taken));
    }
    count(log_->changes, overlaps);
    return {};
  }
  // Pushes or takes; the item that is taken, or none.
  std::uint64_t change_queue(queue& value) {
    const bool takes =
        value.items.size() >= queue::length_max || (!value.items.empty() && random_.below(2) == 0);
    if (takes) {
      value.items.erase(value.items.begin());
      return value.head++;
    }
    value.items.push_back(value.next++);
    if (value.next == tally::items_max) logs_->stop();
    return none;
  }

  // By itself, and against what this worker knows of its own changes.
  bool is_whole(const queue& seen) {
    if (const auto torn = what_is_torn(seen, queue_.serial(), first_serial_, workers_)) {
      report(log_->torn, 1, "read a torn value: " + *torn);
      return false;
    }
    const numbers_of_changes own = log_->numbers();
    const auto done = seen.done[index_];
    if (const auto missing = unaccounted(own, done); missing != 0) {
      report(log_->lost, missing,
             fmt::format("has {} changes acknowledged and {} begun, but the queue says {}",
                         own.acknowledged, own.intended, done));
      log_->settle_at(done);
    }
    return true;
  }

  static constexpr std::uint64_t none = ~std::uint64_t{0};
  std::size_t index_;
  int workers_;
  std::uint64_t first_serial_;
  const tally* tally_;
  shmark::variable<queue, Backend> queue_;
};

// The last look, when no worker lives any more.
template <class Backend>
void audit_queue(shmark::variable<queue, Backend>& shared, std::uint64_t first_serial,
                 const tally& items, const worker_logs& logs, const options& chosen,
                 outcome& result) {
  const auto found = [&](std::uint64_t& counter, std::uint64_t by, const std::string& sentence) {
    counter += by;
    result.findings.push_back("at the end: " + sentence);
  };
  // The exclusive lock can be had, whatever the dead held.
  if (const auto held = shared.transact(deadline::after(chosen.patience)); !held) {
    auto& counter = held.error().code == errc::corrupt ? result.seen.torn : result.seen.stuck;
    return found(counter, 1, held.error().message());
  }
  const auto last = shared.read();
  if (!last) return found(result.seen.torn, 1, last.error().message());
  if (const auto torn = what_is_torn(**last, shared.serial(), first_serial, chosen.workers)) {
    return found(result.seen.torn, 1, *torn);
  }
  for (int i = 0; i < chosen.workers; ++i) {
    items.settle(i);
    const numbers_of_changes own = logs.of(i).numbers();
    const auto done = (*last)->done[static_cast<std::size_t>(i)];
    if (const auto missing = unaccounted(own, done); missing != 0) {
      found(result.seen.lost, missing,
            fmt::format("worker {} has {} changes acknowledged and {} begun, but the queue says {}",
                        i, own.acknowledged, own.intended, done));
    }
  }
  if (const auto lost = items.lost_before((*last)->head); lost != 0) {
    found(result.seen.lost, lost, fmt::format("{} items are gone, and nobody has got them", lost));
  }
  if (const auto statistics = shared.stats()) result.seen.recoveries = statistics->recoveries;
}

template <class Backend>
std::expected<supervision, error> operate_on_queue(domain<Backend>& in,
                                                   const std::string& domain_name,
                                                   const options& chosen,
                                                   const progress_callback& tell) {
  SHMARK_ASSIGN_OR_RETURN(auto shared, in.template variable<queue>(queue_name));
  queue empty;
  empty.done.resize(static_cast<std::size_t>(chosen.workers));
  SHMARK_RETURN_IF_ERROR(shared.write(empty));
  const std::uint64_t first_serial = shared.serial();
  SHMARK_ASSIGN_OR_RETURN(const auto items, tally::create(chosen.workers));
  SHMARK_ASSIGN_OR_RETURN(const auto logs, worker_logs::create(chosen.workers));
  const worker_body body = [&](int worker, std::uint64_t life) {
    return work_on_variable<queue, Backend>(
        domain_name, queue_name, logs.of(worker), [&](shmark::variable<queue, Backend> own) {
          return porter<Backend>(worker, chosen.workers, first_serial, items, logs, std::move(own),
                                 seed_of_life(chosen.seed, worker, life))
              .work();
        });
  };
  SHMARK_ASSIGN_OR_RETURN(auto result, supervise(chosen, logs, body, tell));
  audit_queue(shared, first_serial, items, logs, chosen, result.seen);
  return result;
}

}  // namespace detail

// Requires: nobody else has used the run's domain. Errors: no_space, and others that keep it from
// beginning or going on; nothing is left in the domain then.
template <class Backend = default_backend>
[[nodiscard]] std::expected<outcome, error> run_queue(const options& chosen,
                                                      const progress_callback& tell,
                                                      const run& in) {
  return detail::run_in_domain<Backend>(in, [&](shmark::domain<Backend>& domain) {
    return detail::operate_on_queue(domain, in.domain(), chosen, tell);
  });
}

}  // namespace shmark::stress

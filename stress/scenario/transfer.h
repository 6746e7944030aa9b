// Scenario `transfer`: workers move money between the accounts of a shared bank in transactions,
// others read it, and all of them are killed at random moments.
//
// What it checks, at every operation and at the end: a bank is read whole (torn), its serial number
// counts the commits (torn), every acknowledged transfer is there, and none that nobody began
// (lost); somebody always gets on (stuck); workers end only when killed or asked to (died); and
// removing the domain leaves nothing in the system (leaked).
//
// Templated on what variables stand on, so that other backends, and faulty ones, are put to the
// same test.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <expected>
#include <string>

#include "lib/base/error.h"
#include "lib/base/random.h"
#include "lib/crew/run.h"
#include "lib/shm/domain.h"
#include "stress/checker/history.h"
#include "stress/scenario/actor.h"
#include "stress/scenario/bank.h"
#include "stress/scenario/scenario.h"
#include "stress/scenario/supervisor.h"
#include "stress/scenario/worker_log.h"

namespace shmark::stress {

namespace detail {

constexpr const char* bank_name = "bank";
// A worker of the scenario.
template <class Backend>
class teller final : actor {
 public:
  teller(int index, const bank_rules& rules, const worker_logs& logs,
         shmark::variable<bank, Backend> shared, std::uint64_t seed)
      : actor(index, logs, seed),
        index_(static_cast<std::size_t>(index)),
        rules_(rules),
        bank_(std::move(shared)) {}

  // Operates until asked to stop. Returns an exit status.
  int work() {
    if (!settle()) return 1;
    while (!logs_->stopped()) {
      const bool done = random_.below(4) == 0 ? check() : transfer();
      log_->doing.store(phase::idle, std::memory_order_release);
      if (!done) return 1;
    }
    return 0;
  }

 private:
  // Finds out whether the predecessor's last transfer is there.
  bool settle() {
    log_->doing.store(phase::in_operation, std::memory_order_release);
    const auto seen = bank_.read();
    if (!seen) return tolerate(seen.error());
    if (is_whole(**seen)) log_->settle_at((*seen)->done[index_]);
    log_->doing.store(phase::idle, std::memory_order_release);
    return true;
  }

  bool check() {
    const bool overlaps = logs_->enter_operation(index());
    const auto seen = bank_.read();
    if (!seen) return tolerate(seen.error());
    if (is_whole(**seen)) count(log_->reads, overlaps);
    return true;
  }

  bool transfer() {
    const bool overlaps = logs_->enter_operation(index());
    if (const auto done = transact(overlaps); !done) return tolerate(done.error());
    return true;
  }

  std::expected<void, error> transact(bool overlaps) {
    const std::uint64_t number = log_->acknowledged.load() + 1;
    {
      SHMARK_ASSIGN_OR_RETURN(auto change, bank_.transact());
      logs_->note_acquired(index());
      const actor::holding_mark mark(*log_);  // ends before the transaction does
      if (!is_whole(change.value())) return {};
      move_money(change.value(), random_);
      change.value().done[index_] = number;
      log_->intended.store(number, std::memory_order_release);
      SHMARK_RETURN_IF_ERROR(change.commit());
    }
    log_->acknowledged.store(number, std::memory_order_release);
    count(log_->changes, overlaps);
    return {};
  }

  // Checks a copy: by itself, and against what this worker knows of its own transfers.
  bool is_whole(const bank& seen) {
    if (const auto torn = what_is_torn(seen, bank_.serial(), rules_)) {
      report(log_->torn, 1, "read a torn value: " + *torn);
      return false;
    }
    const numbers_of_changes own = log_->numbers();
    const auto done = seen.done[index_];
    if (const auto missing = unaccounted(own, done); missing != 0) {
      report(log_->lost, missing,
             fmt::format("has {} transfers acknowledged and {} begun, but the bank says {}",
                         own.acknowledged, own.intended, done));
      log_->settle_at(done);
    }
    return true;
  }

  std::size_t index_;
  bank_rules rules_;
  shmark::variable<bank, Backend> bank_;
};

// The last look at the bank, when no worker lives any more.
template <class Backend>
void audit(shmark::variable<bank, Backend>& shared, const bank_rules& rules,
           const worker_logs& logs, const options& chosen, outcome& result) {
  const auto found = [&](std::uint64_t& counter, std::uint64_t by, std::string sentence) {
    counter += by;
    result.findings.push_back("at the end: " + std::move(sentence));
  };
  // The exclusive lock can be had, whatever the dead held; and any of them is cleaned up after.
  if (const auto held = shared.transact(deadline::after(chosen.patience)); !held) {
    auto& counter = held.error().code == errc::corrupt ? result.seen.torn : result.seen.stuck;
    found(counter, 1, held.error().message());
    return;
  }
  const auto last = shared.read();
  if (!last) {
    found(result.seen.torn, 1, last.error().message());
    return;
  }
  if (const auto torn = what_is_torn(**last, shared.serial(), rules)) {
    found(result.seen.torn, 1, *torn);
    return;
  }
  for (int i = 0; i < rules.workers; ++i) {
    const numbers_of_changes numbers = logs.of(i).numbers();
    const auto done = (*last)->done[static_cast<std::size_t>(i)];
    if (const auto missing = unaccounted(numbers, done); missing != 0) {
      found(
          result.seen.lost, missing,
          fmt::format("worker {} has {} transfers acknowledged and {} begun, but the bank says {}",
                      i, numbers.acknowledged, numbers.intended, done));
    }
  }
  if (const auto statistics = shared.stats()) {
    result.seen.recoveries = statistics->recoveries;
  }
}

// Everything between the domain's beginning and its end.
template <class Backend>
std::expected<supervision, error> operate(domain<Backend>& in, const std::string& domain_name,
                                          const options& chosen, const store_options& storage,
                                          const progress_callback& tell) {
  SHMARK_ASSIGN_OR_RETURN(auto shared, in.template variable<bank>(bank_name, storage));
  SHMARK_RETURN_IF_ERROR(shared.write(opening_bank(chosen.workers)));
  const bank_rules rules{.workers = chosen.workers, .first_serial = shared.serial()};
  SHMARK_ASSIGN_OR_RETURN(const auto logs, worker_logs::create(chosen.workers));
  const worker_body body = [&](int worker, std::uint64_t life) {
    return work_on_variable<bank, Backend>(
        domain_name, bank_name, logs.of(worker), [&](shmark::variable<bank, Backend> own) {
          return teller<Backend>(worker, rules, logs, std::move(own),
                                 seed_of_life(chosen.seed, worker, life))
              .work();
        });
  };
  SHMARK_ASSIGN_OR_RETURN(auto result, supervise(chosen, logs, body, tell));
  audit(shared, rules, logs, chosen, result.seen);
  return result;
}

}  // namespace detail

// The buffers of the default store are too small for the bank, so that data segments are made and
// removed as well.
inline constexpr store_options transfer_storage{.capacity = 256};

// Requires: nobody else has used the run's domain. Errors: no_space, and others that keep it from
// beginning or going on; nothing is left in the domain then.
template <class Backend = default_backend>
[[nodiscard]] std::expected<outcome, error> run_transfer(
    const options& chosen, const progress_callback& tell, const run& in,
    const store_options& storage = transfer_storage) {
  return detail::run_in_domain<Backend>(in, [&](shmark::domain<Backend>& domain) {
    return detail::operate(domain, in.domain(), chosen, storage, tell);
  });
}

}  // namespace shmark::stress

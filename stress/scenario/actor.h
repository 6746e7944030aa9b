// What workers of all scenarios have in common: a log that outlives them, random numbers of their
// own, and what to do about errors and findings; and the domain that they work in.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <set>
#include <string>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/random.h"
#include "lib/crew/run.h"
#include "lib/shm/domain.h"
#include "stress/checker/leaks.h"
#include "stress/scenario/scenario.h"
#include "stress/scenario/supervisor.h"
#include "stress/scenario/worker_log.h"

namespace shmark::stress::detail {

// Each worker's life has random numbers of its own, which follow from the run's seed.
[[nodiscard]] std::uint64_t seed_of_life(std::uint64_t seed, int worker,
                                         std::uint64_t life) noexcept;

// A worker; each scenario derives one.
class actor {
 public:
  actor(int index, const worker_logs& logs, std::uint64_t seed) noexcept
      : logs_(&logs), log_(&logs.of(index)), random_(seed), index_(index) {}

 protected:
  ~actor() = default;

  [[nodiscard]] int index() const noexcept { return index_; }
  // The operation that was entered is done.
  void count(std::atomic<std::uint64_t>& operations, bool overlaps) noexcept {
    log_->add(operations);
    if (overlaps) log_->add(log_->overlapped);
  }
  // Notes what went wrong, and has all workers stop.
  void report(std::atomic<std::uint64_t>& counter, std::uint64_t by, const std::string& what) {
    log_->find(fmt::format("worker {} {}", index_, what));
    log_->add(counter, by);
    logs_->stop();
  }
  // An error that is a finding about the value, or the end of this worker.
  bool tolerate(const error& why) {
    if (why.code == errc::corrupt) {
      report(log_->torn, 1, why.message());
      return true;
    }
    log_->give_up(why);
    return false;
  }

  // While the lock is held.
  class holding_mark {
   public:
    explicit holding_mark(worker_log& log) noexcept : log_(log) {
      log_.doing.store(phase::holding, std::memory_order_release);
    }
    holding_mark(const holding_mark&) = delete;
    holding_mark& operator=(const holding_mark&) = delete;
    ~holding_mark() { log_.doing.store(phase::in_operation, std::memory_order_release); }

   private:
    worker_log& log_;
  };

  const worker_logs* logs_;
  worker_log* log_;
  random_source random_;

 private:
  int index_;
};

// Opens a variable anew, as an unrelated program would, and works with it. Returns an exit status:
// that of `work`, which is called with the handle.
template <class Value, class Backend, class Work>
[[nodiscard]] int work_on_variable(const std::string& domain_name, const std::string& name,
                                   worker_log& log, const Work& work) {
  const auto give_up = [&log](const error& why) {
    log.give_up(why);
    return 1;
  };
  auto opened = domain<Backend>::open_existing(domain_name);
  if (!opened) return give_up(opened.error());
  auto shared = opened->template variable<Value>(name);
  if (!shared) return give_up(shared.error());
  return work(*std::move(shared));
}

// Adds what is still there after the domain was removed, with what its removal said.
void find_leaks(const std::expected<void, error>& cleaned, const run& in,
                const system_objects& before, const std::set<pid_t>& makers, outcome& result);

// Carries out a scenario in the run's domain: `operate` is given the domain, and returns a
// std::expected<supervision, error>. Looks for leaks after. Errors: those of opening the domain,
// and of `operate`; nothing is left in the domain then.
template <class Backend, class Operation>
[[nodiscard]] std::expected<outcome, error> run_in_domain(const run& in, const Operation& operate) {
  const auto before = system_objects::now();
  std::expected<supervision, error> result;
  std::expected<void, error> cleaned;
  {
    SHMARK_ASSIGN_OR_RETURN(auto domain, shmark::domain<Backend>::open(in.domain()));
    result = operate(domain);
    cleaned = domain.cleanup();
  }  // a segment that is still attached is still there
  if (!result) return std::unexpected(result.error());
  result->processes.insert(getpid());
  find_leaks(cleaned, in, before, result->processes, result->seen);
  return result->seen;
}

}  // namespace shmark::stress::detail

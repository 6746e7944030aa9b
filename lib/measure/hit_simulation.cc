#include "lib/measure/hit_simulation.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>

namespace shmark {
namespace {

constexpr auto attempted = "replay operations";
constexpr auto log_everything = "log every operation of every worker, in its order";
constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

std::unexpected<error> inconsistent(std::size_t worker, std::string_view why) {
  return failure(errc::corrupt, attempted, "worker " + std::to_string(worker),
                 because{short_text(why)}, log_everything);
}

std::string number(std::uint64_t serial) { return "serial number " + std::to_string(serial); }

// A worker's serial numbers never fall, and what it writes is new to it.
std::expected<void, error> check_order(std::size_t worker, const worker_accesses& of) {
  std::uint64_t seen = of.first_copy.value_or(0);
  bool has_seen = of.first_copy.has_value();
  for (const hit_log_entry& each : of.entries) {
    if (each.count == 0) return inconsistent(worker, "an entry counts no operation");
    // The greatest is left free, for it stands for no limit.
    if (each.kind == access::write && (each.serial == 0 || each.serial >= no_limit - each.count)) {
      return inconsistent(worker, "no writes make numbers from " + number(each.serial) + " on");
    }
    if (has_seen && each.serial < seen) {
      return inconsistent(worker, number(each.serial) + " after " + std::to_string(seen));
    }
    if (has_seen && each.kind == access::write && each.serial == seen) {
      return inconsistent(worker, "it wrote " + number(seen) + ", which it had seen before");
    }
    seen = each.last();
    has_seen = true;
  }
  return {};
}

// The greatest serial number up to which no operation is missing that changes a hit.
std::uint64_t covered_by(std::span<const worker_accesses> workers) {
  std::uint64_t until = no_limit;
  for (const worker_accesses& each : workers) {
    if (each.is_complete) continue;
    until = std::min(until, each.entries.empty() ? 0 : each.entries.back().last());
  }
  return until;
}

constexpr std::size_t nobody = std::numeric_limits<std::size_t>::max();

// Consecutive writes of one worker.
struct write_run {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::size_t worker = 0;
};

std::vector<write_run> writes_of(std::span<const worker_accesses> workers, std::uint64_t until) {
  std::vector<write_run> all;
  for (std::size_t worker = 0; worker < workers.size(); ++worker) {
    for (const hit_log_entry& each : workers[worker].entries) {
      if (each.kind != access::write || each.serial > until) continue;
      all.push_back({each.serial, std::min(each.last(), until), worker});
    }
  }
  std::ranges::sort(all, {}, &write_run::first);
  return all;
}

// Copies from before, and reads, in the order of serial numbers; of one worker in its own order.
struct look {
  std::uint64_t serial = 0;
  std::uint64_t reads = 0;  // 0: a copy from before
  std::size_t worker = 0;
};

std::vector<look> looks_of(std::span<const worker_accesses> workers, std::uint64_t until) {
  std::vector<look> all;
  const auto add = [&](std::uint64_t serial, std::uint64_t reads, std::size_t worker) {
    if (serial <= until) all.push_back({serial, reads, worker});
  };
  for (std::size_t worker = 0; worker < workers.size(); ++worker) {
    const worker_accesses& of = workers[worker];
    if (of.first_copy) add(*of.first_copy, 0, worker);
    for (const hit_log_entry& each : of.entries) {
      if (each.kind == access::read) add(each.serial, each.count, worker);
    }
  }
  std::ranges::stable_sort(all, {}, &look::serial);
  return all;
}

// Killed workers, each of whom may have written once more after what it logged.
class last_writes {
 public:
  explicit last_writes(std::span<const worker_accesses> workers) {
    for (const worker_accesses& each : workers) {
      if (!each.was_killed || !each.is_complete) continue;
      after_.push_back(each.entries.empty() ? each.first_copy.value_or(0)
                                            : each.entries.back().last());
    }
    std::ranges::sort(after_);
  }

  // Whether these, which nobody logged, can be such writes. To be asked in rising order.
  [[nodiscard]] bool explain(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t serial = first; serial <= last; ++serial) {
      // Those who can have written this one can have written any later one, too.
      if (used_ == after_.size() || after_[used_] >= serial) return false;
      ++used_;
    }
    return true;
  }

 private:
  std::vector<std::uint64_t> after_{};
  std::size_t used_ = 0;
};

// The writes without gaps: what a killed worker can have written is nobody's. Every serial number
// after the first that was seen must have been made, once.
std::expected<std::vector<write_run>, error> without_gaps(std::span<const worker_accesses> workers,
                                                          const std::vector<write_run>& writes,
                                                          const std::vector<look>& looks) {
  std::vector<write_run> all;
  if (writes.empty() && looks.empty()) return all;
  last_writes unlogged(workers);
  std::uint64_t made = no_limit;  // all that there is to be up to here has been made
  if (!looks.empty()) made = looks.front().serial;
  if (!writes.empty()) made = std::min(made, writes.front().first - 1);
  const auto add_missing_until = [&](std::uint64_t last) -> std::expected<void, error> {
    if (last <= made) return {};
    if (!unlogged.explain(made + 1, last)) {
      return failure(errc::corrupt, attempted, number(made + 1), because{"nobody wrote it"},
                     log_everything);
    }
    all.push_back({made + 1, last, nobody});
    made = last;
    return {};
  };
  for (const write_run& each : writes) {
    if (each.first <= made) {
      return inconsistent(each.worker, number(each.first) + " was written twice");
    }
    SHMARK_RETURN_IF_ERROR(add_missing_until(each.first - 1));
    all.push_back(each);
    made = each.last;
  }
  if (!looks.empty()) SHMARK_RETURN_IF_ERROR(add_missing_until(looks.back().serial));
  return all;
}

// The cache as such: it knows who works, in which order, and no serial numbers.
class cache_model {
 public:
  explicit cache_model(std::size_t workers) : counts_(workers), is_valid_(workers, false) {}

  void write(std::size_t by, std::uint64_t writes) {
    is_valid_.assign(is_valid_.size(), false);
    if (by == nobody) return;
    is_valid_[by] = true;
    counts_[by].writes += writes;
  }
  void read(std::size_t by, std::uint64_t reads) {
    if (reads == 0) return;
    const std::uint64_t misses = is_valid_[by] ? 0 : 1;
    is_valid_[by] = true;
    counts_[by].misses += misses;
    counts_[by].hits += reads - misses;
  }
  void copy(std::size_t by) { is_valid_[by] = true; }

  [[nodiscard]] std::vector<hit_counts> take() { return std::move(counts_); }

 private:
  std::vector<hit_counts> counts_;
  std::vector<bool> is_valid_;
};

std::vector<hit_counts> replay(std::size_t workers, const std::vector<write_run>& writes,
                               std::span<const look> looks) {
  cache_model cache(workers);
  const auto look_until = [&](std::uint64_t serial) {
    for (; !looks.empty() && looks.front().serial <= serial; looks = looks.subspan(1)) {
      const look& next = looks.front();
      next.reads == 0 ? cache.copy(next.worker) : cache.read(next.worker, next.reads);
    }
  };
  for (const write_run& run : writes) {
    look_until(run.first - 1);
    for (std::uint64_t made = run.first - 1; made != run.last;) {
      // As many of the writes as came before anybody looked: they do the same as one.
      const std::uint64_t next =
          looks.empty() ? run.last : std::min(run.last, looks.front().serial);
      cache.write(run.worker, next - made);
      made = next;
      look_until(made);
    }
  }
  look_until(no_limit);
  return cache.take();
}

}  // namespace

std::optional<double> hit_counts::hit_rate() const noexcept {
  if (hits + misses == 0) return std::nullopt;
  return static_cast<double>(hits) / static_cast<double>(hits + misses);
}

hit_counts replayed_hits::all() const noexcept {
  hit_counts sum;
  for (const hit_counts& each : workers) {
    sum.hits += each.hits;
    sum.misses += each.misses;
    sum.writes += each.writes;
  }
  return sum;
}

std::expected<replayed_hits, error> simulate_hits(std::span<const worker_accesses> workers) {
  for (std::size_t worker = 0; worker < workers.size(); ++worker) {
    SHMARK_RETURN_IF_ERROR(check_order(worker, workers[worker]));
  }
  const std::uint64_t until = covered_by(workers);
  const std::vector<look> looks = looks_of(workers, until);
  SHMARK_ASSIGN_OR_RETURN(const auto writes,
                          without_gaps(workers, writes_of(workers, until), looks));
  return replayed_hits{.workers = replay(workers.size(), writes, looks),
                       .is_complete = until == no_limit};
}

}  // namespace shmark

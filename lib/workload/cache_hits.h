// The cache-hit laboratory. N workers read one variable, and write it in a given share of their
// operations. What share of the reads finds the worker's own copy up to date, and how does that
// compare with the model, and with a simulation that replays what the workers really did? What does
// a hit cost, and a miss? And, beside it, what does a read cost that keeps no copy?
//
// For the simulation each worker notes the serial number after each operation, which takes some ns
// of it; where nobody writes, it does not.
#pragma once

#include <algorithm>
#include <expected>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "lib/base/random.h"
#include "lib/crew/run.h"
#include "lib/measure/clock.h"
#include "lib/measure/hit_log.h"
#include "lib/measure/hit_model.h"
#include "lib/measure/hit_simulation.h"
#include "lib/segment/anonymous.h"
#include "lib/shm/domain.h"
#include "lib/workload/workload.h"

namespace shmark {

template <class Shape, class Backend = default_backend>
class cache_hits final : public workload {
  using type = typename Shape::type;
  using handle = variable<type, Backend>;

 public:
  // `write_percent`: 0 to 100. Errors: those of a domain.
  [[nodiscard]] static std::expected<std::unique_ptr<workload>, error> make(const run& owner,
                                                                            int write_percent,
                                                                            std::uint64_t seed) {
    SHMARK_ASSIGN_OR_RETURN(auto names, domain<Backend>::open(owner.domain()));
    const std::string name(Shape::name);
    SHMARK_ASSIGN_OR_RETURN(auto logs, anonymous_segment::create(logged_workers_max * sizeof(log)));
    SHMARK_ASSIGN_OR_RETURN(auto value, names.template variable<type>(name));
    SHMARK_RETURN_IF_ERROR(value.write(Shape::make()));
    return std::unique_ptr<workload>(new cache_hits(std::move(names), name, std::move(value),
                                                    std::move(logs), write_percent, seed));
  }
  ~cache_hits() override { static_cast<void>(names_.remove(name_)); }

  void work(window_worker& self) override {
    auto own = value_.copy();
    if (!own) return self.fail(own.error());
    random_source random(seed_ + static_cast<std::uint64_t>(self.index()));
    while (self.next()) {
      auto done = write_percent_ == 0 ? only_read(self, *own) : read_and_write(self, *own, random);
      if (!done) return self.fail(done.error());
    }
  }

  std::expected<counters, error> conclude(const window_result& result) override {
    const auto hits = static_cast<double>(result.sum(0));
    const auto misses = static_cast<double>(result.sum(1));
    const int workers = static_cast<int>(result.counters.size());
    if (hits + misses == 0) return counters{};  // nothing but writes
    counters own{
        {"hit_rate", hits / (hits + misses)},
        {"model_hit_rate", model_hit_rate(1 - write_percent_ / 100.0, workers)},
    };
    if (write_percent_ == 0) {
      own["hit_ns"] = result.cpu_ns_per_operation();
      return own;
    }
    const histogram& missed = result.times.own[miss];
    if (missed.total() != 0) {
      own["miss_ns"] = std::max(0.0, static_cast<double>(missed.quantile(0.5)) - probe_ns());
    }
    if (result.counters.size() <= logged_workers_max) {
      SHMARK_ASSIGN_OR_RETURN(const auto replayed, replay(result.counters.size()));
      const hit_counts all = replayed.all();
      own["replayed_share"] = static_cast<double>(all.hits + all.misses + all.writes) /
                              static_cast<double>(result.operations);
      // Of a part, hits of the whole would say nothing.
      if (replayed.is_complete) own["simulated_hit_rate"] = all.hit_rate().value_or(0);
    }
    return own;
  }

 private:
  // Of operations, half a million changes of kind or serial number: those of a window of a tenth of
  // a second. What comes after is not replayed.
  using log = hit_log<std::size_t{1} << 19>;
  static constexpr std::size_t logged_workers_max = 16;
  enum kind : std::size_t { hit, miss };  // in distributions::own

  cache_hits(domain<Backend> names, std::string name, handle value, anonymous_segment logs,
             int write_percent, std::uint64_t seed)
      : names_(std::move(names)),
        name_(std::move(name)),
        value_(std::move(value)),
        logs_(std::move(logs)),
        write_percent_(write_percent),
        seed_(seed) {}

  // Without a draw, which would take longer than the cached read that is to be measured.
  static std::expected<void, error> only_read(window_worker& self, handle& own) {
    SHMARK_RETURN_IF_ERROR(own.read());
    const auto before = own.hits();
    const auto before_missed = own.misses();
    std::expected<void, error> failed;
    self.run<stop_check::every_sample>([&] {
      const auto seen = own.read();
      if (!seen) [[unlikely]] {
        note_failure(seen.error(), failed);
        return;
      }
      keep(**seen);
    });
    self.counters() = {own.hits() - before, own.misses() - before_missed, 0, 0};
    return failed;
  }

  // All bytes of one are 0 to begin with: it is empty then.
  [[nodiscard]] log* log_of(int worker) const noexcept {
    if (static_cast<std::size_t>(worker) >= logged_workers_max) return nullptr;
    return std::launder(reinterpret_cast<log*>(logs_.bytes().data())) + worker;
  }

  std::expected<replayed_hits, error> replay(std::size_t workers) const {
    std::vector<worker_accesses> all;
    for (std::size_t i = 0; i < workers; ++i)
      all.push_back(accesses_of(*log_of(static_cast<int>(i))));
    return simulate_hits(all);
  }

  std::expected<void, error> read_and_write(window_worker& self, handle& own,
                                            random_source& random) const {
    SHMARK_RETURN_IF_ERROR(own.read());  // a first read misses, whatever others do
    log* const noted = log_of(self.index());
    const auto note = [noted, &own](access what) {
      if (noted != nullptr) noted->add(own.serial(), what);
    };
    if (noted != nullptr) {
      noted->clear();
      noted->begin_with(own.serial());
    }
    const auto threshold = static_cast<std::uint64_t>(write_percent_);
    std::uint64_t reads = 0;
    std::uint64_t missed = 0;
    std::expected<void, error> failed;
    self.run([&](auto& probe) {
      if (random.below(100) < threshold) {
        auto done = own.update([](type& value) { Shape::change(value); });
        if (!done) [[unlikely]]
          return note_failure(done.error(), failed);
        return note(access::write);
      }
      const auto before = own.misses();
      const auto seen = own.read();
      if (!seen) [[unlikely]] {
        note_failure(seen.error(), failed);
        return;
      }
      keep(**seen);
      const std::uint64_t did_miss = own.misses() - before;
      probe.is(did_miss == 0 ? hit : miss);
      ++reads;
      missed += did_miss;
      note(access::read);
    });
    self.counters() = {reads - missed, missed, 0, 0};
    return failed;
  }

  domain<Backend> names_;
  std::string name_;
  handle value_;
  anonymous_segment logs_;
  int write_percent_;
  std::uint64_t seed_;
};

// The same reads by workers who keep no copy: each takes the shared lock, and decodes what is
// there.
template <class Shape, class Backend = default_backend>
class uncached_reads final : public workload {
  using type = typename Shape::type;
  using codec = typename Backend::codec;

 public:
  // Errors: those of a store.
  [[nodiscard]] static std::expected<std::unique_ptr<workload>, error> make(const run& owner) {
    const store_key key = segment_key::random_in(owner.space());
    SHMARK_ASSIGN_OR_RETURN(auto made, store_on<Backend>::create(key, {}));
    std::unique_ptr<uncached_reads> own(new uncached_reads(std::move(made)));
    SHMARK_ASSIGN_OR_RETURN(auto bytes, own->store_.copy());
    variable<type, Backend> value(std::move(bytes));
    SHMARK_RETURN_IF_ERROR(value.write(Shape::make()));
    return own;
  }
  ~uncached_reads() override {
    static_cast<void>(store_on<Backend>::remove(store_.key(), deadline::after(removal_patience)));
  }

  void work(window_worker& self) override {
    auto own = store_.copy();
    if (!own) return self.fail(own.error());
    type value{};
    while (self.next()) {
      std::expected<void, error> failed;
      self.run([&] {
        auto done = decode(*own, value);
        if (!done) [[unlikely]]
          note_failure(done.error(), failed);
      });
      if (!failed) return self.fail(failed.error());
      self.counters() = {value == Shape::make() ? 1U : 0U, 0, 0, 0};
    }
  }

  std::expected<counters, error> conclude(const window_result& result) override {
    if (result.sum(0) != result.counters.size()) {
      return failure(errc::corrupt, "trust store", Shape::name,
                     because{"what was read is not what was written"}, "do not use it");
    }
    return counters{{"uncached_ns", result.cpu_ns_per_operation()}};
  }

 private:
  explicit uncached_reads(store_on<Backend> made) noexcept : store_(std::move(made)) {}

  static std::expected<void, error> decode(store_on<Backend>& from, type& to) {
    SHMARK_ASSIGN_OR_RETURN(const auto seen, from.read());
    SHMARK_RETURN_IF_ERROR(codec::decode(seen.bytes(), to));
    keep(to);
    return {};
  }

  store_on<Backend> store_;
};

}  // namespace shmark

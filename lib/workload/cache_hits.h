// N workers read one variable, and write it in a given share of their operations. What share of
// the reads finds the worker's own copy up to date, and how does that compare with the model?
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "lib/base/random.h"
#include "lib/crew/run.h"
#include "lib/measure/clock.h"
#include "lib/measure/hit_model.h"
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
    SHMARK_ASSIGN_OR_RETURN(auto value, names.template variable<type>(name));
    SHMARK_RETURN_IF_ERROR(value.write(Shape::make()));
    return std::unique_ptr<workload>(
        new cache_hits(std::move(names), name, std::move(value), write_percent, seed));
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
    return counters{
        {"hit_rate", hits + misses == 0 ? 0 : hits / (hits + misses)},
        {"model_hit_rate", model_hit_rate(1 - write_percent_ / 100.0, workers)},
    };
  }

 private:
  cache_hits(domain<Backend> names, std::string name, handle value, int write_percent,
             std::uint64_t seed)
      : names_(std::move(names)),
        name_(std::move(name)),
        value_(std::move(value)),
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

  std::expected<void, error> read_and_write(window_worker& self, handle& own,
                                            random_source& random) const {
    SHMARK_RETURN_IF_ERROR(own.read());  // a first read misses, whatever others do
    const auto threshold = static_cast<std::uint64_t>(write_percent_);
    std::uint64_t reads = 0;
    std::uint64_t missed = 0;
    std::expected<void, error> failed;
    self.run([&] {
      if (random.below(100) < threshold) {
        auto done = own.update([](type& value) { Shape::change(value); });
        if (!done) [[unlikely]]
          note_failure(done.error(), failed);
        return;
      }
      const auto before = own.misses();
      const auto seen = own.read();
      if (!seen) [[unlikely]] {
        note_failure(seen.error(), failed);
        return;
      }
      keep(**seen);
      ++reads;
      missed += own.misses() - before;
    });
    self.counters() = {reads - missed, missed, 0, 0};
    return failed;
  }

  domain<Backend> names_;
  std::string name_;
  handle value_;
  int write_percent_;
  std::uint64_t seed_;
};

}  // namespace shmark

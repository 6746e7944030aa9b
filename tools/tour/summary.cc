#include "tools/tour/summary.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/measure/figures.h"
#include "lib/measure/median.h"

namespace shmark::tour {
namespace {

constexpr std::array crash_safe_locks{"robust_rw", "pthread_robust", "sysv_semaphore"};

// The median, over a benchmark's repetitions, of one of its numbers.
class medians {
 public:
  explicit medians(const result::run& of) : run_(of) {}

  [[nodiscard]] std::optional<double> time_ns(std::string_view name) const {
    return over(name,
                [](const result::entry& entry) { return std::optional(entry.real_time_ns()); });
  }
  [[nodiscard]] std::optional<double> counter(std::string_view name, std::string_view key) const {
    return over(name, [key](const result::entry& entry) { return entry.counter(key); });
  }

 private:
  template <class F>
  [[nodiscard]] std::optional<double> over(std::string_view name, F&& number) const {
    std::vector<double> values;
    for (const auto& entry : run_.entries) {
      if (entry.name != name || entry.is_aggregate() || entry.error_message) continue;
      if (const std::optional<double> value = number(entry)) values.push_back(*value);
    }
    if (values.empty()) return {};
    return median(std::move(values));
  }

  const result::run& run_;
};

std::string lock_name(std::string_view lock, int workers) {
  return fmt::format("Lock/lock:{}/mode:exclusive/procs:{}", lock, workers);
}

using sentences = std::vector<std::string>;

void about_reads(const medians& of, sentences& to) {
  const auto cached = of.time_ns("Cache/write_percent:0/payload:map100/procs:1");
  const auto load = of.time_ns("Limit/acquire_load");
  const auto decode = of.time_ns("Codec/codec:direct/shape:map100/op:decode");
  if (cached && load) {
    to.push_back(fmt::format("A cached read costs {}; loading one shared word costs {}.",
                             duration_text(*cached), duration_text(*load)));
  }
  if (cached && decode) {
    to.push_back(
        fmt::format("Decoding a map of 100 strings instead costs {}: that is what a hit saves.",
                    duration_text(*decode)));
  }
}

void about_locks(const medians& of, sentences& to) {
  const auto ours = of.time_ns(lock_name("robust_rw", 1));
  const auto robust = of.time_ns(lock_name("pthread_robust", 1));
  const auto kernel = of.time_ns(lock_name("sysv_semaphore", 1));
  if (ours && robust && kernel) {
    to.push_back(fmt::format(
        "Taking and giving back a free lock costs {} with robust_rw, {} with glibc's robust mutex, "
        "{} with System V semaphores: these three survive their owner's death.",
        duration_text(*ours), duration_text(*robust), duration_text(*kernel)));
  }
  if (const auto plain = of.time_ns(lock_name("pthread_mutex", 1)); plain && ours) {
    to.push_back(fmt::format(
        "glibc's plain mutex, which does not, costs {}: safety costs {}.", duration_text(*plain),
        *ours > *plain ? duration_text(*ours - *plain) : "nothing measurable"));
  }
}

void about_contention(const medians& of, int cores, sentences& to) {
  constexpr int workers = 8;
  std::string list;
  for (const auto* lock : crash_safe_locks) {
    const auto rate = of.counter(lock_name(lock, workers), "ops_per_s");
    if (rate) list += fmt::format("{}{} {}", list.empty() ? "" : ", ", lock, rate_text(*rate));
  }
  if (!list.empty()) {
    to.push_back(fmt::format("Under {} workers on {} processors: {}.", workers, cores, list));
  }
  const auto typical = of.counter(lock_name("robust_rw", workers), "p50_ns");
  const auto longest = of.counter(lock_name("robust_rw", workers), "max_ns");
  const auto jain = of.counter(lock_name("robust_rw", workers), "jain");
  if (typical && longest && jain) {
    to.push_back(
        fmt::format("There, half of its timed acquisitions took at most {}, the longest {}; Jain's "
                    "index of fairness is {:.2f}.",
                    duration_text(*typical), duration_text(*longest), *jain));
  }
}

void about_codecs(const medians& of, sentences& to) {
  const auto name = [](std::string_view codec) {
    return fmt::format("Codec/codec:{}/shape:map100/op:encode", codec);
  };
  const auto ours = of.time_ns(name("direct"));
  const auto boosts = of.time_ns(name("boost_binary"));
  const auto by_hand = of.time_ns(name("by_hand"));
  const auto our_bytes = of.counter(name("direct"), "bytes");
  const auto boosts_bytes = of.counter(name("boost_binary"), "bytes");
  if (ours && boosts && by_hand && our_bytes && boosts_bytes) {
    to.push_back(fmt::format(
        "Encoding that map takes {} and {:.0f} bytes with the codec direct, {} and {:.0f} in "
        "Boost's binary archive, {} when written by hand for this type alone.",
        duration_text(*ours), *our_bytes, duration_text(*boosts), *boosts_bytes,
        duration_text(*by_hand)));
  }
}

void about_hits(const medians& of, sentences& to) {
  const auto* const name = "Cache/write_percent:5/payload:map100/procs:4";
  const auto hits = of.counter(name, "hit_rate");
  const auto model = of.counter(name, "model_hit_rate");
  if (hits && model) {
    to.push_back(fmt::format(
        "With 5% writes by 4 workers, {:.0f}% of the reads were hits; workers that take turns at "
        "random would get {:.0f}%.",
        100 * *hits, 100 * *model));
  }
}

void about_stress(const result::run& of, sentences& to) {
  for (const auto& entry : of.entries) {
    if (!entry.stress) continue;
    const auto count = [&entry](std::string_view key) { return entry.counter(key).value_or(0); };
    to.push_back(fmt::format(
        "{:.0f} workers were killed, {:.0f} of them inside an operation and {:.0f} while they held "
        "the lock.",
        count("kills"), count("kills_in_operation"), count("kills_holding")));
    if (entry.stress->verdict == result::verdict_kind::passed) {
      to.push_back(fmt::format(
          "They made {:.0f} transfers between accounts: nothing was lost, torn, stuck or leaked.",
          count("changes")));
    } else {
      to.push_back(
          fmt::format("The stress run is NOT PASSED but {}: {:.0f} lost, {:.0f} torn, {:.0f} "
                      "stuck, {:.0f} ended "
                      "by themselves, {:.0f} leaked.",
                      result::name_of(entry.stress->verdict), count("lost"), count("torn"),
                      count("stuck"), count("died"), count("leaked")));
    }
  }
}

}  // namespace

std::vector<std::string> summary(const result::run& bench, const result::run& stress) {
  sentences all;
  const medians of(bench);
  about_reads(of, all);
  about_locks(of, all);
  about_contention(of, bench.about.machine.cores, all);
  about_codecs(of, all);
  about_hits(of, all);
  about_stress(stress, all);
  return all;
}

}  // namespace shmark::tour

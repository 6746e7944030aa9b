#include "stress/minimise.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include "lib/base/interrupt.h"
#include "lib/result/result.h"

namespace shmark::stress {
namespace {

// A run of another seed may do, for real processes repeat themselves only by chance.
constexpr int tries_max = 3;

bool is_alike(const counts& one, const counts& other) noexcept {
  constexpr std::array damages{&counts::lost, &counts::torn,   &counts::intruded, &counts::stuck,
                               &counts::died, &counts::leaked, &counts::broken};
  return std::ranges::any_of(
      damages, [&](const auto damage) { return one.*damage != 0 && other.*damage != 0; });
}

// Something that can be taken away; nothing, if it has gone already.
using reduction = std::optional<options> (*)(options);

template <double options::* Gap>
std::optional<options> without(options from) {
  if (from.*Gap == 0) return {};
  from.*Gap = 0;
  return from;
}

template <int Divisor>
std::optional<options> fewer_workers(options from) {
  const int fewer = Divisor == 1 ? from.workers - 1 : from.workers / Divisor;
  if (fewer < 1 || fewer == from.workers) return {};
  from.workers = fewer;
  return from;
}

constexpr std::array<reduction, 6> reductions{without<&options::signal_gap_ms>,
                                              without<&options::stop_gap_ms>,
                                              without<&options::aimed_percent>,
                                              without<&options::kill_gap_ms>,
                                              fewer_workers<2>,
                                              fewer_workers<1>};

class search {
 public:
  search(const options& failing, const counts& seen, double budget_s, const attempt& run,
         const attempt_callback& tell)
      : seen_(seen), budget_s_(budget_s), run_(run), tell_(tell), found_{.smallest = failing} {}

  std::expected<minimised, error> carry_out() {
    for (bool smaller = true; smaller;) {
      smaller = false;
      for (const reduction reduce : reductions) {
        const auto candidate = reduce(found_.smallest);
        if (!candidate) continue;
        SHMARK_ASSIGN_OR_RETURN(const bool fails, try_out(*candidate));
        smaller = smaller || fails;
        if (is_over()) return found_;
      }
    }
    found_.complete = true;
    return found_;
  }

 private:
  [[nodiscard]] bool is_over() const {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begun_;
    return interrupted() != 0 || taken.count() >= budget_s_;
  }

  std::expected<bool, error> try_out(const options& candidate) {
    for (int tries = 1; tries <= tries_max; ++tries) {
      if (is_over()) return false;
      if (tell_) tell_(candidate);
      SHMARK_ASSIGN_OR_RETURN(const auto done, run_(candidate));
      ++found_.runs;
      if (done.verdict() != result::verdict_kind::failed || !is_alike(done.seen, seen_)) continue;
      found_.smallest = candidate;
      found_.tries = tries;
      // A failure ends a run: what is left of its time is of no use to the next one.
      constexpr double slack = 4;
      constexpr double least_s = 0.5;
      found_.smallest.seconds =
          std::min(candidate.seconds, std::max(least_s, slack * done.elapsed_s));
      return true;
    }
    return false;
  }

  const counts& seen_;
  double budget_s_;
  const attempt& run_;
  const attempt_callback& tell_;
  minimised found_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

}  // namespace

std::expected<minimised, error> minimise(const options& failing, const counts& seen,
                                         double budget_s, const attempt& run,
                                         const attempt_callback& tell) {
  return search(failing, seen, budget_s, run, tell).carry_out();
}

}  // namespace shmark::stress

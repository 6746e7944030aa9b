#include "stress/scenario/supervisor.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/deadline.h"
#include "lib/base/random.h"
#include "lib/crew/crew.h"
#include "stress/checker/progress.h"
#include "stress/fault/killer.h"
#include "stress/fault/nudges.h"

namespace shmark::stress {
namespace {

constexpr std::int64_t ns_per_s = 1'000'000'000;
constexpr std::int64_t tick_ns = ns_per_s / 5;  // how often to look around when nothing happens
constexpr std::int64_t never_ns = schedule::never_ns;
constexpr std::size_t findings_max = 20;

const char* name_of(phase doing) noexcept {
  switch (doing) {
    case phase::idle:
      return "between two operations";
    case phase::in_operation:
      return "inside an operation";
    case phase::holding:
      return "holding the lock";
  }
  return "nowhere";
}

double seconds_of_children() noexcept {
  rusage used;
  if (getrusage(RUSAGE_CHILDREN, &used) != 0) return 0;
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

class supervisor {
 public:
  supervisor(const options& chosen, const worker_logs& logs, const worker_body& body,
             const progress_callback& tell)
      : chosen_(chosen),
        logs_(logs),
        body_(body),
        tell_(tell),
        kills_(chosen.seed, of_ms(chosen.kill_gap_ms)),
        stops_(random_source(chosen.seed).next(), of_ms(chosen.stop_gap_ms)),
        signals_(~random_source(chosen.seed).next(), of_ms(chosen.signal_gap_ms)),
        lives_(static_cast<std::size_t>(chosen.workers)),
        killed_(static_cast<std::size_t>(chosen.workers)),
        begin_ns_(monotonic_ns()),
        changes_(chosen.patience, begin_ns_),
        reads_(chosen.patience, begin_ns_),
        crew_(std::in_place, crew_options{.size = chosen.workers, .pin = pinning::none}) {}

  std::expected<void, error> run() {
    for (int i = 0; i < chosen_.workers; ++i) SHMARK_RETURN_IF_ERROR(start(i));
    SHMARK_RETURN_IF_ERROR(disturb());
    outcome().elapsed_s = static_cast<double>(monotonic_ns() - begin_ns_) / ns_per_s;
    auto finished = finish();
    crew_.reset();
    return finished;
  }

  // Adds what the workers noted. Requires: run() has returned.
  supervision conclude() {
    for (const auto& log : logs_.all()) {
      counts().changes += log.changes.load();
      counts().reads += log.reads.load();
      counts().overlapped += log.overlapped.load();
      counts().lost += log.lost.load();
      counts().torn += log.torn.load();
      counts().intruded += log.intruded.load();
      counts().signals += log.signals.load();
      counts().signals_in_operation += log.signals_in_operation.load();
      if (!log.found().empty()) note(std::string(log.found()));
    }
    return std::move(result_);
  }

 private:
  static std::chrono::nanoseconds of_ms(double gap_ms) {
    return std::chrono::nanoseconds(static_cast<std::int64_t>(gap_ms * 1e6));
  }
  [[nodiscard]] stress::outcome& outcome() noexcept { return result_.seen; }
  [[nodiscard]] stress::counts& counts() noexcept { return result_.seen.seen; }
  void note(std::string sentence) {
    if (outcome().findings.size() < findings_max) {
      outcome().findings.push_back(std::move(sentence));
    }
  }

  std::expected<void, error> start(int worker) {
    const std::uint64_t life = lives_[static_cast<std::size_t>(worker)]++;
    logs_.of(worker).doing.store(phase::idle);
    logs_.of(worker).life.store(life);
    logs_.of(worker).doomed.store(0);  // not before: the predecessor's marks must not count
    killed_[static_cast<std::size_t>(worker)] = false;
    SHMARK_RETURN_IF_ERROR(crew_->start(worker, [this, worker, life] {
      signal_handler::heard_by([](void* log) { static_cast<worker_log*>(log)->note_signal(); },
                               &logs_.of(worker));
      return body_(worker, life);
    }));
    result_.processes.insert(crew_->process(worker));
    return {};
  }

  // The run proper: kills until it is over.
  std::expected<void, error> disturb() {
    const std::int64_t end_ns = begin_ns_ + static_cast<std::int64_t>(chosen_.seconds * ns_per_s);
    kills_.draw(begin_ns_);
    stops_.draw(begin_ns_);
    signals_.draw(begin_ns_);
    std::int64_t tell_ns = begin_ns_;
    for (;;) {
      std::int64_t now_ns = monotonic_ns();
      if (now_ns >= end_ns || over()) return {};
      collect_recovery();
      watch(now_ns);  // may find all stuck, which the next round sees
      if (now_ns >= kills_.due_ns() && !has_mercy()) {
        kill_one();
        kills_.draw(monotonic_ns());  // it may have waited for a holder
      }
      attend_stop(now_ns);
      if (now_ns >= signals_.due_ns()) interrupt_one(now_ns);
      if (now_ns >= tell_ns && tell_) {
        tell_({.seconds_left = static_cast<double>(end_ns - now_ns) / ns_per_s,
               .kills = counts().kills});
        tell_ns = now_ns + tick_ns;
      }
      now_ns = monotonic_ns();
      const std::int64_t wake_ns =
          std::max(std::min({has_mercy() ? never_ns : kills_.due_ns(), end_ns, now_ns + tick_ns,
                             stop_due_ns(now_ns), signals_.due_ns()}),
                   now_ns);
      const auto until = deadline::after(std::chrono::nanoseconds(wake_ns - now_ns));
      SHMARK_RETURN_IF_ERROR(heed(crew_->wait(until, {})));
    }
  }

  [[nodiscard]] bool over() noexcept {
    return outcome().interrupted || counts().died != 0 || counts().stuck != 0 || logs_.stopped() ||
           (chosen_.enough_kills != 0 && counts().kills_in_operation >= chosen_.enough_kills) ||
           (chosen_.enough_faults != 0 &&
            counts().faults() + logs_.signals_in_operation() >= chosen_.enough_faults);
  }

  // Sends the signal. The victim may have to wait for a processor to die on, so its end is seen
  // later, by heed(), and meanwhile others are killed.
  void kill_one() noexcept {
    const int victim = choose(kills_.random());
    std::vector<bool>::reference killed = killed_[static_cast<std::size_t>(victim)];
    if (!killed && crew_->running(victim)) {
      logs_.of(victim).doomed.store(1);
      begin_watch(victim);
      crew_->signal(victim, SIGKILL);
    }
    killed = true;
  }

  // One stop at a time: begins it when it is due, notes what it hit, and ends it.
  void attend_stop(std::int64_t now_ns) noexcept {
    if (!stop_) {
      if (now_ns >= stops_.due_ns() && !has_mercy()) begin_stop(now_ns);
    } else if (stop_->has_begun(now_ns)) {
      count_stop(stop_->worker());
    } else if (stop_->is_over(completed(), now_ns)) {
      end_stop();
    }
  }
  void begin_stop(std::int64_t now_ns) noexcept {
    stops_.draw(now_ns);
    const int victim = choose(stops_.random());
    if (killed_[static_cast<std::size_t>(victim)] || !crew_->running(victim)) return;
    stop_.emplace(victim, crew_->process(victim));
  }
  void count_stop(int worker) noexcept {
    ++counts().stops;
    const phase doing = logs_.of(worker).doing.load();
    if (doing != phase::idle) ++counts().stops_in_operation;
    if (doing == phase::holding) ++counts().stops_holding;
    if (doing == phase::idle && chosen_.workers > 1) stop_->wait_for(completed() + 1);
  }
  void end_stop() noexcept {
    if (stop_) stop_->end();
    stop_.reset();
  }
  [[nodiscard]] std::int64_t stop_due_ns(std::int64_t now_ns) const noexcept {
    constexpr std::int64_t look_ns = 1'000'000;
    if (stop_) return now_ns + look_ns;
    return has_mercy() ? never_ns : stops_.due_ns();
  }
  [[nodiscard]] std::uint64_t completed() const noexcept { return logs_.changes() + logs_.reads(); }

  void interrupt_one(std::int64_t now_ns) noexcept {
    signals_.draw(now_ns);
    const int victim = choose(signals_.random());
    if (!killed_[static_cast<std::size_t>(victim)] && crew_->running(victim)) {
      crew_->signal(victim, SIGUSR1);
    }
  }

  // Somebody at random; or whoever is seen holding the lock, for which a moment is waited.
  [[nodiscard]] int choose(killer& by) const noexcept {
    const int somebody = by.victim(chosen_.workers);
    if (!by.aims(chosen_.aimed_percent)) return somebody;
    constexpr auto moment = std::chrono::milliseconds(1);
    for (const auto until = deadline::after(moment); !until.passed();) {
      for (int i = 0; i < chosen_.workers; ++i) {
        const int worker = (somebody + i) % chosen_.workers;
        if (!killed_[static_cast<std::size_t>(worker)] && holds(worker)) return worker;
      }
    }
    return somebody;
  }
  [[nodiscard]] bool holds(int worker) const noexcept {
    return logs_.of(worker).doing.load() == phase::holding;
  }

  // One recovery is watched at a time: from the signal, which must find its victim holding, until
  // another worker has the lock.
  void begin_watch(int victim) noexcept {
    if (watched_ >= 0 || !holds(victim)) return;
    watched_ = victim;
    watched_died_ = false;
    logs_.watch_recovery(victim);
    watched_since_ns_ = monotonic_ns();
  }
  void collect_recovery() noexcept {
    if (watched_ < 0 || !watched_died_ || logs_.recovered_ns() == 0) return;
    const std::int64_t took_ns = logs_.recovered_ns() - watched_since_ns_;
    // Earlier: it had released the lock, and held it again when the signal came.
    if (took_ns >= 0) outcome().recovery.add(static_cast<std::uint64_t>(took_ns));
    end_watch();
  }
  void end_watch() noexcept {
    watched_ = -1;
    logs_.end_watch();
  }

  // Takes note of what happened. A worker that was killed gets a successor; any other end, unless
  // all were asked to end, is a failure.
  std::expected<void, error> heed(const crew::event& event) {
    if (event.interrupted) outcome().interrupted = true;
    if (!event.ended) return {};
    const auto& death = *event.ended;
    if (stop_ && stop_->worker() == death.index) stop_.reset();
    const bool killed = killed_[static_cast<std::size_t>(death.index)];
    if (killed && WIFSIGNALED(death.status) && WTERMSIG(death.status) == SIGKILL) {
      count_kill(death.index);
      return logs_.stopped() ? std::expected<void, error>() : start(death.index);
    }
    if (death.clean() && logs_.stopped()) return {};
    return count_death(death);
  }

  // A machine that has run out of something says nothing about what is tested.
  std::expected<void, error> count_death(const crew::death& death) {
    const auto& log = logs_.of(death.index);
    const bool gave_up = log.has_failure.load() != 0;
    if (gave_up && log.failure.code == errc::no_space) return std::unexpected(log.failure);
    ++counts().died;
    note(death.text() + (gave_up ? ": " + log.failure.message() : ", by no hand of ours"));
    return {};
  }

  void count_kill(int worker) noexcept {
    ++counts().kills;
    const phase doing = logs_.of(worker).doing.load();
    if (doing != phase::idle) ++counts().kills_in_operation;
    if (doing == phase::holding) ++counts().kills_holding;
    if (worker != watched_) return;
    watched_died_ = true;
    if (doing != phase::holding) end_watch();
  }

  // Where nothing of some kind is completed, it may be that nobody lives long enough. So all are
  // spared then; if there is still nothing, they are stuck. Each kind of operation counts by
  // itself: what needs less may still work when the other hangs.
  void watch(std::int64_t now_ns) {
    const bool changes_stand = changes_.stands_still(logs_.changes(), now_ns);
    const bool reads_stand = reads_.stands_still(logs_.reads(), now_ns);
    if (!changes_stand && !reads_stand) {
      mercy_end_ns_ = never_ns;
    } else if (!has_mercy()) {
      mercy_end_ns_ = now_ns + chosen_.patience.count();
    } else if (now_ns >= mercy_end_ns_) {
      report_stuck("completes nothing");
    }
  }
  [[nodiscard]] bool has_mercy() const noexcept { return mercy_end_ns_ != never_ns; }
  // All that run are stuck.
  void report_stuck(const char* how) {
    std::vector<int> workers;
    std::vector<pid_t> processes;
    for (int i = 0; i < chosen_.workers; ++i) {
      if (!crew_->running(i)) continue;
      workers.push_back(i);
      processes.push_back(crew_->process(i));
    }
    counts().stuck += workers.size();
    // Before a tool stops and continues them: where they are.
    std::vector<std::string> sentences;
    for (std::size_t i = 0; i < std::min(workers.size(), findings_max); ++i) {
      sentences.push_back(fmt::format("worker {} (process {}) {}: it is {}, {}", workers[i],
                                      processes[i], how, name_of(logs_.of(workers[i]).doing.load()),
                                      whereabouts(processes[i])));
    }
    processes.resize(sentences.size());
    const auto stacks = call_stacks(processes);
    for (std::size_t i = 0; i < sentences.size(); ++i) {
      const auto& stack = stacks.at(processes[i]);
      note(sentences[i] + (stack.empty() ? "" : "; called: " + stack));
    }
  }

  // All end by themselves, or are stuck. After an interrupt nobody waits for them; in any case the
  // crew's end ends those that are left.
  std::expected<void, error> finish() {
    logs_.stop();
    end_stop();
    const auto until = deadline::after(chosen_.patience);
    while (any_running() && counts().stuck == 0 && !outcome().interrupted && !until.passed()) {
      SHMARK_RETURN_IF_ERROR(heed(crew_->wait(until, {})));
    }
    if (counts().stuck != 0 || outcome().interrupted) return {};
    if (any_running()) report_stuck("does not end");
    return {};
  }
  [[nodiscard]] bool any_running() const noexcept {
    for (int i = 0; i < chosen_.workers; ++i) {
      if (crew_->running(i)) return true;
    }
    return false;
  }

  const options& chosen_;
  const worker_logs& logs_;
  const worker_body& body_;
  const progress_callback& tell_;
  schedule kills_;
  schedule stops_;
  schedule signals_;
  std::optional<stop> stop_;          // the present one
  std::vector<std::uint64_t> lives_;  // by worker: how many have begun
  std::vector<bool> killed_;          // by worker: whether the signal has been sent
  supervision result_;
  std::int64_t begin_ns_;
  progress_watch changes_;
  progress_watch reads_;
  std::int64_t mercy_end_ns_ = never_ns;  // until when nobody is killed; never_ns: now they are
  int watched_ = -1;  // the killed holder whose recovery is being watched; -1: nobody's is
  bool watched_died_ = false;
  std::int64_t watched_since_ns_ = 0;
  std::optional<crew> crew_;  // last: its end, which ends the workers, comes first
};

}  // namespace

std::expected<supervision, error> supervise(const options& chosen, const worker_logs& logs,
                                            const worker_body& body,
                                            const progress_callback& tell) {
  const double cpu_before_s = seconds_of_children();
  const signal_handler handler;
  supervisor boss(chosen, logs, body, tell);
  SHMARK_RETURN_IF_ERROR(boss.run());
  auto result = boss.conclude();
  result.seen.cpu_s = seconds_of_children() - cpu_before_s;
  return result;
}

}  // namespace shmark::stress

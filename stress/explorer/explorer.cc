#include "stress/explorer/explorer.h"

#include <fmt/format.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "lib/base/check.h"
#include "lib/base/interrupt.h"
#include "lib/segment/posix.h"
#include "stress/explorer/crash_state.h"
#include "stress/explorer/source.h"
#include "stress/explorer/tracee.h"

namespace shmark::explorer {
namespace {

constexpr std::uint64_t explored_number = 7;
constexpr int recording_max = 12;  // times the patience of a peer, until the victim counts as stuck
constexpr int tries_max = 3;       // to bring a victim to a point
constexpr int has_given_up = 3;

// A place in memory that all processes of an exploration share.
class shared_board {
 public:
  shared_board() {
    void* const memory =
        mmap(nullptr, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    SHMARK_CHECK(memory != MAP_FAILED, "no memory left for an exploration");
    board_ = new (memory) board{};
  }
  shared_board(const shared_board&) = delete;
  shared_board& operator=(const shared_board&) = delete;
  ~shared_board() { munmap(static_cast<void*>(board_), sizeof(board)); }
  [[nodiscard]] board& operator*() const noexcept { return *board_; }
  void clear() noexcept { new (board_) board{}; }

 private:
  board* board_;
};

// An instruction that was met when a run was recorded.
struct point {
  place_in_run where;
  std::uint64_t ours = 0;   // the instruction, or the last of our own code before it
  std::uint64_t state = 0;  // its crash state
  std::size_t index = 0;
  bool waits = false;  // the next is a system call that waits for a futex
};

struct recording {
  std::vector<point> points;
  std::optional<std::size_t> event;  // before which of them the event was raised
  std::uint64_t states = 0;
};

// Where to bring a process, and whether into the system call that comes next.
struct target {
  const recording* of;
  const point* at;
  bool inside;
  bool is_new;  // the first of its crash state
};

// One life of a lock or store.
class trial {
 public:
  trial(const operation& what, const options& how, short_text space, shared_board& shared,
        int variant)
      : what_(what),
        how_(how),
        shared_(shared),
        scene_(*shared, {space, explored_number}, how.patience, variant),
        prefix_(fmt::format("shmark.{}", space.view())) {
    shared_.clear();
  }
  trial(const trial&) = delete;
  trial& operator=(const trial&) = delete;
  ~trial() {
    end_all();
    for (const auto& name : posix_segment::names(prefix_)) shm_unlink(("/" + name).c_str());
  }

  // As far as the victim's begin mark. Returns false if something was found, or after Ctrl-C.
  std::expected<bool, error> begin(bool is_probed) {
    SHMARK_ASSIGN_OR_RETURN(const bool prepared, carry_out(what_.prepare, "who prepares"));
    if (!prepared) return false;
    if (is_probed && what_.prober && !what_.is_first) {
      SHMARK_ASSIGN_OR_RETURN(prober_, start(what_.prober, prober_scene(false)));
      while ((*shared_).probing.load() == 0) {
        if (prober_->wait(deadline::none())) return found_or_interrupted("a prober");
        pause();
      }
    }
    if (what_.bystander) {
      SHMARK_ASSIGN_OR_RETURN(bystander_, start(what_.bystander, scene_));
      (*shared_).bystander = bystander_->pid();
    }
    SHMARK_ASSIGN_OR_RETURN(victim_, trace(what_.victim, scene_, "the victim"));
    return victim_.has_value();
  }
  std::expected<bool, error> begin_recovery() {
    (*shared_).settled = (*shared_).cleared.exchange(0);
    scene second = scene_;
    second.is_recoverer = true;
    SHMARK_ASSIGN_OR_RETURN(recoverer_, trace(what_.recoverer, second, "the recoverer"));
    return recoverer_.has_value();
  }

  [[nodiscard]] tracee& victim() noexcept { return *victim_; }
  [[nodiscard]] tracee& recoverer() noexcept { return *recoverer_; }
  [[nodiscard]] bool interrupted() const noexcept { return shmark::interrupted() != 0; }

  // Executes it to its end mark, noting all points. Nothing, if it does not get there.
  std::optional<recording> record(tracee& who, const std::atomic<phase>& its_phase, bool has_event);

  // Brings it to a point; false if it does not get there.
  bool bring(tracee& who, const target& to, bool& sleeps) {
    std::optional<place_in_run> event;
    // Where it sleeps for what the event brings, that must not come before.
    const auto raised_at = to.of->event;
    if (raised_at && (*raised_at < to.at->index || (*raised_at == to.at->index && !to.inside))) {
      event = to.of->points[*raised_at].where;
    }
    if (who.go(to.at->where, event, [this] { raise_event(); }, scene_.soon()) != motion::stands) {
      return false;
    }
    sleeps = false;
    if (!to.inside) return true;
    const motion came = who.step_into_sleep();
    sleeps = came == motion::blocked;
    return came == motion::blocked || came == motion::stands;
  }

  // The bystander hears that the victim is dead, and must end.
  std::expected<void, error> end_bystander() {
    scene::raise((*shared_).stepped, over);
    if (!bystander_) return {};
    await_end(*bystander_, "the bystander", 3 * how_.patience);
    bystander_.reset();
    return {};
  }
  // Peers come, in turn; then all must be gone.
  std::expected<void, error> judge() {
    SHMARK_RETURN_IF_ERROR(end_bystander());
    SHMARK_ASSIGN_OR_RETURN(bool good, carry_out(what_.check, "a peer"));
    if (good && what_.worker) {
      SHMARK_ASSIGN_OR_RETURN(auto first, start(what_.worker, scene_));
      SHMARK_ASSIGN_OR_RETURN(auto second, start(what_.worker, scene_));
      good = await_end(first, "a worker", 3 * how_.patience);
      good = await_end(second, "a worker", 3 * how_.patience) && good;
    }
    if (good && what_.finish) {
      SHMARK_ASSIGN_OR_RETURN(good, carry_out(what_.finish, "who removes all"));
    }
    if (!good) return {};
    for (const auto& name : posix_segment::names(prefix_)) {
      scene_.fail(finding::leaked, "left behind: " + name);
    }
    return {};
  }

  // What can be had while the victim is stopped.
  std::expected<access, error> probe() {
    scene::raise((*shared_).stepped, over);
    if (bystander_) {  // which may wait for the victim
      if (const auto ended = bystander_->wait(deadline::after(how_.probe))) {
        look_at(*ended, "the bystander");
        bystander_.reset();
      }
    }
    access seen;
    if (!what_.prober) return seen;
    if (prober_) {
      scene::raise((*shared_).probing, 2);
      await_end(*prober_, "a prober", 3 * how_.patience);
    }
    SHMARK_ASSIGN_OR_RETURN(auto newcomer, start(what_.prober, prober_scene(true)));
    if (!what_.is_first) {
      await_end(newcomer, "a newcomer", 3 * how_.patience);
    } else if (!newcomer.wait(deadline::after(3 * how_.probe))) {
      constexpr std::uint32_t blocks = 2;
      newcomer.kill();
      (*shared_).probed[2] = (*shared_).probed[3] = blocks;
    }
    for (std::size_t i = 0; i < seen.probed.size(); ++i) seen.probed[i] = (*shared_).probed[i];
    return seen;
  }
  // Lets a stopped victim go on to its end.
  void resume_victim() {
    victim_->resume();
    await_end(*victim_, "the victim, which was stopped and continued,", 3 * how_.patience);
  }

  void fail(finding what, std::string_view sentence) const { scene_.fail(what, sentence); }

 private:
  static void pause() noexcept {
    const timespec short_time{.tv_sec = 0, .tv_nsec = 20'000};
    nanosleep(&short_time, nullptr);
  }
  [[nodiscard]] scene prober_scene(bool is_newcomer) const {
    scene its = scene_;
    its.patience = how_.probe;
    its.is_newcomer = is_newcomer;
    return its;
  }
  static std::expected<process, error> start(const body& what, const scene& in) {
    return process::start([&] { what(in); });
  }
  // Waits for one that must end; whether it ended well.
  bool await_end(process& who, std::string_view name, std::chrono::nanoseconds longest) {
    if (const auto status = who.wait(deadline::after(longest))) return look_at(*status, name);
    if (!interrupted()) scene_.fail(finding::stuck, fmt::format("{} does not end", name));
    who.kill();
    return false;
  }
  bool look_at(int status, std::string_view name) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    if (WIFSIGNALED(status)) {
      scene_.fail(finding::broken,
                  fmt::format("{} was ended by signal {}", name, WTERMSIG(status)));
    } else if (WEXITSTATUS(status) != has_given_up) {
      scene_.fail(finding::broken,
                  fmt::format("{} ended with status {}", name, WEXITSTATUS(status)));
    }
    return false;
  }
  std::expected<bool, error> carry_out(const body& what, std::string_view name) {
    SHMARK_ASSIGN_OR_RETURN(auto who, start(what, scene_));
    return await_end(who, name, 6 * how_.patience);
  }
  // Nothing, if it does not come to its mark.
  std::expected<std::optional<tracee>, error> trace(const body& what, const scene& in,
                                                    std::string_view name) {
    auto made = tracee::start([&] { what(in); }, deadline::after(3 * how_.patience));
    if (made) return std::optional<tracee>(*std::move(made));
    if (made.error().is_environment()) return std::unexpected(made.error());
    if (!interrupted()) {
      scene_.fail(made.error().code == errc::timed_out ? finding::stuck : finding::broken,
                  fmt::format("{} does not come to its mark", name));
    }
    return std::optional<tracee>();
  }
  std::expected<bool, error> found_or_interrupted(std::string_view name) {
    scene_.fail(finding::broken, fmt::format("{} ended early", name));
    return false;
  }
  void raise_event() {
    scene::raise((*shared_).stepped, event);
    const auto until = scene_.soon();
    while ((*shared_).stepped.load() < answered && !until.passed()) pause();
  }
  void end_all() noexcept {
    victim_.reset();
    recoverer_.reset();
    bystander_.reset();
    prober_.reset();
  }

  const operation& what_;
  const options& how_;
  shared_board& shared_;
  scene scene_;
  std::string prefix_;
  std::optional<process> bystander_;
  std::optional<process> prober_;
  std::optional<tracee> victim_;
  std::optional<tracee> recoverer_;
};

std::optional<recording> trial::record(tracee& who, const std::atomic<phase>& its_phase,
                                       bool has_event) {
  recording made;
  crash_state bytes(prefix_);
  std::unordered_map<std::uint64_t, std::uint32_t> arrivals;
  std::unordered_set<std::uint64_t> states;
  tracee::robust_list robust{};
  phase noted{};
  point now;
  const auto until = deadline::after(recording_max * how_.patience);
  for (;;) {
    const auto kind = who.next();
    if (kind == tracee::instruction::end_mark) break;
    const std::uint64_t address = who.address();
    if (address == now.where.address) {
      ++now.where.repeat;
    } else {
      now.where = {address, ++arrivals[address], 0};
    }
    if (is_our_code(address)) now.ours = address;
    now.index = made.points.size();
    now.waits = kind == tracee::instruction::system_call && who.is_about_to_wait();
    if (now.waits && has_event && !made.event) {
      made.event = now.index;
      raise_event();
    }
    const auto list = who.robust();
    const phase its = its_phase.load(std::memory_order_relaxed);
    if (bytes.has_changed() || list != robust || its != noted || made.points.empty()) {
      robust = list;
      noted = its;
      constexpr std::uint64_t odd = 0x9E3779B97F4A7C15u;
      now.state = (((bytes.hash() ^ list.first) * odd ^ list.pending) * odd) ^
                  static_cast<std::uint64_t>(its) ^
                  (static_cast<std::uint64_t>(list.offset) << 32U);
      states.insert(now.state);
    }
    made.points.push_back(now);
    const motion came = who.step(scene_.soon());
    if (kind == tracee::instruction::system_call) bytes.look_for_objects();
    if (came == motion::stands && !until.passed() && !interrupted()) continue;
    if (!interrupted()) {
      scene_.fail(came == motion::ended ? finding::broken : finding::stuck,
                  came == motion::ended ? "the process that was to be recorded ended by itself"
                                        : "the process that was to be recorded does not end");
    }
    return {};
  }
  made.states = states.size();
  return made;
}

// Points to die at: one of each crash state, or all; and inside of what waits.
std::vector<target> targets_of(const recording& of, bool every) {
  std::vector<target> all;
  std::unordered_set<std::uint64_t> states;
  std::unordered_set<std::uint64_t> waits;
  for (const auto& each : of.points) {
    const bool is_new = states.insert(each.state).second;
    if (every || is_new) all.push_back({&of, &each, false, is_new});
    if (!each.waits) continue;
    const bool is_new_wait = waits.insert(each.state).second;
    if (every || is_new_wait) all.push_back({&of, &each, true, is_new_wait});
  }
  return all;
}

class exploration {
 public:
  exploration(const operation& what, const options& how, const run& in,
              const progress_callback& tell)
      : what_(what),
        how_(how),
        tell_(tell),
        space_(fmt::format("{}.explored", in.space().view())),
        begin_ns_(monotonic_ns()) {
    result_.operation = what.name;
    // What victims map lies where it lay when they were recorded, whatever is allocated meanwhile:
    // the way in which memory is copied depends on it.
    mallopt(M_MMAP_MAX, 0);
  }

  std::expected<outcome, error> carry_out() {
    SHMARK_ASSIGN_OR_RETURN(const auto recorded, record_victim());
    if (recorded) {
      std::expected<void, error> done;
      if (how_.fault == fault_kind::kill) done = kill_at_all(*recorded);
      if (how_.fault == fault_kind::stop) done = stop_at_all(*recorded);
      if (how_.fault == fault_kind::kill_in_recovery) done = kill_in_recovery(*recorded);
      if (!done) return std::unexpected(done.error());
    }
    result_.interrupted = shmark::interrupted() != 0;
    constexpr double ns_per_s = 1e9;
    result_.elapsed_s = static_cast<double>(monotonic_ns() - begin_ns_) / ns_per_s;
    return std::move(result_);
  }

 private:
  [[nodiscard]] bool is_over() const {
    std::uint64_t all = 0;
    for (const auto number : result_.seen.found) all += number;
    return shmark::interrupted() != 0 || all >= how_.findings_max;
  }
  void told() {
    if (tell_) tell_({.trials = trials_++, .trials_max = trials_max_});
  }

  // Adds what the processes of a trial have noted.
  void take_notes(const std::string& where, bool was_a_fault) {
    const board& notes = *shared_;
    auto& seen = result_.seen;
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < findings; ++i) all += notes.found[i];
    for (std::size_t i = 0; i < findings; ++i) seen.found[i] += notes.found[i];
    if (all != 0) {
      result_.findings.push_back(
          fmt::format("{}, {}: {}", what_.name, where, notes.sentence.data()));
    }
    if (!was_a_fault) return;
    // A death is counted once, though several peers may have looked.
    for (const auto what : {sight::owner_died, sight::new_value, sight::old_value}) {
      if (notes.seen[static_cast<std::size_t>(what)] == 0) continue;
      ++seen.seen[static_cast<std::size_t>(what)];
      break;
    }
  }
  std::string describe(const target& at) const {
    const std::set<std::uint64_t> one{at.at->ours};
    const auto source = sources(one).of(at.at->ours);
    std::string text = fmt::format("instruction {}", at.at->index);
    if (at.inside) text += ", asleep in the system call";
    int shown = 0;
    for (const auto& each : source) {
      if (!each.line.file.starts_with("lib/") && shown == 0 && &each != &source.back()) continue;
      text += fmt::format("{}{} {}:{}", shown == 0 ? ", in " : ", ", each.function, each.line.file,
                          each.line.number);
      constexpr int shown_max = 3;
      if (++shown == shown_max) break;
    }
    return text;
  }

  std::expected<std::optional<recording>, error> record_victim() {
    trial first(what_, how_, space_, shared_, 0);
    SHMARK_ASSIGN_OR_RETURN(const bool begun, first.begin(how_.fault == fault_kind::stop));
    std::optional<recording> made;
    if (begun) made = first.record(first.victim(), (*shared_).victim, what_.has_event);
    if (made && how_.fault != fault_kind::kill_in_recovery) {
      result_.seen.points += made->points.size();
      result_.seen.states += made->states;
    }
    take_notes("when it was recorded", false);
    return made;
  }

  // A trial whose victim is at the point; nothing if it does not get there.
  std::expected<bool, error> bring_victim(trial& of, const target& to, bool& sleeps) {
    SHMARK_ASSIGN_OR_RETURN(const bool begun, of.begin(how_.fault == fault_kind::stop));
    return begun && of.bring(of.victim(), to, sleeps);
  }
  [[nodiscard]] bool has_found() const {
    return std::ranges::any_of((*shared_).found, [](const auto& n) { return n.load() != 0; });
  }

  std::expected<void, error> kill_at_all(const recording& recorded) {
    const auto all = targets_of(recorded, how_.every);
    trials_max_ = all.size() + recorded.states * (static_cast<std::size_t>(what_.variants) - 1);
    int turn = 0;
    for (const auto& each : all) {
      // In all ways where the crash state is new, in turn where it was met before.
      const int first = each.is_new ? 0 : turn++ % what_.variants;
      const int last = each.is_new ? what_.variants - 1 : first;
      for (int variant = first; variant <= last; ++variant) {
        if (is_over()) return {};
        told();
        SHMARK_RETURN_IF_ERROR(kill_at(each, variant));
      }
    }
    return {};
  }
  std::expected<void, error> kill_at(const target& to, int variant) {
    for (int tries = 0; tries < tries_max; ++tries) {
      trial one(what_, how_, space_, shared_, variant);
      bool sleeps = false;
      SHMARK_ASSIGN_OR_RETURN(const bool is_there, bring_victim(one, to, sleeps));
      if (is_over()) return {};
      if (!is_there && !has_found()) continue;
      if (is_there) {
        one.victim().kill();
        SHMARK_RETURN_IF_ERROR(one.judge());
        if (is_over()) return {};
        ++result_.seen.deaths;
        if (sleeps) ++result_.seen.asleep;
        result_.died_at.insert(to.at->ours);
      }
      take_notes(has_found() ? describe(to) : "", is_there);
      return {};
    }
    ++result_.seen.missed;
    return {};
  }

  std::expected<void, error> stop_at_all(const recording& recorded) {
    const auto all = targets_of(recorded, how_.every);
    trials_max_ = all.size();
    for (const auto& each : all) {
      if (is_over()) return {};
      told();
      if (each.inside) continue;  // as before the system call
      SHMARK_RETURN_IF_ERROR(stop_at(each));
    }
    return {};
  }
  std::expected<void, error> stop_at(const target& to) {
    for (int tries = 0; tries < tries_max; ++tries) {
      trial one(what_, how_, space_, shared_, 0);
      bool sleeps = false;
      SHMARK_ASSIGN_OR_RETURN(const bool is_there, bring_victim(one, to, sleeps));
      if (is_over()) return {};
      if (!is_there && !has_found()) continue;
      if (is_there) {
        one.victim().leave_stopped();
        const phase at = (*shared_).victim.load();
        SHMARK_ASSIGN_OR_RETURN(const access had, one.probe());
        if (is_over()) return {};
        expect_excluded(one, at, had);
        one.resume_victim();
        SHMARK_RETURN_IF_ERROR(one.judge());
        ++result_.seen.deaths;
        result_.died_at.insert(to.at->ours);
        ++result_.stopped_at[had][to.at->ours];
      }
      take_notes(has_found() ? describe(to) : "", is_there);
      return {};
    }
    ++result_.seen.missed;
    return {};
  }
  // (L4)
  static void expect_excluded(const trial& in, phase at, const access& had) {
    constexpr std::uint32_t granted = 1;
    const bool exclusive = had.probed[0] == granted || had.probed[2] == granted;
    const bool shared = had.probed[1] == granted || had.probed[3] == granted;
    if (at == phase::exclusive && (exclusive || shared)) {
      in.fail(finding::broken, "what a stopped process holds exclusively was granted to another");
    }
    const bool reads = at == phase::reading || at == phase::raising || at == phase::lowering;
    if (reads && exclusive) {
      in.fail(finding::broken, "what a stopped process reads was granted exclusively");
    }
  }

  std::expected<void, error> kill_in_recovery(const recording& recorded) {
    if (!what_.recoverer) return {};
    auto all = targets_of(recorded, false);
    for (const auto& each : all) {
      if (is_over()) return {};
      SHMARK_ASSIGN_OR_RETURN(const auto second, record_recoverer(each));
      if (!second) continue;
      const auto deaths = targets_of(*second, how_.every);
      trials_max_ += deaths.size();
      for (std::size_t i = 0; i < deaths.size(); ++i) {
        if (is_over()) return {};
        told();
        const int variant = static_cast<int>(i % static_cast<std::size_t>(what_.variants));
        SHMARK_RETURN_IF_ERROR(kill_both(each, deaths[i], variant));
      }
    }
    return {};
  }
  // Brings the victim there and kills it, and a recoverer to its mark; whether both came.
  std::expected<bool, error> begin_recovery(trial& of, const target& first) {
    bool sleeps = false;
    SHMARK_ASSIGN_OR_RETURN(const bool is_there, bring_victim(of, first, sleeps));
    if (!is_there) return false;
    of.victim().kill();
    SHMARK_RETURN_IF_ERROR(of.end_bystander());
    if (has_found() || is_over()) return false;
    return of.begin_recovery();
  }
  std::expected<std::optional<recording>, error> record_recoverer(const target& first) {
    for (int tries = 0; tries < tries_max; ++tries) {
      trial one(what_, how_, space_, shared_, 0);
      SHMARK_ASSIGN_OR_RETURN(const bool begun, begin_recovery(one, first));
      if (is_over()) return std::optional<recording>();
      if (!begun && !has_found()) continue;
      std::optional<recording> made;
      if (begun) made = one.record(one.recoverer(), (*shared_).recoverer, false);
      if (made) {
        result_.seen.points += made->points.size();
        result_.seen.states += made->states;
      }
      take_notes(has_found() ? "recovery after " + describe(first) : "", false);
      return made;
    }
    ++result_.seen.missed;
    return std::optional<recording>();
  }
  std::expected<void, error> kill_both(const target& first, const target& second, int variant) {
    for (int tries = 0; tries < tries_max; ++tries) {
      trial one(what_, how_, space_, shared_, variant);
      SHMARK_ASSIGN_OR_RETURN(const bool begun, begin_recovery(one, first));
      if (is_over()) return {};
      bool sleeps = false;
      const bool is_there = begun && one.bring(one.recoverer(), second, sleeps);
      if (!is_there && !has_found()) continue;
      if (is_there) {
        one.recoverer().kill();
        SHMARK_RETURN_IF_ERROR(one.judge());
        if (is_over()) return {};
        ++result_.seen.deaths;
        if (sleeps) ++result_.seen.asleep;
        result_.died_at.insert(second.at->ours);
      }
      take_notes(has_found() ? describe(first) + ", then of the next peer " + describe(second) : "",
                 is_there);
      return {};
    }
    ++result_.seen.missed;
    return {};
  }

  const operation& what_;
  const options& how_;
  const progress_callback& tell_;
  short_text space_;
  std::int64_t begin_ns_;
  shared_board shared_;
  outcome result_;
  std::uint64_t trials_ = 0;
  std::uint64_t trials_max_ = 0;
};

}  // namespace

std::string_view name_of(fault_kind fault) noexcept {
  switch (fault) {
    case fault_kind::kill:
      return "kill";
    case fault_kind::kill_in_recovery:
      return "kill_in_recovery";
    case fault_kind::stop:
      return "stop";
  }
  return "";
}

result::verdict_kind outcome::verdict() const noexcept {
  using enum result::verdict_kind;
  if (!seen.faultless()) return failed;
  if (interrupted) return undecided;
  return seen.deaths == 0 ? vacuous : passed;
}

std::expected<outcome, error> explore(const operation& what, const options& how, const run& in,
                                      const progress_callback& tell) {
  return exploration(what, how, in, tell).carry_out();
}

}  // namespace shmark::explorer

#include "stress/explorer/explorer.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "lib/base/check.h"
#include "lib/base/hash.h"
#include "lib/base/interrupt.h"
#include "lib/base/random.h"
#include "stress/explorer/nursery.h"
#include "stress/explorer/snapshot.h"
#include "stress/explorer/source.h"
#include "stress/explorer/system_v.h"
#include "stress/explorer/trial.h"

namespace shmark::explorer {
namespace {

constexpr int tries_max = 3;  // to bring a victim to a point
constexpr int life_max = 60;  // times the patience of a peer, until a trial counts as stuck
constexpr std::size_t points_max = std::size_t{1} << 22U;

// Memory that all processes of an exploration share. None is used before it is written.
class shared_memory {
 public:
  explicit shared_memory(std::size_t size) : size_(size) {
    at_ = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
               -1, 0);
    SHMARK_CHECK(at_ != MAP_FAILED, "no memory left for an exploration");
  }
  shared_memory(const shared_memory&) = delete;
  shared_memory& operator=(const shared_memory&) = delete;
  ~shared_memory() { munmap(at_, size_); }
  [[nodiscard]] void* at() const noexcept { return at_; }
  // Gives its memory back: it is all zeros then.
  void empty() noexcept { madvise(at_, size_, MADV_REMOVE); }

 private:
  void* at_;
  std::size_t size_;
};

// Small (linked_scene.h), and not that of another exploration on this machine: System V's keys are
// made of numbers alone.
std::uint64_t explored_number() noexcept { return 1 + (unpredictable_number() & 0x3fffffff); }

// The points of one run.
struct recording {
  std::vector<point> points;
  std::optional<place_in_run> event;  // where it was raised
  std::size_t event_index = 0;
  std::uint64_t states = 0;
};

// Where a run has been in each of its crash states, and how often it was died in these.
class places {
 public:
  explicit places(const recording& of) {
    for (const auto& each : of.points) {
      const std::pair here(each.state, each.ours);
      if (all_.empty() || all_.back() != here) all_.push_back(here);
    }
    std::ranges::sort(all_);
    const auto repeated = std::ranges::unique(all_);
    all_.erase(repeated.begin(), repeated.end());
    all_.shrink_to_fit();
  }
  void die_in(std::uint64_t state) { ++deaths_[state]; }
  [[nodiscard]] bool was_died_in(std::uint64_t state) const { return deaths_.contains(state); }
  // Adds the deaths by instruction.
  void count(std::map<std::uint64_t, std::uint64_t>& into) const {
    for (const auto& [state, ours] : all_) {
      if (const auto found = deaths_.find(state); found != deaths_.end()) {
        into[ours] += found->second;
      }
    }
  }

 private:
  std::vector<std::pair<std::uint64_t, std::uint64_t>> all_;  // a state, an instruction
  std::unordered_map<std::uint64_t, std::uint64_t> deaths_;   // by states
};

// What was left when no process had it open: the objects, and what their processes had noted.
struct remains {
  snapshot objects;
  std::array<std::byte, sizeof(board)> notes{};
};

// Points to die at: one of each crash state, or all; and inside of what waits.
std::vector<target> targets_of(const recording& of, bool every) {
  std::vector<target> all;
  std::unordered_set<std::uint64_t> states;
  std::unordered_set<std::uint64_t> waits;
  const auto add = [&](const point& at, bool inside, bool is_new) {
    target one{.at = at, .inside = inside, .is_new = is_new, .event = {}};
    // Where it sleeps for what the event brings, that must not come before.
    if (of.event && (of.event_index < at.index || (of.event_index == at.index && !inside))) {
      one.event = of.event;
    }
    all.push_back(one);
  };
  for (const auto& each : of.points) {
    const bool is_new = states.insert(each.state).second;
    if (every || is_new) add(each, false, is_new);
    if (!each.waits) continue;
    const bool is_new_wait = waits.insert(each.state).second;
    if (every || is_new_wait) add(each, true, is_new_wait);
  }
  return all;
}

// What a trial is to do.
struct order {
  task what{};
  int variant = 0;
  target to;
  std::size_t recoverer = 0;  // which
};

// What recoveries begin with: what a death has left, and who comes then.
struct beginning {
  target after;
  std::shared_ptr<const remains> left;
  std::size_t recoverer;
  places seen;
};

class exploration {
 public:
  static std::expected<outcome, error> carry_out(const operation& what, const options& how,
                                                 const run& in, const progress_callback& tell) {
    exploration all(what, how, in, tell);
    SHMARK_RETURN_IF_ERROR(all.begin());
    return all.explore();
  }
  exploration(const exploration&) = delete;
  exploration& operator=(const exploration&) = delete;
  ~exploration() {
    nursery_.reset();
    remove_objects(prefix_);
  }

 private:
  exploration(const operation& what, const options& how, const run& in,
              const progress_callback& tell)
      : what_(what),
        how_(how),
        tell_(tell),
        key_{fmt::format("{}.explored", in.space().view()), explored_number()},
        prefix_(fmt::format("shmark.{}", key_.space.view())),
        begin_ns_(monotonic_ns()),
        until_(how.budget ? deadline::after(*how.budget) : deadline::never()),
        random_(how.seed ^ fnv1a(what.name)),
        stage_memory_(sizeof(stage)),
        points_memory_(points_max * sizeof(point)),
        stage_(*new(stage_memory_.at()) stage) {
    result_.operation = what.name;
  }
  std::expected<void, error> begin() {
    SHMARK_ASSIGN_OR_RETURN(nursery_, nursery::start([this] {
                              explorer::carry_out(what_, how_, key_, stage_, points());
                            }));
    return {};
  }
  [[nodiscard]] std::span<point> points() const noexcept {
    return {static_cast<point*>(points_memory_.at()), points_max};
  }

  std::expected<outcome, error> explore() {
    SHMARK_RETURN_IF_ERROR(carry_out({.what = task::prepare, .to = {}}, nothing_));
    take_notes("when it was prepared", false);
    if (!has_found() && !is_over()) {
      SHMARK_ASSIGN_OR_RETURN(prepared_, what_remains());
      SHMARK_ASSIGN_OR_RETURN(const auto recorded, record_victim());
      if (recorded) SHMARK_RETURN_IF_ERROR(explore(*recorded));
    }
    result_.interrupted = shmark::interrupted() != 0;
    constexpr double ns_per_s = 1e9;
    result_.elapsed_s = static_cast<double>(monotonic_ns() - begin_ns_) / ns_per_s;
    return std::move(result_);
  }
  std::expected<void, error> explore(const recording& recorded) {
    if (how_.fault == fault_kind::kill) return kill_at_all(recorded);
    if (how_.fault == fault_kind::stop) return stop_at_all(recorded);
    return kill_in_recovery(recorded);
  }

  // Has a trial carried out that begins with what `from` left.
  std::expected<void, error> carry_out(const order& what, const remains& from) {
    remove_objects(prefix_);
    SHMARK_RETURN_IF_ERROR(from.objects.put_back());
    return let_run(what, from);
  }
  std::expected<void, error> let_run(const order& what, const remains& from) {
    new (&stage_) stage;
    std::memcpy(static_cast<void*>(&stage_.notes), from.notes.data(), from.notes.size());
    stage_.what = what.what;
    stage_.variant = what.variant;
    stage_.recoverer = what.recoverer;
    stage_.to = what.to;
    SHMARK_ASSIGN_OR_RETURN(const auto status,
                            nursery_->run(deadline::after(life_max * how_.patience)));
    if (stage_.failed) return std::unexpected(*stage_.failed);
    if (stage_.is_over) return {};
    const scene shared(stage_.notes, key_, how_.patience, what.variant);
    if (!status) {
      shared.fail(finding::stuck, "a trial does not end");
    } else if (!is_over()) {
      shared.fail(finding::broken, fmt::format("a trial ended with status {}", *status));
    }
    return {};
  }
  // The same, until the process that is to die comes to its point, or something is found, or it is
  // over; whether it came.
  std::expected<bool, error> try_to(const order& what, const remains& from) {
    for (int tries = 0; tries < tries_max; ++tries) {
      SHMARK_RETURN_IF_ERROR(carry_out(what, from));
      if (stage_.is_there || has_found() || is_over()) return stage_.is_there;
    }
    return false;
  }
  std::expected<remains, error> what_remains() const {
    remains left;
    SHMARK_ASSIGN_OR_RETURN(left.objects, snapshot::of(prefix_));
    std::memcpy(left.notes.data(), static_cast<const void*>(&stage_.notes), left.notes.size());
    return left;
  }

  [[nodiscard]] bool is_over() const {
    std::uint64_t all = 0;
    for (const auto number : result_.seen.found) all += number;
    return shmark::interrupted() != 0 || all >= how_.findings_max;
  }
  [[nodiscard]] bool has_found() const {
    return std::ranges::any_of(stage_.notes.found, [](const auto& n) { return n.load() != 0; });
  }
  // Before each trial that is to come. After as much time as there was, the rest is left.
  [[nodiscard]] bool must_stop() {
    if (is_over()) return true;
    if (until_.passed()) result_.done.is_cut = true;
    return result_.done.is_cut;
  }
  void told() {
    if (tell_) tell_({.trials = result_.done.trials, .trials_max = result_.done.trials_max});
    ++result_.done.trials;
  }
  // So that whatever part is done when the time is over is a sample.
  template <class T>
  void shuffle(std::vector<T>& all) {
    if (!how_.budget) return;
    for (std::size_t left = all.size(); left > 1; --left) {
      std::swap(all[left - 1], all[random_.below(left)]);
    }
  }

  // Adds what the processes of a trial have noted.
  void take_notes(const std::string& where, bool was_a_fault) {
    const board& notes = stage_.notes;
    auto& seen = result_.seen;
    for (std::size_t i = 0; i < findings; ++i) seen.found[i] += notes.found[i];
    if (has_found()) {
      result_.findings.push_back(
          fmt::format("{}, {}: {}", what_.name, where, notes.sentence.data()));
    }
    if (!was_a_fault) return;
    ++seen.deaths;
    if (stage_.sleeps) ++seen.asleep;
    // A death is counted once, though several peers may have looked.
    for (const auto what : {sight::owner_died, sight::new_value, sight::old_value}) {
      if (notes.seen[static_cast<std::size_t>(what)] == 0) continue;
      ++seen.seen[static_cast<std::size_t>(what)];
      break;
    }
  }
  void note_missed(const std::string& where) {
    constexpr std::size_t listed_max = 20;
    ++result_.seen.missed;
    if (result_.missed.size() < listed_max) {
      result_.missed.push_back(fmt::format("{}, {}", what_.name, where));
    }
  }
  static std::string describe(const target& to) {
    const std::set<std::uint64_t> one{to.at.ours};
    const auto source = sources(one).of(to.at.ours);
    std::string text = fmt::format("instruction {}", to.at.index);
    if (to.inside) text += ", asleep in the system call";
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

  // What the last trial has recorded.
  recording take_recording() {
    const auto all = points().first(stage_.points);
    recording made{.points = {all.begin(), all.end()},
                   .event = stage_.event,
                   .event_index = stage_.event_index.value_or(0)};
    points_memory_.empty();
    std::unordered_set<std::uint64_t> states;
    for (const auto& each : made.points) states.insert(each.state);
    made.states = states.size();
    return made;
  }
  void count(const recording& made) {
    result_.seen.points += made.points.size();
    result_.seen.states += made.states;
  }

  std::expected<std::optional<recording>, error> record_victim() {
    SHMARK_RETURN_IF_ERROR(carry_out({.what = task::record, .to = {}}, prepared_));
    std::optional<recording> made;
    if (stage_.is_there) made = take_recording();
    if (made && how_.fault != fault_kind::kill_in_recovery) count(*made);
    take_notes("when it was recorded", false);
    return made;
  }

  // Has a trial made in which a process is killed, or stopped, at a point of the run that was
  // `seen`, and takes its notes. `first`: the death that it comes after, if it does.
  std::expected<void, error> fault_at(const order& what, const remains& from, places& seen,
                                      const target* first = nullptr) {
    told();
    SHMARK_ASSIGN_OR_RETURN(const bool is_there, try_to(what, from));
    if (shmark::interrupted() != 0) return {};
    const auto where = [&] {
      return first == nullptr ? describe(what.to) : after(*first) + describe(what.to);
    };
    if (!is_there && !has_found()) {
      if (seen.was_died_in(what.to.at.state)) {
        ++result_.seen.absent;
      } else {
        note_missed(where());
      }
      return {};
    }
    take_notes(has_found() ? where() : "", is_there);
    if (is_there) seen.die_in(what.to.at.state);
    return {};
  }
  static std::string after(const target& first) {
    return "recovery after " + describe(first) + ": ";
  }

  std::expected<void, error> kill_at_all(const recording& recorded) {
    std::vector<order> all;
    int turn = 0;
    for (const auto& each : targets_in_order(recorded)) {
      // In all ways where the crash state is new, in turn where it was met before.
      const int first = each.is_new ? 0 : turn++ % what_.variants;
      const int last = each.is_new ? what_.variants - 1 : first;
      for (int variant = first; variant <= last; ++variant) {
        all.push_back({task::kill, variant, each});
      }
    }
    result_.done.trials_max = all.size();
    places seen(recorded);
    for (const auto& each : all) {
      if (must_stop()) break;
      SHMARK_RETURN_IF_ERROR(fault_at(each, prepared_, seen));
    }
    seen.count(result_.died_at);
    return {};
  }
  // Of those at which no state is new, whether they are met at all is judged by the others.
  std::vector<target> targets_in_order(const recording& recorded) {
    auto all = targets_of(recorded, how_.every);
    shuffle(all);
    if (how_.budget) std::ranges::stable_partition(all, &target::is_new);
    return all;
  }

  std::expected<void, error> stop_at_all(const recording& recorded) {
    auto all = targets_in_order(recorded);
    std::erase_if(all, &target::inside);  // as before the system call
    result_.done.trials_max = all.size();
    places seen(recorded);
    for (const auto& each : all) {
      if (must_stop()) return {};
      SHMARK_RETURN_IF_ERROR(fault_at({task::stop, 0, each}, prepared_, seen));
      if (stage_.is_there) ++result_.stopped_at[stage_.had][each.at.ours];
    }
    return {};
  }

  // Without a budget, one beginning after the other. With one, as many as can be recorded in half
  // the time, then pairs of any of these.
  std::expected<void, error> kill_in_recovery(const recording& recorded) {
    if (what_.recoverers.empty()) return {};
    auto firsts = targets_of(recorded, false);
    shuffle(firsts);
    result_.done.beginnings_max = firsts.size() * what_.recoverers.size();
    const auto record_until = how_.budget ? deadline::after(*how_.budget / 2) : deadline::never();
    for (const auto& each : firsts) {
      if (must_stop()) break;
      if (record_until.passed()) break;
      SHMARK_ASSIGN_OR_RETURN(const auto left, remains_after(each));
      if (!left) continue;
      for (std::size_t recoverer = 0; recoverer < what_.recoverers.size(); ++recoverer) {
        if (must_stop()) break;
        SHMARK_RETURN_IF_ERROR(record_recoverer({task::record_recovery, 0, each, recoverer}, left));
      }
      if (!how_.budget) SHMARK_RETURN_IF_ERROR(die_at_pending());
    }
    return die_at_pending();
  }
  // What a death at a point leaves; nothing, if that is not to be had.
  std::expected<std::shared_ptr<const remains>, error> remains_after(const target& first) {
    SHMARK_ASSIGN_OR_RETURN(const bool is_there,
                            try_to({.what = task::kill_and_leave, .to = first}, prepared_));
    if (shmark::interrupted() != 0) return nullptr;
    if (is_there && !has_found()) {
      SHMARK_ASSIGN_OR_RETURN(auto left, what_remains());
      return std::make_shared<const remains>(std::move(left));
    }
    if (!is_there && !has_found()) note_missed(describe(first) + ", and all recoveries from it");
    take_notes(has_found() ? describe(first) : "", false);
    return nullptr;
  }
  // Records a recoverer, who is to be killed at all of its points; in each way in which peers can
  // come after, in turn.
  std::expected<void, error> record_recoverer(order what,
                                              const std::shared_ptr<const remains>& left) {
    const target first = std::exchange(what.to, {});
    SHMARK_RETURN_IF_ERROR(carry_out(what, *left));
    take_notes(has_found() ? after(first) : "", false);
    ++result_.done.beginnings;
    if (!stage_.is_there) return {};
    const recording recorded = take_recording();
    count(recorded);
    what.what = task::kill_recovery;
    for (const auto& each : targets_of(recorded, how_.every)) {
      what.variant = turn_++ % what_.variants;
      what.to = each;
      pending_.emplace_back(beginnings_.size(), what);
    }
    beginnings_.push_back(
        {.after = first, .left = left, .recoverer = what.recoverer, .seen = places(recorded)});
    return {};
  }
  std::expected<void, error> die_at_pending() {
    result_.done.trials_max += pending_.size();
    shuffle(pending_);
    for (const auto& [which, what] : pending_) {
      if (must_stop()) break;
      auto& from = beginnings_[which];
      SHMARK_RETURN_IF_ERROR(fault_at(what, *from.left, from.seen, &from.after));
    }
    for (const auto& each : beginnings_) each.seen.count(result_.died_at);
    if (result_.done.beginnings < result_.done.beginnings_max && how_.budget && !is_over()) {
      result_.done.is_cut = true;
    }
    pending_.clear();
    beginnings_.clear();
    return {};
  }

  const operation& what_;
  const options& how_;
  const progress_callback& tell_;
  segment_key key_;
  std::string prefix_;
  std::int64_t begin_ns_;
  deadline until_;
  random_source random_;
  system_v_notes made_;
  shared_memory stage_memory_;
  shared_memory points_memory_;
  stage& stage_;
  std::optional<nursery> nursery_;
  const remains nothing_{};
  remains prepared_;
  outcome result_;
  int turn_ = 0;
  std::vector<beginning> beginnings_;
  // Deaths in recovery that are to come, and which beginning each is of.
  std::vector<std::pair<std::size_t, order>> pending_;
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
  if (interrupted || done.is_cut || seen.missed != 0) return undecided;
  return seen.deaths == 0 ? vacuous : passed;
}

double extent::share() const noexcept {
  double all = static_cast<double>(trials_max);
  if (beginnings != 0) all *= static_cast<double>(beginnings_max) / static_cast<double>(beginnings);
  if (all > 0) return static_cast<double>(trials) / all;
  return is_cut ? 0 : 1;
}

std::expected<outcome, error> explore(const operation& what, const options& how, const run& in,
                                      const progress_callback& tell) {
  return exploration::carry_out(what, how, in, tell);
}

}  // namespace shmark::explorer

#include "stress/explorer/explorer.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <unordered_set>
#include <utility>

#include "lib/base/check.h"
#include "lib/base/interrupt.h"
#include "stress/explorer/nursery.h"
#include "stress/explorer/snapshot.h"
#include "stress/explorer/source.h"
#include "stress/explorer/system_v.h"
#include "stress/explorer/trial.h"

namespace shmark::explorer {
namespace {

constexpr std::uint64_t explored_number = 7;
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

// The points of one run.
struct recording {
  std::vector<point> points;
  std::optional<place_in_run> event;  // where it was raised
  std::size_t event_index = 0;
  std::uint64_t states = 0;
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
        key_{fmt::format("{}.explored", in.space().view()), explored_number},
        prefix_(fmt::format("shmark.{}", key_.space.view())),
        begin_ns_(monotonic_ns()),
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

  // What a trial is to do.
  struct order {
    task what{};
    int variant = 0;
    target to;
    std::size_t recoverer = 0;  // which
  };
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
  void told() {
    if (tell_) tell_({.trials = trials_++, .trials_max = trials_max_});
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

  // Has a trial made in which a process is killed, or stopped, at a point, and takes its notes.
  std::expected<void, error> fault_at(const order& what, const remains& from,
                                      const std::string& after) {
    told();
    SHMARK_ASSIGN_OR_RETURN(const bool is_there, try_to(what, from));
    if (shmark::interrupted() != 0) return {};
    if (!is_there && !has_found()) {
      if (died_in_.contains(what.to.at.state)) {
        ++result_.seen.absent;
      } else {
        note_missed(after + describe(what.to));
      }
      return {};
    }
    take_notes(has_found() ? after + describe(what.to) : "", is_there);
    if (is_there) died_in_.insert(what.to.at.state);
    return {};
  }

  // Notes where one may have been when one died in any of the crash states of this run that were
  // died in.
  void note_places(const recording& of) {
    for (const auto& each : of.points) {
      if (died_in_.contains(each.state)) result_.died_at.insert(each.ours);
    }
    died_in_.clear();
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
        if (is_over()) break;
        SHMARK_RETURN_IF_ERROR(fault_at({task::kill, variant, each}, prepared_, ""));
      }
    }
    note_places(recorded);
    return {};
  }

  std::expected<void, error> stop_at_all(const recording& recorded) {
    const auto all = targets_of(recorded, how_.every);
    trials_max_ = all.size();
    for (const auto& each : all) {
      if (is_over()) return {};
      if (each.inside) continue;  // as before the system call
      SHMARK_RETURN_IF_ERROR(fault_at({task::stop, 0, each}, prepared_, ""));
      if (stage_.is_there) ++result_.stopped_at[stage_.had][each.at.ours];
    }
    return {};
  }

  std::expected<void, error> kill_in_recovery(const recording& recorded) {
    if (what_.recoverers.empty()) return {};
    int turn = 0;
    for (const auto& each : targets_of(recorded, false)) {
      if (is_over()) return {};
      SHMARK_ASSIGN_OR_RETURN(const auto left, remains_after(each));
      if (!left) continue;
      const auto after = "recovery after " + describe(each) + ": ";
      for (std::size_t recoverer = 0; recoverer < what_.recoverers.size(); ++recoverer) {
        if (is_over()) return {};
        SHMARK_RETURN_IF_ERROR(kill_recoverer(*left, recoverer, after, turn++));
      }
    }
    return {};
  }
  // What a death at a point leaves.
  std::expected<std::optional<remains>, error> remains_after(const target& first) {
    SHMARK_ASSIGN_OR_RETURN(const bool is_there,
                            try_to({.what = task::kill_and_leave, .to = first}, prepared_));
    if (shmark::interrupted() != 0) return std::optional<remains>();
    if (is_there && !has_found()) return what_remains();
    if (!is_there && !has_found()) note_missed(describe(first) + ", and all recoveries from it");
    take_notes(has_found() ? describe(first) : "", false);
    return std::optional<remains>();
  }
  // Records a recoverer, and has it killed at all of its points; in each way in which peers can
  // come after, in turn.
  std::expected<void, error> kill_recoverer(const remains& left, std::size_t recoverer,
                                            const std::string& after, int turn) {
    SHMARK_RETURN_IF_ERROR(
        carry_out({.what = task::record_recovery, .to = {}, .recoverer = recoverer}, left));
    take_notes(has_found() ? after : "", false);
    if (!stage_.is_there) return {};
    const recording recorded = take_recording();
    count(recorded);
    const auto deaths = targets_of(recorded, how_.every);
    trials_max_ += deaths.size();
    for (const auto& each : deaths) {
      if (is_over()) break;
      const int variant = turn++ % what_.variants;
      SHMARK_RETURN_IF_ERROR(
          fault_at({task::kill_recovery, variant, each, recoverer}, left, after));
    }
    note_places(recorded);
    return {};
  }

  const operation& what_;
  const options& how_;
  const progress_callback& tell_;
  segment_key key_;
  std::string prefix_;
  std::int64_t begin_ns_;
  system_v_notes made_;
  shared_memory stage_memory_;
  shared_memory points_memory_;
  stage& stage_;
  std::optional<nursery> nursery_;
  const remains nothing_{};
  remains prepared_;
  outcome result_;
  std::unordered_set<std::uint64_t> died_in_;  // crash states, of the run that is being explored
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
  if (interrupted || seen.missed != 0) return undecided;
  return seen.deaths == 0 ? vacuous : passed;
}

std::expected<outcome, error> explore(const operation& what, const options& how, const run& in,
                                      const progress_callback& tell) {
  return exploration::carry_out(what, how, in, tell);
}

}  // namespace shmark::explorer
